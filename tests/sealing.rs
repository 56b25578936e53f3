//! Sealed values: unreadable in the database, equal for equal contents, and sealed again after a key rotation.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use careq_shared::broker::Queue;
use careq_shared::entities::{clinic, clinic_credential, dead_letter, parked_event, patient as patients};
use careq_shared::seal::AssociatedData;
use futures_util::future::join_all;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _,
};
use serde_json::{Value, json};

use crate::harness::{
    CLINIC, Client, Process, SEAL_KEYS, Secrets, Stack, TOKEN, appointment, channel, now, patient, sample,
    seal, until,
};

const AADHAR_NUMBER: &str = "1234-5678-9012";
const NEW_KEY: &str = "second:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

#[tokio::test]
async fn on_the_embedded_default() {
    let stack = Stack::embedded(&[]).await;
    aadhar_numbers(&stack).await;
    parked_events_and_dead_letters(&stack).await;
    a_rotation_of_the_key(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(2, &[]).await;
    aadhar_numbers(&stack).await;
    parked_events_and_dead_letters(&stack).await;
    a_rotation_of_the_key(&stack).await;
    stack.finish().await;
}

async fn stored(database: &DatabaseConnection) -> patients::Model {
    let select = patients::Entity::find().filter(patients::Column::CareqId.eq(12345));
    select.one(database).await.unwrap().expect("the patient is stored")
}

async fn aadhar_numbers(stack: &Stack) {
    let database = &stack.database.connection;
    assert_eq!(stack.client.post("/patient", &sample("/patient")).await.status, 201);
    let first = stored(database).await;
    let sealed = first.aadhar_number.expect("the number is stored");
    assert!(!sealed.clone().into_text().contains("5678"));
    let place = first.id.to_string();
    assert_eq!(
        seal().open(AssociatedData::aadhar_number(&place), &sealed).unwrap(),
        AADHAR_NUMBER.as_bytes()
    );

    let mut same = sample("/patient");
    same["updated_at"] = json!("2026-01-01T00:00:00Z");
    let newer = stack.client.post("/patient", &same).await;
    assert_eq!(
        (newer.status, &newer.body["data"]["sync_status"]),
        (200, &json!("updated")),
        "{}",
        newer.body
    );
    assert_eq!(
        stored(database).await.aadhar_number.as_ref(),
        Some(&sealed),
        "an equal value stays sealed as it was"
    );
    // The same content as another event without a time stamp changes nothing.
    let mut unstamped = sample("/patient");
    unstamped["updated_at"] = json!(null);
    assert_eq!(stack.client.post("/patient", &unstamped).await.body["data"]["sync_status"], "unchanged");

    same["aadhar_number"] = json!("2222-5678-9012");
    // Newer than the event without a time stamp, whose version is its acceptance time.
    let in_an_hour = chrono::DateTime::from_timestamp(now() + 3_600, 0).unwrap().to_rfc3339();
    same["updated_at"] = json!(in_an_hour);
    assert_eq!(stack.client.post("/patient", &same).await.body["data"]["sync_status"], "updated");
    let changed = stored(database).await.aadhar_number.unwrap();
    assert_eq!(seal().open(AssociatedData::aadhar_number(&place), &changed).unwrap(), b"2222-5678-9012");
}

async fn parked_events_and_dead_letters(stack: &Stack) {
    let database = &stack.database.connection;
    let mut orphan = appointment(70);
    orphan["notes"] = json!("a-note-that-only-the-keys-open");
    assert_eq!(stack.client.post("/appointment", &orphan).await.status, 422);
    let parked = parked_event::Entity::find().all(database).await.unwrap().remove(0);
    assert!(!parked.event.clone().into_text().contains("a-note"));
    let opened = seal().open(AssociatedData::parked_event(&parked.event_id), &parked.event).unwrap();
    assert!(String::from_utf8(opened).unwrap().contains("a-note-that-only-the-keys-open"));

    let key = [("Idempotency-Key", "reused")];
    assert_eq!(stack.client.post_with("/patient", &patient(71), &key).await.status, 201);
    assert_eq!(stack.client.post_with("/patient", &patient(72), &key).await.status, 409);
    let letter = dead_letter::Entity::find().all(database).await.unwrap().remove(0);
    assert!(!String::from_utf8(letter.payload.clone()).unwrap().contains("Asha"));
    assert!(String::from_utf8(crate::harness::opened(&letter)).unwrap().contains("Asha"));
}

async fn a_rotation_of_the_key(stack: &Stack) {
    let database = &stack.database.connection;
    Secrets::for_new_clinic(stack, "clinic_sealed").await;
    let both = [("CAREQ_SEAL_KEYS", &*format!("{NEW_KEY},{SEAL_KEYS}"))];
    let report = |printed: String| serde_json::from_str::<Value>(&printed).unwrap();
    // With the new key alone, no value can be opened, and no row is changed.
    let fault = stack.failing_command(&["reseal"], &[("CAREQ_SEAL_KEYS", NEW_KEY)]).await;
    assert!(fault.contains("7: it is sealed under the key `test`"), "{fault}");
    let before = stack.client.post("/patient", &sample("/patient")).await.body["data"]["event_id"].clone();
    let first = report(stack.command(&["reseal", "--json"], &both).await);
    assert_eq!(first, json!({ "key": "second", "sealed": 7, "left": 0, "reasons": {} }));
    let second = report(stack.command(&["reseal", "--json"], &both).await);
    assert_eq!(second["sealed"], 0, "values under the current key are unchanged");

    let texts = [
        stored(database).await.aadhar_number.unwrap().into_text(),
        parked_event::Entity::find().all(database).await.unwrap().remove(0).event.into_text(),
        String::from_utf8(dead_letter::Entity::find().all(database).await.unwrap().remove(0).payload)
            .unwrap(),
        signing_secret(database).await,
        event_key(database).await,
    ];
    assert!(texts.iter().all(|text| text.starts_with("second.")), "{texts:?}");
    // The old key is restored, because the test's processes know only that.
    let back = [("CAREQ_SEAL_KEYS", &*format!("{SEAL_KEYS},{NEW_KEY}"))];
    assert_eq!(report(stack.command(&["reseal", "--json"], &back).await)["sealed"], 7);
    let again = stack.client.post("/patient", &sample("/patient")).await;
    assert_eq!(again.body["data"]["event_id"], before, "ids do not depend on the seal key");
    // The parked event is unchanged.
    for path in ["/patient", "/doctor", "/service"] {
        let mut body = sample(path);
        body["careq_id"] = json!(70);
        stack.client.post(path, &body).await;
    }
    until("the appointment is stored", || async {
        let page = stack.client.get("/status/appointment/70").await;
        (page.body["data"]["sync_status"] == "synced").then_some(())
    })
    .await;
}

async fn event_key(database: &DatabaseConnection) -> String {
    let row = clinic::Entity::find_by_id("clinic_sealed").one(database).await.unwrap();
    String::from_utf8(row.expect("the clinic exists").event_key).unwrap()
}

async fn signing_secret(database: &DatabaseConnection) -> String {
    let of_kind = clinic_credential::Column::Kind.eq("signing_secret");
    let row = clinic_credential::Entity::find().filter(of_kind).one(database).await.unwrap();
    row.expect("the clinic has a signing secret").verifier
}

/// A sealed value moved to another row is rejected, so write access to the database without a key does not
/// authenticate.
#[tokio::test]
async fn a_moved_signing_secret_is_not_accepted() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1")]).await;
    let database = &stack.database.connection;
    let mine = Secrets::for_new_clinic(&stack, "clinic_mine").await;
    let theirs = Secrets::for_new_clinic(&stack, "clinic_theirs").await;
    let verifier_of = |clinic_id: &str| {
        format!(
            "SELECT verifier FROM clinic_credentials WHERE kind = 'signing_secret' AND clinic_id = '{clinic_id}'"
        )
    };
    let moved = format!(
        "UPDATE clinic_credentials SET verifier = ({}) WHERE kind = 'signing_secret' AND clinic_id = 'clinic_theirs'",
        verifier_of("clinic_mine")
    );
    database.execute_unprepared(&moved).await.unwrap();
    until("the ingress has logged it", || async {
        let log = stack.logged();
        (log.contains("a clinic cannot be loaded") && log.contains("sealed for another row")).then_some(())
    })
    .await;
    for signing_secret in [&mine.signing_secret, &theirs.signing_secret] {
        let secrets = Secrets { signing_secret: signing_secret.clone(), ..theirs.clone() };
        let signed = secrets.sign(reqwest::Method::GET, "/health", Vec::new()).await;
        assert_eq!(crate::harness::send(signed.request(&stack.client)).await.status, 401);
    }
    stack.finish().await;
}

