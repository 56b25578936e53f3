//! What a run has shown, for people and for scripts. Its words are relied on by scripts: they may be added to, never
//! changed. It must never call a run good that was not seen to be.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::check::Checked;
use crate::plan::Plan;
use crate::send::Played;

/// See the module.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether everything that was acknowledged is there once, and as it should be.
    pub passed: bool,
    /// Plays the same again.
    pub seed: u64,
    /// Clinics that called.
    pub clinics: usize,
    /// When the first request was due, RFC 3339.
    pub began_at: String,
    /// Events that were acknowledged, each counted once.
    pub acknowledged: u64,
    /// Requests that were refused, as they had to be.
    pub refused: u64,
    /// Requests that were never taken, however often they were sent.
    pub undelivered: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Attempts that no answer came to.
    pub unanswered: u64,
    /// How long sending took, in seconds.
    pub sent_in_s: f64,
    /// CPU time that the simulator itself used meanwhile, in seconds, where it can be known.
    pub sending_cpu_s: Option<f64>,
    /// Answers per second while sending.
    pub answered_per_second: f64,
    /// How long after the last answer the last event's page was read, in seconds.
    pub settled_after_s: f64,
    /// Answers by status.
    pub answers: BTreeMap<u16, Answers>,
    /// Answers with a 2xx status in each second since the first request, copies included.
    pub accepted_per_second: Vec<u64>,
    /// Events whose status pages were read.
    pub checked_events: u64,
    /// Records whose status pages were read.
    pub checked_records: u64,
    /// Rows that were compared, where a database was given.
    pub checked_rows: Option<u64>,
    /// Acknowledged, and gone or stuck.
    pub lost: u64,
    /// There twice, or there without having been sent.
    pub doubled: u64,
    /// There, and not as it was sent.
    pub wrong: u64,
    /// Status pages that could not be read.
    pub unread: u64,
    /// Some of what was found, in words.
    pub findings: Vec<String>,
}

/// Answers with one status; latencies in milliseconds, from when the request was due.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Answers {
    /// How many.
    pub count: u64,
    /// Half were quicker.
    pub p50_ms: f64,
    /// Nine in ten were.
    pub p90_ms: f64,
    /// 99 in a hundred were.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// The slowest, counted from when it was sent.
    pub slowest_ms: f64,
}

/// When, and for how long, everything was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sending {
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) took: Duration,
    pub(crate) cpu_s: Option<f64>,
}

impl Report {
    pub(crate) fn of(plan: &Plan, sending: Sending, played: Played, checked: Checked) -> Self {
        let Sending { began_at, took, cpu_s } = sending;
        let mut findings = played.findings;
        findings.add(checked.findings);
        let tally = played.tally;
        let answers: BTreeMap<u16, Answers> = tally
            .by_status
            .iter()
            .map(|(status, latencies)| {
                (*status, Answers::of(latencies, tally.slowest.get(status).copied().unwrap_or_default()))
            })
            .collect();
        let answered = answers.values().map(|answers| answers.count).sum::<u64>();
        Self {
            passed: findings.lost + findings.doubled + findings.wrong + findings.unread + played.undelivered
                == 0,
            seed: plan.seed,
            clinics: plan.clinics.len(),
            began_at: began_at.to_rfc3339(),
            acknowledged: played.receipts.len() as u64,
            refused: played.refused,
            undelivered: played.undelivered,
            retried: tally.retried,
            unanswered: tally.unanswered,
            sent_in_s: took.as_secs_f64(),
            sending_cpu_s: cpu_s,
            answered_per_second: count(answered) / took.as_secs_f64().max(f64::EPSILON),
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
    fn of(latencies_us: &Histogram<u64>, slowest: Duration) -> Self {
        let at = |quantile| count(latencies_us.value_at_quantile(quantile)) / 1_000.0;
        Self {
            count: latencies_us.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: count(latencies_us.max()) / 1_000.0,
            slowest_ms: slowest.as_secs_f64() * 1_000.0,
        }
    }
}

/// As far as 2^32; there is nothing to count beyond.
fn count(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clinics, seed, sent_in_s, answered_per_second, .. } = self;
        writeln!(
            formatter,
            "{} events of {clinics} clinics acknowledged in {sent_in_s:.1} s, {answered_per_second:.0} answers per second \
             (seed {seed})",
            self.acknowledged
        )?;
        if let Some(cpu_s) = self.sending_cpu_s {
            writeln!(formatter, "the simulator itself used {cpu_s:.1} s of CPU time\n")?;
        }
        writeln!(
            formatter,
            "{:<32}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "answer", "count", "p50 ms", "p90 ms", "p99 ms", "max ms"
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
            "\n{retried} retries, {unanswered} attempts without an answer, {refused} refused as they should be\n\
             looked at for {settled_after_s:.1} s after the last answer, until every event was settled or time was up; checked {} events, {} records{}\n",
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
                "{unread} status pages could not be read, which says nothing of what they are about"
            )?;
        }
        write!(formatter, "lost {lost}, doubled {doubled}, wrong {wrong}, undelivered {undelivered}")
    }
}

fn meaning(status: u16) -> String {
    let words = match status {
        200 => "applied, or nothing new",
        201 => "created",
        202 => "accepted, result later",
        400 => "refused: not readable",
        401 => "refused: not authenticated",
        404 => "kept: its appointment is missing",
        409 => "refused: a duplicate",
        422 => "kept or refused: see its fields",
        429 => "too many",
        503 => "not taken; try again",
        _ => "",
    };
    format!("{status} {words}")
}
