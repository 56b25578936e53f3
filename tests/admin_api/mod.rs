//! The admin API, used as a web console uses it: authentication, roles, the path from a list to a finished replay,
//! paging, streams and the description.

mod attacks;
mod description;
mod letters;
mod pages;
mod replays;
mod streams;

use reqwest::{Method, RequestBuilder};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::harness::{Answer, Stack, appointment, patient, send, until};

/// The shortest parent timeout and sweep interval.
const QUICK: [(&str, &str); 2] =
    [("CAREQ_WORKER_PARENT_TIMEOUT_S", "1"), ("CAREQ_WORKER_SWEEP_INTERVAL_S", "1")];

/// Every request that changes something, with a valid body.
fn changing_requests(letter: &str, job: &str) -> Vec<(String, Value)> {
    let filter = json!({ "ids": [letter] });
    vec![
        (format!("/dead-letters/{letter}/reveal"), json!({ "reason": "x" })),
        (format!("/dead-letters/{letter}/correct"), json!({ "body": appointment(8) })),
        ("/dead-letters/discard".to_owned(), json!({ "filter": filter, "reason": "x" })),
        ("/dead-letters/reopen".to_owned(), json!({ "filter": filter, "reason": "x" })),
        ("/replay-jobs".to_owned(), json!({ "filter": filter })),
        (format!("/replay-jobs/{job}/pause"), json!({})),
        (format!("/replay-jobs/{job}/resume"), json!({})),
        (format!("/replay-jobs/{job}/cancel"), json!({})),
    ]
}

/// A client of the admin API with a token.
#[derive(Clone)]
pub(crate) struct Admin {
    base: String,
    token: String,
    http: reqwest::Client,
}

impl Admin {
    /// Creates an admin with the command that an operator uses.
    pub(crate) async fn new(stack: &mut Stack, name: &str, role: &str) -> Self {
        let base = format!("http://{}/admin/v1", stack.admin_address().await);
        let made = stack.command(&["admin", "add", name, "--role", role, "--json"], &[]).await;
        let made: Value = serde_json::from_str(&made).unwrap();
        assert_eq!((&made["name"], &made["role"]), (&json!(name), &json!(role)));
        Self { base, token: made["token"].as_str().unwrap().to_owned(), http: reqwest::Client::new() }
    }

    fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Actors and actions of the audit log, newest first.
    async fn audited(&self) -> Vec<(String, String)> {
        let log = self.get("/audit?limit=500").await.body;
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let entries = log["items"].as_array().unwrap().iter();
        entries.map(|entry| (text(entry, "actor"), text(entry, "action"))).collect()
    }
}

/// Creates an appointment whose parents never arrive, and returns the id of its dead letter.
async fn orphan(stack: &Stack, careq_id: i64) -> String {
    let booked = stack.client.post("/appointment", &appointment(careq_id)).await;
    let event_id = &booked.body["event_id"];
    until("the parent deadline has passed", || stack.client.event_is(event_id, "failed")).await;
    let letters =
        stack.command(&["dead-letters", "list", "--careq-id", &careq_id.to_string(), "--json"], &[]).await;
    let letters: Value = serde_json::from_str(&letters).unwrap();
    letters["letters"][0]["id"].as_str().unwrap().to_owned()
}

/// Creates `count` dead letters of patients from `first`; a constraint of PostgreSQL refuses them.
async fn refused_patients(stack: &Stack, first: i64, count: i64) {
    let numbers = first..first + count;
    let records: Vec<_> =
        numbers.map(|number| json!({ "type": "patient", "data": patient(number) })).collect();
    let batch =
        json!({ "clinic_id": "clinic_abc", "batch_id": format!("refused-{first}"), "records": records });
    stack.client.post("/batch", &batch).await;
    until("all are refused", || async {
        let report = stack.client.get(&format!("/batch/refused-{first}")).await;
        (report.body["data"]["failed"] == count).then_some(())
    })
    .await;
}

async fn execute(stack: &Stack, sql: &str) {
    stack.database.connection.execute_unprepared(sql).await.unwrap();
}

const REFUSE: &str = "ALTER TABLE patients ADD CONSTRAINT refused CHECK (careq_id < 0)";
const TAKE: &str = "ALTER TABLE patients DROP CONSTRAINT refused";
