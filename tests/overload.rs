//! Too many, too slow or too large requests: one client's connections must not affect other clients, and leave no
//! lasting load on the installation.

use std::time::{Duration, Instant};

use bytes::Bytes;
use careq_shared::broker::Queue;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::drain::number;
use crate::harness::{
    self, Answer, CLINIC, Client, MIB, OTHER_CLINIC, OTHER_TOKEN, Stack, TOKEN, patient, sample, until,
};

/// A debug build on two busy cores needs longer to read concurrent bodies.
const LONG_TIMEOUTS: [(&str, &str); 2] =
    [("CAREQ_INGRESS_BODY_TIMEOUT_S", "60"), ("CAREQ_INGRESS_REQUEST_TIMEOUT_S", "120")];

/// Number of concurrent batches whose bodies alone exceed the memory of an ingress.
const BATCHES: usize = 400;

#[tokio::test]
async fn heads_that_are_too_large_or_too_slow_are_refused() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_HEADER_TIMEOUT_S", "1")]).await;
    let large =
        format!("GET /api/v1/careq-sync/health HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(20_000));
    assert!(answer(&stack, &large).await.starts_with("HTTP/1.1 431 "));
    let fields = (0..65).map(|number| format!("x-{number}: a\r\n")).collect::<Vec<_>>().concat();
    let many = format!("GET /api/v1/careq-sync/health HTTP/1.1\r\nhost: x\r\n{fields}\r\n");
    assert!(answer(&stack, &many).await.starts_with("HTTP/1.1 431 "));
    assert!(answer(&stack, "this is no HTTP\r\n\r\n").await.starts_with("HTTP/1.1 400 "));

    // Single bytes do not extend the timeout.
    let mut dribbling = connect(&stack).await;
    let began = Instant::now();
    let cut = async {
        while dribbling.write_all(b"G").await.is_ok() && began.elapsed() < Duration::from_secs(20) {
            if tokio::time::timeout(Duration::from_millis(50), dribbling.read_u8()).await.is_ok() {
                return;
            }
        }
    };
    cut.await;
    assert!(began.elapsed() < Duration::from_secs(10), "cut after {:?}", began.elapsed());
    assert_eq!(stack.client.get("/health").await.status, 200);
    stack.finish().await;
}

#[tokio::test]
async fn excess_requests_are_answered_503_at_once() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_MAX_REQUESTS", "2")]).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        slow.push(half_a_request(&stack).await);
    }
    let began = Instant::now();
    let refused = (stack.client.get("/health").await, began.elapsed());
    assert_eq!(refused.0.status, 503, "{}", refused.0.body);
    assert!(refused.1 < Duration::from_secs(1), "answered after {:?}", refused.1);
    assert!(turned_away(&stack, "requests").await > 0.0);
    assert_eq!(
        (&refused.0.headers["retry-after"], &refused.0.body["error"]["code"]),
        (&"5".parse().unwrap(), &"SERVER_ERROR".into())
    );
    // A client that disconnects frees its slot, and a completed request gets its response.
    drop(slow.pop());
    until("a slot is free again", || async {
        (stack.client.get("/health").await.status == 200).then_some(())
    })
    .await;
    finish_request(slow.pop().unwrap()).await;
    assert_eq!(stack.client.get("/health").await.status, 200);
    stack.finish().await;
}

