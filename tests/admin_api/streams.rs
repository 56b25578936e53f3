//! Streams of a job's progress: their maximum number, and the events that end them.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Admin, QUICK, orphan};
use crate::harness::Stack;

/// Maximum number of concurrent streams of the server.
const MAX_STREAMS: usize = 32;

/// A client that reads server-sent events.
pub(super) struct Stream {
    response: Response,
    read: String,
}

/// A server-sent event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) data: Value,
}

impl Stream {
    pub(super) async fn open(admin: &Admin, job: &str, last_event_id: Option<&str>) -> Self {
        let request = admin.request(Method::GET, &format!("{job}/progress"));
        let request =
            last_event_id.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, read: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
                };
                // A heartbeat is a comment.
                if let Some(data) = field("data") {
                    let data = serde_json::from_str(&data).unwrap();
                    return Some(Event { name: field("event").unwrap(), id: field("id").unwrap(), data });
                }
                continue;
            }
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(30), self.response.chunk());
            let chunk =
                chunk.await.expect("an event, a heartbeat or the end arrives within 30 s").unwrap()?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    pub(super) async fn until(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self.next().await.expect("the stream continues until the event");
            if is_it(&event) {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn streams_are_limited_and_end_with_the_token_or_the_process() {
    let mut stack = Stack::full(1, &QUICK).await;
    let letter = orphan(&stack, 7).await;
    stack.stop_workers().await;
    let operator = Admin::new(&mut stack, "operator", "operator").await;
    let reader = Admin::new(&mut stack, "reader", "reader").await;
    // No worker runs, so the job makes no progress.
    let job = operator.post("/replay-jobs", &json!({ "filter": { "ids": [letter] } })).await;
    let path = format!("/replay-jobs/{}", job.body["id"].as_str().unwrap());
    let mut streams = Vec::new();
    for number in 0..MAX_STREAMS {
        let admin = if number == 0 { &reader } else { &operator };
        streams.push(Stream::open(admin, &path, None).await);
    }
    for stream in &mut streams {
        stream.next().await.expect("each stream begins with the job's state");
    }
    let refused = operator.get(&format!("{path}/progress")).await;
    assert_eq!((refused.status, &refused.headers["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(operator.get(&path).await.status, 200, "streams do not block other requests");

    stack.command(&["admin", "disable", "reader"], &[]).await;
    assert!(streams.remove(0).next().await.is_none(), "the stream ends with its admin's token");
    drop(Stream::open(&operator, &path, None).await);
    // The other streams stay open until the process ends.
    stack.stop_console().await;
    for stream in &mut streams {
        assert!(stream.next().await.is_none());
    }
    stack.start_worker().await;
    stack.finish().await;
}