/// Secrets that cannot be opened or have expired are ignored, and the signature stays required.
#[tokio::test]
async fn only_readable_unexpired_signing_secrets_count() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_CLINICS_REFRESH_INTERVAL_S", "1")]).await;
    let database = &stack.database.connection;
    let old = Secrets::for_new_clinic(&stack, "clinic_signs").await;
    let rotate = ["clinic", "rotate", "clinic_signs", "signing-secret", "--overlap", "1h", "--json"];
    let printed: Value = serde_json::from_str(&stack.command(&rotate, &[]).await).unwrap();
    let new =
        Secrets { signing_secret: printed["signing_secret"].as_str().unwrap().to_owned(), ..old.clone() };
    becomes(&stack, &new, 200).await;

    let of_the_old = "kind = 'signing_secret' AND expires_at IS NOT NULL";
    let damage = format!("UPDATE clinic_credentials SET verifier = 'test.AAAA' WHERE {of_the_old}");
    database.execute_unprepared(&damage).await.unwrap();
    becomes(&stack, &old, 401).await;
    becomes(&stack, &new, 200).await;
    until("the ignored secret is logged", || async {
        stack.logged().contains("a clinic's signing secret cannot be opened").then_some(())
    })
    .await;

    let expire =
        "UPDATE clinic_credentials SET expires_at = '2026-01-01T00:00:00Z' WHERE kind = 'signing_secret'";
    database.execute_unprepared(expire).await.unwrap();
    becomes(&stack, &new, 401).await;
    let unsigned = stack.client.with_token(&new.token).bare(reqwest::Method::GET, "/health");
    let unsigned = unsigned.header("x-api-key", &new.api_key).header("x-webhook-secret", &new.webhook_secret);
    let unsigned = unsigned.bearer_auth(&new.token);
    assert_eq!(crate::harness::send(unsigned).await.status, 401, "a signature is still required");
    stack.finish().await;
}

