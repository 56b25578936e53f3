//! `docs/guide/dead-letters.md`: a shell runs every command of it, in a separate folder.

use std::cell::RefCell;
use std::path::Path;

use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{QUICK, command, execute};
use crate::harness::{CLINIC, Stack, appointment, doctor, patient, service, until};

const GUIDE: &str = "docs/guide/dead-letters.md";

/// Number of services that a constraint refuses until it is removed.
const SERVICES: i64 = 120;

/// The commands of the guide, and those that have not run yet.
struct Guide<'stack> {
    stack: &'stack Stack,
    folder: TempDir,
    commands: Vec<String>,
    left: RefCell<Vec<String>>,
}

impl<'stack> Guide<'stack> {
    fn read(stack: &'stack Stack) -> Self {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(GUIDE);
        let guide = std::fs::read_to_string(guide).unwrap();
        let commands: Vec<_> =
            guide.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect();
        let folder = tempfile::tempdir().unwrap();
        Self { stack, folder, left: RefCell::new(commands.clone()), commands }
    }

    /// Runs the guide's command that equals these words or begins with them. Replaces its placeholders by these
    /// values and returns its output.
    async fn follow(&self, beginning: &str, values: &[(&str, &str)]) -> String {
        let beginning = format!("careq-sync dead-letters {beginning}");
        let begins: Vec<_> = self.commands.iter().filter(|line| line.starts_with(&beginning)).collect();
        let same = self.commands.iter().find(|line| **line == beginning);
        let line = same.or(if let [only] = begins.as_slice() { Some(only) } else { None });
        let line = line.unwrap_or_else(|| panic!("{GUIDE} has {begins:?} for {beginning}"));
        self.left.borrow_mut().retain(|left| left != line);
        let line = values.iter().fold(line.clone(), |line, (name, value)| line.replace(name, value));
        let program = Path::new(env!("CARGO_BIN_EXE_careq-sync")).parent().unwrap();
        let output = Command::new("sh")
            .args(["-c", &line])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("USER", "meera")
            .envs(self.stack.settings())
            .current_dir(self.folder.path())
            .output()
            .await
            .unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{line}: {printed}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test]
async fn every_command_of_the_guide_does_what_it_says() {
    let stack = Stack::full(1, &QUICK).await;
    let guide = Guide::read(&stack);
    refused_services(&stack).await;
    let (wrong, taken) = (wrong_number(&stack).await, reused_key(&stack).await);

    let groups = guide.follow("list --group", &[]).await;
    let group = groups.lines().find(|line| line.contains("constraint short of services")).unwrap();
    let fingerprint = group.split_whitespace().next().unwrap();
    assert_eq!(group.split_whitespace().nth(1), Some("120"), "{groups}");
    let listed = guide.follow("list --class data", &[]).await;
    let id = listed.lines().nth(1).unwrap().split_whitespace().next().unwrap();
    let shown = guide.follow("show ID", &[("ID", id)]).await;
    assert!(shown.contains("23514") && shown.contains("\"name\":\"text of 8\""), "{shown}");

    replay(&guide, fingerprint).await;
    correct(&guide, &wrong).await;

    let discarded = guide.follow("discard", &[("ID", &taken)]).await;
    assert!(discarded.contains("1 dead letters are discarded"), "{discarded}");
    assert!(guide.follow("list --state discarded", &[]).await.contains("conflict"));
    assert_eq!(command(&stack, &["list"]).await["count"], 0, "no letter is open");
    assert!(guide.follow("reopen", &[("ID", &taken)]).await.contains("1 dead letters are open again"));
    assert_eq!(command(&stack, &["list"]).await["count"], 1);
    let audit = guide.follow("audit", &[]).await;
    for action in ["replay", "pause", "resume", "cancel", "reveal", "correct", "discard", "reopen"] {
        let entry = audit.lines().find(|line| line.contains(action));
        assert!(
            entry.is_some_and(|entry| entry.contains("uid ") && !entry.contains("meera")),
            "{action}: {audit}"
        );
    }
    assert!(guide.left.borrow().is_empty(), "not run: {:?}", guide.left.borrow());
    stack.finish().await;
}

async fn refused_services(stack: &Stack) {
    execute(stack, "ALTER TABLE services ADD CONSTRAINT short CHECK (duration < 100)").await;
    let long = |number: i64| {
        let mut body = service(100 + number);
        body["duration"] = json!(100);
        json!({ "type": "service", "data": body })
    };
    let batch = json!({ "clinic_id": CLINIC, "batch_id": "long", "records": (0..SERVICES).map(long).collect::<Vec<_>>() });
    let answer = stack.client.post("/batch", &batch).await;
    assert_eq!(answer.body["data"]["failed"], SERVICES, "{}", answer.body);
}

/// Creates an appointment that names a patient who never arrives.
async fn wrong_number(stack: &Stack) -> String {
    for (path, body) in [("/patient", patient(7)), ("/doctor", doctor(7)), ("/service", service(7))] {
        stack.client.post(path, &body).await;
    }
    let mut body = appointment(7);
    body["patient_careq_id"] = json!(8);
    let answer = stack.client.post("/appointment", &body).await;
    until("the parent deadline has passed", || stack.client.event_is(&answer.body["event_id"], "failed"))
        .await;
    only(stack, "missing_parent").await
}

async fn reused_key(stack: &Stack) -> String {
    let key = [("Idempotency-Key", "reused")];
    stack.client.post_with("/patient", &patient(21), &key).await;
    assert_eq!(stack.client.post_with("/patient", &patient(22), &key).await.status, 409);
    only(stack, "conflict").await
}

async fn only(stack: &Stack, class: &str) -> String {
    let found = command(stack, &["list", "--class", class]).await;
    assert_eq!(found["count"], 1, "{found}");
    found["letters"][0]["id"].as_str().unwrap().to_owned()
}

async fn replay(guide: &Guide<'_>, fingerprint: &str) {
    let values = [("FINGERPRINT", fingerprint)];
    let plan = guide.follow("replay --fingerprint FINGERPRINT --dry-run", &values).await;
    assert!(plan.contains("120 open dead letters match"), "{plan}");
    execute(guide.stack, "ALTER TABLE services DROP CONSTRAINT short").await;
    let made = guide.follow("replay --fingerprint FINGERPRINT --rate", &values).await;
    let job = made.split_whitespace().nth(1).unwrap().to_owned();
    assert!(guide.follow("jobs", &[]).await.contains(&job));
    for (turn, state) in [("jobs pause", "paused"), ("jobs resume", "running"), ("jobs cancel", "cancelled")]
    {
        let printed = guide.follow(turn, &[("JOB", &job)]).await;
        assert!(printed.contains(&format!("is {state}")), "{printed}");
    }
    // Letters of a cancelled job are open again and are replayed by another job.
    let made = guide.follow("replay --fingerprint FINGERPRINT --rate", &values).await;
    let job = made.split_whitespace().nth(1).unwrap().to_owned();
    let watched = guide.follow("jobs watch", &[("JOB", &job)]).await;
    assert!(watched.contains("is finished") && watched.contains("resolved"), "{watched}");
    let shown = guide.follow("jobs show", &[("JOB", &job)]).await;
    assert!(shown.contains("finished") && !shown.contains("failed again"), "{shown}");
    let services =
        careq_shared::entities::service::Entity::find().all(&guide.stack.database.connection).await;
    assert_eq!(services.unwrap().iter().filter(|row| row.careq_id >= 100).count(), 120);
}

async fn correct(guide: &Guide<'_>, id: &str) {
    guide.follow("show ID --reveal --reason", &[("ID", id)]).await;
    let file = guide.folder.path().join("body.json");
    let mut body: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    body["patient_careq_id"] = json!(7);
    std::fs::write(&file, body.to_string()).unwrap();
    let corrected = guide.follow("correct", &[("ID", id)]).await;
    assert!(corrected.contains("1 resolved"), "{corrected}");
    let page = guide.stack.client.get("/status/appointment/7").await;
    assert_eq!(page.body["data"]["sync_status"], "synced");
}