/// However many batches arrive at the same time, an ingress reads only as many as its memory allows. The others
/// are answered 503 and accepted later.
#[tokio::test]
async fn a_burst_of_batches_is_admitted_or_answered_503() {
    let stack = Stack::full(0, &LONG_TIMEOUTS).await;
    let clinics = [(TOKEN, CLINIC), (OTHER_TOKEN, OTHER_CLINIC)];
    let senders =
        clinics.map(|(token, clinic)| (stack.client.with_token(token), batch_of_a_thousand(clinic)));
    let webhook = Bytes::from(patient(1).to_string());
    let send = async |number: usize| {
        let (client, batch) = &senders[number % senders.len()];
        post(client, "/batch", batch).await
    };
    let burst = join_all((0..BATCHES).map(&send));
    let (answers, accepted) = tokio::join!(burst, post(&stack.client, "/patient", &webhook));
    assert_eq!(accepted.status, 202, "webhooks are still accepted: {}", accepted.body);
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 202);
    assert!(!taken.is_empty(), "some batches are admitted");
    assert!(refused.iter().all(|answer| is_unavailable(answer)), "{refused:?}");
    // The first memory limit in the file is the ingress's.
    let memory_bytes = MIB * number("deploy/helm/careq-sync/values.yaml", "limits: { memory: ");
    let peak_bytes = stack.ingress_peak_bytes();
    assert!(peak_bytes < memory_bytes, "{} MiB", peak_bytes / MIB);
    assert!(turned_away(&stack, "bodies").await > 0.0, "some batches are refused");

    until("memory is free again", || async { (send(0).await.status == 202).then_some(()) }).await;
    // A batch that was not confirmed in time may be in the queue nevertheless.
    assert!(stack.waiting_in(Queue::Bulk).await as usize > taken.len());
    stack.stop().await;
}

/// A slow body reserves memory for the part that has arrived, and releases it when its client disconnects.
#[tokio::test]
async fn one_clinic_gets_at_most_half_of_the_batch_memory() {
    let (batch, others) = (batch_of_a_thousand(CLINIC), batch_of_a_thousand(OTHER_CLINIC));
    let limit_bytes = (batch.len() + 100).to_string();
    let [body_timeout, request_timeout] = LONG_TIMEOUTS;
    let limit = ("CAREQ_INGRESS_MAX_BATCH_BODY_BYTES", limit_bytes.as_str());
    let stack = Stack::embedded(&[limit, body_timeout, request_timeout]).await;
    let send = async |client: Client| post(&client, "/batch", &batch).await;
    let mut slow = Vec::new();
    while !is_unavailable(&send(stack.client.clone()).await) {
        assert!(slow.len() < 50, "one clinic is limited before 50 incomplete batches");
        slow.push(all_but_the_last_byte(&stack, &batch).await);
    }
    assert!(turned_away(&stack, "bodies").await > 0.0);
    let others = post(&stack.client.with_token(OTHER_TOKEN), "/batch", &others).await;
    assert_eq!(others.status, 202, "another clinic's batch is accepted: {}", others.body);

    drop(slow);
    let is_taken = || async { (send(stack.client.clone()).await.status == 202).then_some(()) };
    until("memory is free again", is_taken).await;
    stack.stop().await;
}

async fn post(client: &Client, path: &str, body: &Bytes) -> Answer {
    let request = client.request(Method::POST, path).body(body.clone());
    harness::send(request.header("content-type", "application/json").header("prefer", "respond-async")).await
}

/// Number of requests answered 503 because this resource was full.
async fn turned_away(stack: &Stack, full: &str) -> f64 {
    stack.metric("careq_sync_turned_away_requests_total", &[("full", full)]).await
}

/// A batch that is never completed.
async fn all_but_the_last_byte(stack: &Stack, batch: &Bytes) -> TcpStream {
    let head = format!(
        "POST /api/v1/careq-sync/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        batch.len()
    );
    let mut connection = connect(stack).await;
    connection.write_all(head.as_bytes()).await.unwrap();
    connection.write_all(&batch[..batch.len() - 1]).await.unwrap();
    connection
}

fn is_unavailable(answer: &Answer) -> bool {
    answer.status == 503 && answer.headers.get("retry-after").is_some_and(|seconds| seconds == "5")
}

/// A batch of the maximum size of the specification, made of its own example.
fn batch_of_a_thousand(clinic: &str) -> Bytes {
    let record = |careq_id: usize| {
        let mut data = sample("/patient");
        data["careq_id"] = careq_id.into();
        data["clinic_id"] = clinic.into();
        json!({ "type": "patient", "data": data })
    };
    let records: Vec<_> = (1..=1_000).map(record).collect();
    json!({ "clinic_id": clinic, "batch_id": "burst", "records": records }).to_string().into()
}