async fn becomes(stack: &Stack, secrets: &Secrets, expected: u16) {
    until(&format!("the answer becomes {expected}"), || async {
        let signed = secrets.sign(reqwest::Method::GET, "/health", Vec::new()).await;
        (crate::harness::send(signed.request(&stack.client)).await.status == expected).then_some(())
    })
    .await;
}

/// Two numbers of twelve digits that occur nowhere else.
const NUMBERS: [&str; 2] = ["7391-5502-8846", "739155028846"];

fn numbered(careq_id: i64) -> Value {
    let mut body = patient(careq_id);
    body["aadhar_number"] = json!(NUMBERS[usize::try_from(careq_id % 2).unwrap()]);
    body
}

fn holds_a_number(bytes: &[u8]) -> bool {
    NUMBERS.iter().any(|number| bytes.windows(number.len()).any(|piece| piece == number.as_bytes()))
}

#[tokio::test]
async fn no_file_of_the_embedded_default_holds_a_number_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let settings = [
        ("CAREQ_DATA_DIR", data.to_str().unwrap()),
        ("CAREQ_INGRESS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_OPERATIONS_LISTEN", "127.0.0.1:0"),
        ("CAREQ_INGRESS_RATE_PER_MINUTE", "0"),
        ("CAREQ_CLINICS", &format!("{CLINIC}={TOKEN}")),
        ("CAREQ_LOG_FORMAT", "json"),
    ];
    let process = Process::start(&[], &settings);
    let address = process.logged("careq-sync takes requests").await["fields"]["address"].clone();
    let client = Client::new(address.as_str().unwrap(), TOKEN);
    let answers =
        join_all((1..=60).map(async |careq_id| client.post("/patient", &numbered(careq_id)).await.status));
    assert!(answers.await.iter().all(|status| [201, 202].contains(status)));
    for file in files(&data) {
        assert!(!holds_a_number(&std::fs::read(&file).unwrap()), "{} at work", file.display());
    }
    assert!(process.stop().await.success);

    let names: Vec<_> = files(&data).iter().map(|file| file.file_name().unwrap().to_owned()).collect();
    assert!(
        names.iter().any(|name| name == "queue.db") && names.iter().any(|name| name == "careq.db"),
        "{names:?}"
    );
    for file in files(&data) {
        let (bytes, mode) = (std::fs::read(&file).unwrap(), file.metadata().unwrap().permissions().mode());
        assert!(!holds_a_number(&bytes), "{}", file.display());
        assert_eq!(mode & 0o077, 0, "{} is open to others", file.display());
        assert!(
            !file.to_str().unwrap().ends_with("-wal") || bytes.is_empty(),
            "{} is not cleaned",
            file.display()
        );
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn no_message_in_rabbitmq_holds_readable_data() {
    let mut stack = Stack::full(0, &[("CAREQ_INGRESS_RESULT_TIMEOUT_MS", "0")]).await;
    assert_eq!(stack.client.post("/patient", &numbered(80)).await.status, 202);
    let (_connection, channel) = channel().await;
    let queue = stack.queue_of(Queue::Live, CLINIC);
    let got = channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await.unwrap().unwrap();
    for piece in ["Asha", "9000000001", "careq_id", "7391", CLINIC] {
        assert!(!String::from_utf8_lossy(&got.delivery.data).contains(piece), "{piece}");
    }
    got.delivery.acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();

    // Under a key that its worker lacks, the message becomes a dead letter; with the key, the replay stores it.
    let other = stack
        .settings()
        .map(|(name, value)| if name == "CAREQ_SEAL_KEYS" { (name, NEW_KEY) } else { (name, value) });
    let stranger = Process::start(&["worker"], &other.collect::<Vec<_>>());
    let database = stack.database.connection.clone();
    let letter = until("the message is a dead letter", || async {
        dead_letter::Entity::find().one(&database).await.unwrap()
    })
    .await;
    assert_eq!(letter.class, "undecodable");
    assert!(stranger.stop().await.success);
    let both = [("CAREQ_SEAL_KEYS", &*format!("{SEAL_KEYS},{NEW_KEY}"))];
    stack.set("CAREQ_SEAL_KEYS", both[0].1);
    stack.start_worker().await;
    stack.command(&["dead-letters", "replay", "--class", "undecodable"], &both).await;
    let stored = patients::Entity::find().filter(patients::Column::CareqId.eq(80));
    let row = until("the patient is stored", || async { stored.clone().one(&database).await.unwrap() }).await;
    let place = row.id.to_string();
    assert_eq!(
        seal().open(AssociatedData::aadhar_number(&place), &row.aadhar_number.unwrap()).unwrap(),
        NUMBERS[0].as_bytes()
    );
    stack.finish().await;
}
