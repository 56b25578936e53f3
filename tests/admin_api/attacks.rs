//! Authentication and roles of the admin API. A refused request changes nothing and leaves one line in the log.

use careq_shared::dead_letters::DeadLetterState;
use careq_shared::entities::{audit_entry, dead_letter, replay_job};
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use super::{Admin, QUICK, changing_requests, execute, orphan};
use crate::harness::{Answer, Stack, TOKEN, send, until};

#[tokio::test]
async fn requests_without_an_admin_token_are_refused_and_readers_change_nothing() {
    let mut stack = Stack::embedded(&QUICK).await;
    let letter = orphan(&stack, 7).await;
    let reader = Admin::new(&mut stack, "reader.one", "reader").await;
    let operator = Admin::new(&mut stack, "operator.one", "operator").await;
    let job = operator.post("/replay-jobs", &json!({ "filter": { "ids": [letter] } })).await;
    let job = job.body["id"].as_str().unwrap().to_owned();
    until("the letter has failed again", || async {
        let job = reader.get(&format!("/replay-jobs/{job}")).await.body;
        (job["state"] == "finished" && job["progress"]["failed"] == 1).then_some(())
    })
    .await;
    let before = attackable_rows(&stack).await;

    requests_without_a_valid_token_are_refused(&stack, &operator, &letter, &job).await;
    readers_change_nothing(&reader, &letter, &job).await;
    other_sites_cannot_act(&operator, &letter).await;
    assert_eq!(attackable_rows(&stack).await, before, "nothing is written");
    the_log_names_admins_and_no_secret(&stack, &[&reader, &operator]).await;
    credential_changes_apply_at_once(&mut stack, &operator).await;
    stack.finish().await;
}

/// The rows that an attacker could have changed.
async fn attackable_rows(
    stack: &Stack,
) -> (Vec<dead_letter::Model>, Vec<replay_job::Model>, Vec<audit_entry::Model>) {
    let database = &stack.database.connection;
    let letters = dead_letter::Entity::find().all(database).await.unwrap();
    assert!(letters.iter().all(|letter| letter.state == DeadLetterState::Open));
    let jobs = replay_job::Entity::find().all(database).await.unwrap();
    (letters, jobs, audit_entry::Entity::find().all(database).await.unwrap())
}

