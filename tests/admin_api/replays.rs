//! The path from a list to a finished replay, over HTTP: on SQLite in one process, and on PostgreSQL with a
//! console and two workers.

use serde_json::json;

use super::streams::Stream;
use super::{Admin, REFUSE, TAKE, execute, refused_patients};
use crate::harness::{Stack, until};

#[tokio::test]
async fn from_a_list_to_a_finished_replay() {
    let mut stack = Stack::full(2, &[]).await;
    execute(&stack, REFUSE).await;
    refused_patients(&stack, 1, 12).await;
    execute(&stack, TAKE).await;
    let operator = Admin::new(&mut stack, "operator.one", "operator").await;

    let listed = operator.get("/dead-letters?class=data").await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 12, "{listed}");
    let groups = operator.get("/dead-letters/groups?clinic_id=clinic_abc").await.body;
    assert_eq!(groups["items"].as_array().unwrap().len(), 1, "all have the same cause: {groups}");
    let fingerprint = groups["items"][0]["fingerprint"].as_str().unwrap().to_owned();
    let plan = operator.get(&format!("/replay-jobs/plan?fingerprint={fingerprint}")).await.body;
    assert_eq!(plan, json!({ "letters": 12, "undecodable": 0 }));
    assert_eq!(operator.get("/replay-jobs").await.body["items"], json!([]), "a dry run creates no job");

    let ask = json!({ "filter": { "fingerprint": fingerprint }, "rate_per_second": 2 });
    let made = operator.post("/replay-jobs", &ask).await;
    assert_eq!((made.status, &made.body["letters"]), (201, &json!(12)), "{}", made.body);
    let path = format!("/replay-jobs/{}", made.body["id"].as_str().unwrap());
    let mut stream = Stream::open(&operator, &path, None).await;
    let first = stream.next().await.expect("the stream begins with the job's state");
    assert_eq!((first.name.as_str(), &first.data["letters"]), ("progress", &json!(12)));

    let paused = operator.post(&format!("{path}/pause"), &json!({})).await;
    assert_eq!((paused.status, &paused.body["state"]), (200, &json!("paused")));
    assert_eq!(operator.post(&format!("{path}/pause"), &json!({})).await.status, 409);
    let seen = stream.until(|event| event.data["state"] == "paused").await;
    assert!(seen.data["progress"]["pending"].as_u64().unwrap() > 0, "{}", seen.data);
    let still = until("the published letters have outcomes", || async {
        let job = operator.get(&path).await.body;
        (job["progress"]["published"] == 0).then_some(job)
    })
    .await;
    assert_eq!(operator.post(&format!("{path}/resume"), &json!({})).await.body["state"], "running");
    let end = stream.until(|event| event.name == "end").await;
    assert_eq!(
        (&end.data["state"], &end.data["progress"]["resolved"]),
        (&json!("finished"), &json!(12)),
        "{}",
        end.data
    );
    assert!(end.data["progress"]["resolved"].as_u64() > still["progress"]["resolved"].as_u64());
    assert!(stream.next().await.is_none(), "a stream ends with its job");

    let mut again = Stream::open(&operator, &path, Some("0000000000000000")).await;
    assert_eq!(again.next().await.map(|event| event.id), Some(end.id.clone()));
    let nothing = operator.request(reqwest::Method::GET, &format!("{path}/progress"));
    let nothing = nothing.header("last-event-id", &end.id).send().await.unwrap();
    assert_eq!(nothing.status(), 204, "a finished job has no further events");

    let mut settled = Vec::new();
    let mut after = "0".to_owned();
    loop {
        let page = operator.get(&format!("{path}/letters?state=resolved&limit=4&after={after}")).await.body;
        settled.extend(page["items"].as_array().unwrap().iter().map(|letter| letter["position"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = next.to_owned();
        assert!(settled.len() < 12, "a page with `next` is followed by another page");
    }
    assert_eq!(settled, (1..=12).map(|position| json!(position)).collect::<Vec<_>>());
    let audited = operator.audited().await;
    let expected = ["resume", "pause", "replay"].map(|action| ("operator.one".to_owned(), action.to_owned()));
    assert_eq!(audited[..3], expected);
    assert_eq!(operator.get("/dead-letters/count").await.body["letters"], 0);
    stack.finish().await;
}