/// A client that disconnects before its response leaves a line in the log.
#[tokio::test]
async fn a_client_that_leaves_is_logged() {
    let stack = Stack::full(0, &[]).await;
    let body = patient(1).to_string();
    let request = format!(
        "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nprefer: wait=25\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    until("responses can wait for results", || async {
        let answer = stack.client.post_with("/patient", &patient(2), &[("prefer", "wait=1")]).await;
        answer.headers.contains_key("preference-applied").then_some(())
    })
    .await;
    let before = stack.untaken().await;
    let mut impatient = connect(&stack).await;
    impatient.write_all(request.as_bytes()).await.unwrap();
    until("the event is in the queue", || async { (stack.untaken().await > before).then_some(()) }).await;
    drop(impatient);
    until("the disconnect is logged", || async {
        let log = stack.logged();
        let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .any(|line| {
                line["fields"]["message"] == "request whose client left before its answer"
                    && line["fields"]["endpoint"] == "/api/v1/careq-sync/patient"
            })
            .then_some(())
    })
    .await;
    stack.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_occupy_slots_for_long() {
    let settings = [
        ("CAREQ_INGRESS_MAX_CONNECTIONS", "8"),
        ("CAREQ_INGRESS_HEADER_TIMEOUT_S", "600"),
        ("CAREQ_INGRESS_FIRST_BYTE_TIMEOUT_S", "600"),
    ];
    let stack = Stack::embedded(&settings).await;
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut connection = connect(&stack).await;
        if number % 2 == 0 {
            connection.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        }
        silent.push(connection);
    }
    // The connection that has been idle longest is closed.
    assert_eq!(stack.client.get("/health").await.status, 200);
    drop(silent);
    stack.finish().await;
}

/// The connections of one address are limited, and a new one must send its request within a short time.
#[tokio::test]
async fn silent_connections_of_one_address_do_not_delay_others() {
    let settings =
        [("CAREQ_INGRESS_MAX_CONNECTIONS_PER_ADDRESS", "64"), ("CAREQ_INGRESS_FIRST_BYTE_TIMEOUT_S", "2")];
    let stack = Stack::embedded(&settings).await;
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(connect_from(&stack, "127.0.0.2").await);
    }
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(stack.client.get("/health").await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let began = Instant::now();
    let ends = silent.iter_mut().map(async |connection| {
        let end = connection.read(&mut [0; 1]).await;
        assert!(!matches!(end, Ok(1)), "silent connections get no data");
        began.elapsed()
    });
    let ends = join_all(ends).await;
    let at_once = ends.iter().filter(|after| **after < Duration::from_millis(500)).count();
    assert!(at_once >= silent.len() - 64, "{at_once} connections are closed at once");
    let longest = ends.iter().max().unwrap();
    assert!(longest < &Duration::from_secs(8), "the last connection was closed after {longest:?}");
    stack.finish().await;
}

/// A client that requests public documents without reading them occupies little memory, in the process and in the
/// kernel.
#[tokio::test]
async fn unread_responses_occupy_little_memory() {
    const CONNECTIONS: usize = 500;
    let settings = [("CAREQ_INGRESS_HEADER_TIMEOUT_S", "600")];
    let stack = Stack::embedded(&settings).await;
    let before_bytes = stack.ingress_peak_bytes();
    let mut unread = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = connect_from(&stack, "127.0.0.2").await;
        let ask = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
        connection.write_all(ask.as_bytes()).await.unwrap();
        unread.push(connection);
    }
    for connection in &mut unread {
        connection.read_exact(&mut [0; 1]).await.unwrap();
    }
    assert_eq!(stack.client.get("/health").await.status, 200);
    let (unsent_bytes, max_bytes) = (unsent_bytes(stack.client.address()), CONNECTIONS as u64 * 64 * 1_024);
    assert!((1..max_bytes).contains(&unsent_bytes), "{} MiB in the kernel", unsent_bytes / MIB);
    let taken_bytes = stack.ingress_peak_bytes() - before_bytes;
    assert!(taken_bytes < 20 * MIB, "{} MiB", taken_bytes / MIB);
    drop(unread);
    stack.finish().await;
}

