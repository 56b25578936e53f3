//! A backlog that builds up before any worker starts. It must grow in the broker and not in the processes. Most of it
//! arrives in batches of 1,000 records, the rest from the simulator at full speed.

use std::time::{Duration, Instant};

use careq_shared::broker::Queue;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

use crate::harness::{Client, MIB, peak_bytes};
use crate::load::Load;
use crate::processes::TOKEN;
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, batches, fault};

/// Records of one batch, the maximum (API specification, section 7).
const RECORDS: u64 = 1_000;

/// `careq_id` of the first patient.
const FIRST: u64 = 1_000_000_000;

/// Maximum growth of a process's memory: a constant part for its buffers, and a part for each event.
///
/// The long form detects a leak of 100 bytes per event. The short form detects one of 400 bytes, or of 3,200 for webhooks
/// in the ingress.
const MAY_GROW_BYTES: u64 = 6 * MIB;
const MAY_GROW_BYTES_PER_EVENT: u64 = 50;

/// Events per second that even a slow machine processes.
const STORED_PER_SECOND: u64 = 500;

pub(crate) fn all() -> Vec<Fault> {
    vec![fault("backlog before any worker comes", |servers, play| backlog(servers, play).boxed_local())]
}

async fn backlog(servers: &mut Servers, play: Play) -> Row {
    let (batches, singles) = play.choose((30, 4_000), (700, 300_000));
    let in_batches = batches * RECORDS;
    let load = Load { events: singles, rate_per_second: None, ..play.load(1) };
    let mut trial = Trial::full(servers, load, 1, 0).await;

    trial.begin_load();
    depth_reaches(servers, &trial, singles / 5).await;
    let growth = Growth::begins(peak_bytes(&trial.ingresses[0].process));
    depth_reaches(servers, &trial, singles * 7 / 10).await;
    growth.ends(
        &mut trial,
        "ingress, webhooks",
        |trial| peak_bytes(&trial.ingresses[0].process),
        singles / 2,
    );

    let client = Client::new(trial.ingresses[0].address(), TOKEN);
    // Half of the batches, so that several have been processed concurrently before the measurement. Each is held both in
    // plain text and sealed for a while.
    batches::fill(&client, 0..batches / 2, batch).await;
    let growth = Growth::begins(peak_bytes(&trial.ingresses[0].process));
    batches::fill(&client, batches / 2..batches, batch).await;
    let later = in_batches / 2;
    growth.ends(&mut trial, "ingress, batches", |trial| peak_bytes(&trial.ingresses[0].process), later);

    let came_at = Instant::now();
    trial.start_worker(&[]).await;
    stored_reaches(&trial, (in_batches + singles) / 5).await;
    let growth = Growth::begins(peak_bytes(&trial.workers[0]));
    stored_reaches(&trial, in_batches + singles * 6 / 10).await;
    trial.lifted().await;
    trial.recovered_in = Some(came_at.elapsed());
    let report = trial.report().await;
    growth.ends(&mut trial, "worker", |trial| peak_bytes(&trial.workers[0]), (in_batches + singles) * 4 / 5);

    let lost = in_batches - stored_as_sent(&mut trial, in_batches).await;
    trial.conclude(servers, &report).await.and(in_batches, lost)
}

/// Growth of a process's memory over a number of events, after earlier events have allocated all its buffers.
struct Growth {
    before_bytes: u64,
}

impl Growth {
    fn begins(before_bytes: u64) -> Self {
        Self { before_bytes }
    }

    fn ends(self, trial: &mut Trial, whose: &str, now_bytes: impl Fn(&Trial) -> u64, events: u64) {
        let grew = now_bytes(trial).saturating_sub(self.before_bytes);
        let may_grow = MAY_GROW_BYTES + events * MAY_GROW_BYTES_PER_EVENT;
        let sentence = format!("{whose}: grew by {} KiB with {events} events more", grew >> 10);
        trial.expect(grew < may_grow, &format!("{sentence}, more than {} KiB", may_grow >> 10));
        trial.notes.push(sentence);
    }
}

fn batch(number: u64) -> Value {
    let records: Vec<_> = (number * RECORDS..(number + 1) * RECORDS).map(patient).collect();
    json!({ "clinic_id": "probe", "batch_id": format!("backlog-{number}"), "records": records })
}

/// A patient whose telephone number contains the record number.
fn patient(number: u64) -> Value {
    json!({ "type": "patient", "data": {
        "careq_id": FIRST + number, "clinic_id": "probe", "first_name": "Backlog", "last_name": "Patient",
        "phone_number": format!("9{number:09}"), "city": "Pune", "updated_at": "2025-12-10T10:00:00Z",
    } })
}

/// Number of the batches' events whose patient is stored as sent. Each must also be in the ledger once, as created.
async fn stored_as_sent(trial: &mut Trial, sent: u64) -> u64 {
    let rows = format!(
        "SELECT count(*) FROM patients WHERE clinic_id = 'probe' AND first_name = 'Backlog' AND \
         phone_number = '9' || lpad((careq_id - {FIRST})::text, 9, '0')"
    );
    let ledger = format!(
        "SELECT count(*) FROM events WHERE clinic_id = 'probe' AND careq_id >= {FIRST} AND outcome = 'created'"
    );
    let in_ledger = batches::count_within_a_minute(trial, &ledger, sent).await;
    trial.expect(in_ledger == sent, &format!("the ledger has {in_ledger} of {sent} events in batches"));
    batches::count(trial, &rows).await
}

async fn stored_reaches(trial: &Trial, events: u64) {
    let timeout = Duration::from_secs(60 + events / STORED_PER_SECOND);
    let is_stored = async || trial.stored().await.is_some_and(|stored| stored >= events);
    reaches(timeout, &format!("{events} events are stored"), is_stored).await;
}

async fn depth_reaches(servers: &Servers, trial: &Trial, depth: u64) {
    let timeout = Duration::from_secs(60 + depth / STORED_PER_SECOND);
    let is_there = async || trial.ready(servers, Queue::Live).await.is_some_and(|ready| ready.total >= depth);
    reaches(timeout, &format!("{depth} messages are ready"), is_there).await;
}

/// Polls once a second, because counting a million rows is expensive.
async fn reaches(timeout: Duration, what: &str, is_reached: impl AsyncFn() -> bool) {
    let began_at = Instant::now();
    while !is_reached().await {
        assert!(began_at.elapsed() < timeout, "waited {timeout:?} until {what}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