async fn requests_without_a_valid_token_are_refused(
    stack: &Stack,
    operator: &Admin,
    letter: &str,
    job: &str,
) {
    let with = |value: &str| operator.bare(Method::GET, "/dead-letters").header("authorization", value);
    let good = format!("Bearer {}", operator.token);
    let mut rows = vec![
        ("no token", operator.bare(Method::GET, "/dead-letters")),
        ("an empty token", with("Bearer ")),
        ("another token", with("Bearer careqadmin_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("half a token", with(good.split_at(30).0)),
        ("a token and more", with(&format!("{good}A"))),
        ("another scheme", with(&good.replace("Bearer", "Basic"))),
        ("a token without its scheme", with(&operator.token)),
        ("two tokens", with(&good).header("authorization", "Bearer x")),
        ("a clinic's token", with(&format!("Bearer {TOKEN}"))),
        ("a token in the query", operator.bare(Method::GET, &format!("/me?access_token={}", operator.token))),
        (
            "a token in a cookie",
            operator.bare(Method::GET, "/me").header("cookie", format!("token={}", operator.token)),
        ),
        ("a method that is none", operator.bare(Method::DELETE, "/audit")),
        ("a stream", operator.bare(Method::GET, &format!("/replay-jobs/{job}/progress"))),
    ];
    rows.extend(
        changing_requests(letter, job)
            .into_iter()
            .map(|(path, body)| ("an action", operator.bare(Method::POST, &path).json(&body))),
    );
    let mut first: Option<Answer> = None;
    for (what, row) in rows {
        let mut answer = send(row).await;
        answer.body["timestamp"].take();
        for name in ["date", "allow"] {
            answer.headers.remove(name);
        }
        assert_eq!(answer.status, 401, "{what}");
        let first = first.get_or_insert_with(|| answer.clone());
        assert_eq!((&answer.body, &answer.headers), (&first.body, &first.headers), "{what}");
    }
    let door = stack.client.with_token(&operator.token).get("/health").await;
    assert_eq!(door.status, 401, "an admin's token is not a clinic's token");
}

async fn readers_change_nothing(reader: &Admin, letter: &str, job: &str) {
    for (path, body) in changing_requests(letter, job) {
        let answer = reader.post(&path, &body).await;
        assert_eq!((answer.status, &answer.body["error"]["code"]), (403, &json!("FORBIDDEN")), "{path}");
        let message = answer.body["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("operator") && message.contains("reader.one has the role reader"),
            "{message}"
        );
    }
    for path in ["/me", "/dead-letters", "/dead-letters/groups", "/replay-jobs/plan", "/audit"] {
        let answer = reader.get(path).await;
        assert_eq!((answer.status, &answer.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    }
}

/// A cookie does not authenticate. No cross-origin response can be read by a script.
async fn other_sites_cannot_act(operator: &Admin, letter: &str) {
    let path = format!("/dead-letters/{letter}/reveal");
    let asks = operator.bare(Method::OPTIONS, &path).header("origin", "https://example.com");
    let preflight = send(asks.header("access-control-request-method", "POST")).await;
    let simple = operator.bare(Method::POST, &path).header("origin", "https://example.com");
    let simple = send(simple.header("content-type", "text/plain").body("{}")).await;
    assert_eq!((preflight.status, simple.status), (401, 401));
    for answer in [preflight, simple] {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

async fn the_log_names_admins_and_no_secret(stack: &Stack, admins: &[&Admin]) {
    let line = until("the refusals are logged", || async {
        let log = stack.logged();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["fields"]["status"] == 403).map(|line| line["fields"].clone())
    })
    .await;
    assert_eq!(line["admin"], "reader.one", "{line}");
    assert!(line["endpoint"].as_str().unwrap().starts_with("/admin/v1/"), "{line}");
    for admin in admins {
        assert!(!stack.logged().contains(&admin.token));
    }
}

async fn credential_changes_apply_at_once(stack: &mut Stack, operator: &Admin) {
    let rotated = stack.command(&["admin", "rotate", "operator.one", "--json"], &[]).await;
    let rotated: Value = serde_json::from_str(&rotated).unwrap();
    assert!(rotated["expires_at"].is_string(), "{rotated}");
    assert_eq!(operator.get("/me").await.status, 401, "the old token is void");
    let operator = operator.with_token(rotated["token"].as_str().unwrap());
    assert_eq!(operator.get("/me").await.body, json!({ "name": "operator.one", "role": "operator" }));
    stack.command(&["admin", "disable", "operator.one"], &[]).await;
    assert_eq!(operator.get("/me").await.status, 401);
    let listed = stack.command(&["admin", "list", "--json"], &[]).await;
    assert!(!listed.contains("careqadmin_") && listed.contains("operator.one"), "{listed}");
    for (arguments, remedy) in [
        (&["admin", "rotate", "operator.one"][..], "is disabled; add another"),
        (&["admin", "add", "operator.one", "--role", "reader"], "exists already"),
        (&["admin", "add", "two words", "--role", "reader"], "1 to 64 characters"),
        (&["admin", "disable", "nobody"], "admin list"),
        (&["admin", "add", "x", "--role", "root"], "reader, operator"),
    ] {
        let fault = stack.failing_command(arguments, &[]).await;
        assert!(fault.contains(remedy), "{arguments:?}: {fault}");
    }
    let reader = Admin::new(stack, "reader.two", "reader").await;
    let audited = reader.audited().await;
    let actions: Vec<_> = audited.iter().map(|(_, action)| action.as_str()).take(3).collect();
    assert_eq!(actions, ["add_admin", "disable_admin", "rotate_admin"]);
    execute(stack, "UPDATE admins SET expires_at = '2020-01-01T00:00:00+00:00' WHERE name = 'reader.two'")
        .await;
    assert_eq!(reader.get("/me").await.status, 401, "its token has ended");
    let listed = stack.command(&["admin", "list"], &[]).await;
    assert!(listed.contains("reader.two  reader") && listed.contains(", expired 2020-01-01"), "{listed}");
}

/// Repeated failures are delayed as at the ingress. Other clients are not delayed.
#[tokio::test]
async fn repeated_failures_are_delayed_and_valid_requests_are_not() {
    let mut stack = Stack::embedded(&[]).await;
    let reader = Admin::new(&mut stack, "reader", "reader").await;
    let wrong = reader.with_token("careqadmin_that-nobody-has-ever-had");
    let began = std::time::Instant::now();
    for _ in 0..9 {
        assert_eq!(wrong.get("/me").await.status, 401);
    }
    // 100, 200, 400 and 800 ms after the first five.
    assert!(began.elapsed() >= std::time::Duration::from_millis(1_500), "{:?}", began.elapsed());
    let began = std::time::Instant::now();
    assert_eq!(reader.get("/me").await.status, 200);
    assert!(began.elapsed() < std::time::Duration::from_millis(500), "{:?}", began.elapsed());
    stack.finish().await;
}