/// Bytes of unsent responses from this port in the kernel (proc(5), `tx_queue`).
fn unsent_bytes(address: &str) -> u64 {
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let of_port = fields.filter(|fields| fields[1].ends_with(&format!(":{port:04X}")));
    of_port.map(|fields| u64::from_str_radix(fields[4].split(':').next().unwrap(), 16).unwrap()).sum()
}

/// One clinic's incomplete requests do not count against another clinic's burst and leave slots for it.
#[tokio::test]
async fn a_slow_clinic_does_not_delay_others() {
    let [body_timeout, request_timeout] = LONG_TIMEOUTS;
    let stack = Stack::embedded(&[("CAREQ_INGRESS_MAX_REQUESTS", "56"), body_timeout, request_timeout]).await;
    let other = stack.client.with_token(OTHER_TOKEN);
    let mut slow = Vec::new();
    for _ in 0..42 {
        slow.push(half_a_request(&stack).await);
    }
    let change = json!({ "careq_id": 1, "clinic_id": OTHER_CLINIC, "status": "confirmed" });
    let unknown = other.post("/appointment/status", &change).await;
    assert_eq!(unknown.status, 404, "the response waits for its result: {}", unknown.body);
    let waited = other.post_with("/appointment/status", &change, &[("prefer", "wait=5")]).await;
    assert_eq!(waited.headers["preference-applied"], "wait=5");
    assert_eq!(
        stack.client.get("/health").await.status,
        503,
        "one clinic may occupy three quarters of the slots"
    );
    drop(slow);
    stack.finish().await;
}

/// A client that sends requests without reading the responses is disconnected.
#[tokio::test]
async fn unread_responses_do_not_occupy_slots_for_long() {
    let settings = [("CAREQ_INGRESS_MAX_CONNECTIONS", "1"), ("CAREQ_INGRESS_HEADER_TIMEOUT_S", "1")];
    let stack = Stack::embedded(&settings).await;
    let mut unread = connect(&stack).await;
    let ask = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    unread.write_all(ask.as_bytes()).await.unwrap();
    assert_eq!(stack.client.get("/health").await.status, 200, "the only slot is free again");
    drop(unread);
    stack.finish().await;
}

/// An ingress that gets SIGTERM completes the requests in progress.
#[tokio::test]
async fn a_partially_sent_request_is_completed_before_the_shutdown() {
    let stack = Stack::embedded(&[("CAREQ_INGRESS_HEADER_TIMEOUT_S", "1")]).await;
    let body = half_a_request(&stack).await;
    let silent = connect(&stack).await;
    let mut half_a_head = connect(&stack).await;
    half_a_head.write_all(b"GET / HTTP").await.unwrap();
    stack.terminate_ingress().await;
    until("the shutdown has begun", || async { stack.logged().contains("shutdown requested").then_some(()) })
        .await;
    finish_request(body).await;
    drop((silent, half_a_head));
    stack.has_ended().await;
}

/// All addresses of 127.0.0.0/8 belong to the loopback interface.
async fn connect_from(stack: &Stack, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(stack.client.address().parse().unwrap()).await.unwrap()
}

async fn connect(stack: &Stack) -> TcpStream {
    TcpStream::connect(stack.client.address()).await.unwrap()
}

/// All data received until the connection ends.
async fn answer(stack: &Stack, request: &str) -> String {
    let mut connection = connect(stack).await;
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.ok();
    answer
}

/// A webhook whose body is incomplete.
pub(crate) async fn half_a_request(stack: &Stack) -> TcpStream {
    let length = patient(1).to_string().len();
    let head = format!(
        "POST /api/v1/careq-sync/patient HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    );
    let mut connection = connect(stack).await;
    connection.write_all(head.as_bytes()).await.unwrap();
    // Sent when the body is requested (RFC 9110, 10.1.1), so the request is in progress now.
    let mut go_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut go_on).await.unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&go_on));
    connection.write_all(b"{").await.unwrap();
    connection
}

async fn finish_request(mut connection: TcpStream) {
    connection.write_all(&patient(1).to_string().as_bytes()[1..]).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}
