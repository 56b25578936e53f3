//! Report of a run, for people and for scripts. Scripts depend on the JSON fields: fields may be added but not changed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::check::checked::Checked;
use crate::plan::Plan;
use crate::send::Sent;
use crate::tally::Latencies;

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether every acknowledged event is stored once and unchanged, and every request was accepted.
    pub passed: bool,
    /// Seed that sends the same events again.
    pub seed: u64,
    /// Number of clinics.
    pub clinics: usize,
    /// Time at which the first request was due, RFC 3339.
    pub began_at: String,
    /// Acknowledged events, each counted once.
    pub acknowledged: u64,
    /// Requests that were refused with the expected status.
    pub refused: u64,
    /// Requests that were not accepted by any attempt.
    pub undelivered: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Attempts without a response.
    pub unanswered: u64,
    /// Duration of the sending, in seconds.
    pub sent_in_s: f64,
    /// CPU time of the simulator while sending, in seconds; `None` where the system does not give it.
    pub sending_cpu_s: Option<f64>,
    /// Responses per second while sending.
    pub answered_per_second: f64,
    /// Time from the last response until the last event's page was final, in seconds.
    pub settled_after_s: f64,
    /// Responses by status.
    pub answers: BTreeMap<u16, Answers>,
    /// Responses with a 2xx status in each second since the first request, including those to copies.
    pub accepted_per_second: Vec<u64>,
    /// Events whose status pages were read.
    pub checked_events: u64,
    /// Records whose status pages were read.
    pub checked_records: u64,
    /// Rows that were compared, if a database was given.
    pub checked_rows: Option<u64>,
    /// Acknowledged events and records that are missing or stuck.
    pub lost: u64,
    /// Events and records that exist twice, or that were not sent.
    pub doubled: u64,
    /// Events and records that differ from what was sent.
    pub wrong: u64,
    /// Status pages that could not be read.
    pub unread: u64,
    /// Sentences about some of the findings.
    pub findings: Vec<String>,
}

/// Responses with one status. Latencies are in milliseconds, from the time at which the request was due.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Answers {
    /// Number of responses.
    pub count: u64,
    /// Median latency.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest latency.
    pub max_ms: f64,
    /// Longest time from sending a request to its response.
    pub slowest_ms: f64,
}

/// Time, duration and CPU time of the sending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) took: Duration,
    pub(crate) cpu_s: Option<f64>,
}

impl Report {
    pub(crate) fn new(plan: &Plan, sending: Sending, sent: Sent, checked: Checked) -> Self {
        let Sending { began_at, took, cpu_s } = sending;
        let mut findings = sent.findings;
        findings.add(checked.findings);
        let tally = sent.tally;
        let answers = tally.by_status.iter().map(|(status, latencies)| (*status, Answers::of(latencies)));
        let answers: BTreeMap<u16, Answers> = answers.collect();
        let answered = answers.values().map(|answers| answers.count).sum::<u64>();
        Self {
            passed: findings.lost + findings.doubled + findings.wrong + findings.unread + sent.undelivered
                == 0,
            seed: plan.seed,
            clinics: plan.clinics.len(),
            began_at: began_at.to_rfc3339(),
            acknowledged: sent.receipts.len() as u64,
            refused: sent.refused,
            undelivered: sent.undelivered,
            retried: tally.retried,
            unanswered: tally.unanswered,
            sent_in_s: took.as_secs_f64(),
            sending_cpu_s: cpu_s,
            answered_per_second: to_f64(answered) / took.as_secs_f64().max(f64::EPSILON),
            settled_after_s: checked.settled_after.as_secs_f64(),
            answers,
            accepted_per_second: tally.accepted_per_second,
            checked_events: checked.events,
            checked_records: checked.records,
            checked_rows: checked.rows,
            lost: findings.lost,
            doubled: findings.doubled,
            wrong: findings.wrong,
            unread: findings.unread,
            findings: findings.sentences,
        }
    }
}

impl Answers {
    fn of(Latencies { since_due_us, slowest }: &Latencies) -> Self {
        let at = |quantile| to_f64(since_due_us.value_at_quantile(quantile)) / 1_000.0;
        Self {
            count: since_due_us.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: to_f64(since_due_us.max()) / 1_000.0,
            slowest_ms: slowest.as_secs_f64() * 1_000.0,
        }
    }
}

/// Converts a count; one above 2^32 counts as 2^32.
fn to_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clinics, seed, sent_in_s, answered_per_second, .. } = self;
        writeln!(
            formatter,
            "{} events of {clinics} clinics acknowledged in {sent_in_s:.1} s, {answered_per_second:.0} responses per second \
             (seed {seed})",
            self.acknowledged
        )?;
        if let Some(cpu_s) = self.sending_cpu_s {
            writeln!(formatter, "the simulator itself used {cpu_s:.1} s of CPU time\n")?;
        }
        writeln!(
            formatter,
            "{:<32}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "response", "count", "p50 ms", "p90 ms", "p99 ms", "max ms"
        )?;
        for (status, answers) in &self.answers {
            let Answers { count, p50_ms, p90_ms, p99_ms, max_ms, .. } = answers;
            writeln!(
                formatter,
                "{:<32}{count:>10}{p50_ms:>10.1}{p90_ms:>10.1}{p99_ms:>10.1}{max_ms:>10.1}",
                meaning(*status)
            )?;
        }
        let Self { retried, unanswered, refused, undelivered, settled_after_s, .. } = self;
        writeln!(
            formatter,
            "\n{retried} retries, {unanswered} attempts without a response, {refused} refused as expected\n\
             status pages read until {settled_after_s:.1} s after the last response; checked {} events, {} records{}\n",
            self.checked_events,
            self.checked_records,
            self.checked_rows.map(|rows| format!(", {rows} rows")).unwrap_or_default()
        )?;
        for finding in &self.findings {
            writeln!(formatter, "  {finding}")?;
        }
        let Self { lost, doubled, wrong, unread, .. } = self;
        if *unread > 0 {
            writeln!(
                formatter,
                "{unread} status pages could not be read, so nothing is known about their events and records"
            )?;
        }
        write!(formatter, "lost {lost}, doubled {doubled}, wrong {wrong}, undelivered {undelivered}")
    }
}

fn meaning(status: u16) -> String {
    let words = match status {
        200 => "applied, or unchanged",
        201 => "created",
        202 => "accepted, result pending",
        400 => "refused: unreadable",
        401 => "refused: not authenticated",
        404 => "stored: its appointment is missing",
        409 => "refused: a duplicate",
        422 => "stored or refused: invalid fields",
        429 => "rate limit exceeded",
        503 => "not accepted; retry later",
        _ => "",
    };
    format!("{status} {words}")
}
