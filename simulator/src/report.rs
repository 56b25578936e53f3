//! Report of a run, for people and for scripts. It grows while requests are sent and results are checked. Scripts depend on the
//! JSON fields: fields may be added but not changed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Largest latency that is recorded, in microseconds. Larger ones count as this one.
const MAX_LATENCY_US: u64 = 600_000_000;

/// Significant decimal digits of a recorded latency.
const LATENCY_DIGITS: u8 = 3;

/// Sentences about findings that are kept.
const MAX_SENTENCES: usize = 20;

/// See the module.
#[derive(Debug, Clone, Default, Serialize)]
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
    pub acknowledged: usize,
    /// Requests that were refused with the expected status.
    pub refused: u64,
    /// Requests that were not accepted by any attempt.
    pub undelivered: usize,
    /// Attempts after the first.
    pub retried: u64,
    /// Attempts without a response.
    pub unanswered: u64,
    /// Duration of the sending, in seconds.
    pub sent_in_s: f64,
    /// CPU time of the simulator while sending, in seconds.
    pub sending_cpu_s: f64,
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
    /// Status pages that could not be read, so that nothing is known about their events and records.
    pub unread: u64,
    /// Sentences about some of the findings. They contain only numbers, kinds and states, no data of a record.
    pub findings: Vec<String>,
}

/// Responses with one status.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "Latencies")]
pub struct Answers {
    /// From the time at which the request was due, in microseconds.
    since_due_us: Histogram<u64>,
    /// Longest time from sending a request to its response.
    slowest: Duration,
}

/// Statistics of responses. Latencies count from the time at which the request was due.
#[derive(Debug, Serialize)]
struct Latencies {
    count: u64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Longest time from sending a request to its response.
    slowest_ms: f64,
}

/// Sort of a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Finding {
    Lost,
    Doubled,
    Wrong,
    Unread,
}

impl Report {
    /// Counts a response. Its latency is measured from the due time, `took` from the sending, and `second` from the first
    /// request, which never falls.
    pub(crate) fn answered(&mut self, status: u16, latency: Duration, took: Duration, second: u64) {
        let answers = self.answers.entry(status).or_insert_with(Answers::new);
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(MAX_LATENCY_US);
        answers.since_due_us.saturating_record(latency_us);
        answers.slowest = answers.slowest.max(took);
        if (200..300).contains(&status) {
            while self.accepted_per_second.len() as u64 <= second {
                self.accepted_per_second.push(0);
            }
            if let Some(count) = self.accepted_per_second.last_mut() {
                *count += 1;
            }
        }
    }

    /// Counts a finding.
    pub(crate) fn find(&mut self, finding: Finding, sentence: &str) {
        let (count, sort) = match finding {
            Finding::Lost => (&mut self.lost, "lost"),
            Finding::Doubled => (&mut self.doubled, "doubled"),
            Finding::Wrong => (&mut self.wrong, "wrong"),
            Finding::Unread => (&mut self.unread, "unread"),
        };
        *count += 1;
        if self.findings.len() < MAX_SENTENCES {
            self.findings.push(format!("{sort}: {sentence}"));
        }
    }

    /// Records the duration and the CPU time of the sending.
    pub(crate) fn sending_took(&mut self, sent_in_s: f64, cpu_s: f64) {
        let responses = u32::try_from(self.responses()).unwrap_or(u32::MAX);
        (self.sent_in_s, self.sending_cpu_s) = (sent_in_s, cpu_s);
        self.answered_per_second = f64::from(responses) / sent_in_s;
    }

    /// Number of responses.
    pub(crate) fn responses(&self) -> u64 {
        self.answers.values().map(|answers| answers.since_due_us.len()).sum()
    }
}

impl Answers {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    fn new() -> Self {
        let since_due_us = Histogram::new_with_bounds(1, MAX_LATENCY_US, LATENCY_DIGITS);
        Self { since_due_us: since_due_us.expect("the bounds are valid"), slowest: Duration::ZERO }
    }
}

impl From<Answers> for Latencies {
    fn from(Answers { since_due_us, slowest }: Answers) -> Self {
        let ms = |latency: Duration| latency.as_secs_f64() * 1_000.0;
        let ms_of = |latency_us| ms(Duration::from_micros(latency_us));
        let at = |quantile| ms_of(since_due_us.value_at_quantile(quantile));
        Self {
            count: since_due_us.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            max_ms: ms_of(since_due_us.max()),
            slowest_ms: ms(slowest),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, clinics, seed, sent_in_s, sending_cpu_s, answered_per_second, .. } = self;
        writeln!(
            formatter,
            "{acknowledged} events of {clinics} clinics acknowledged in {sent_in_s:.1} s, {answered_per_second:.0} responses per \
             second (seed {seed})\nthe simulator itself used {sending_cpu_s:.1} s of CPU time\n\n\
             {:<32}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "response", "count", "p50 ms", "p90 ms", "p99 ms", "max ms"
        )?;
        for (status, answers) in &self.answers {
            let Latencies { count, p50_ms, p90_ms, p99_ms, max_ms, .. } = answers.clone().into();
            writeln!(
                formatter,
                "{:<32}{count:>10}{p50_ms:>10.1}{p90_ms:>10.1}{p99_ms:>10.1}{max_ms:>10.1}",
                format!("{status} {}", meaning(*status))
            )?;
        }
        let Self { retried, unanswered, refused, settled_after_s, checked_events, checked_records, .. } =
            self;
        let rows = self.checked_rows.map(|rows| format!(", {rows} rows")).unwrap_or_default();
        writeln!(
            formatter,
            "\n{retried} retries, {unanswered} attempts without a response, {refused} refused as expected\n\
             status pages read until {settled_after_s:.1} s after the last response; checked {checked_events} events, \
             {checked_records} records{rows}\n"
        )?;
        for finding in &self.findings {
            writeln!(formatter, "  {finding}")?;
        }
        let Self { lost, doubled, wrong, unread, undelivered, .. } = self;
        if *unread > 0 {
            writeln!(
                formatter,
                "{unread} status pages could not be read, so nothing is known about their events and records"
            )?;
        }
        write!(formatter, "lost {lost}, doubled {doubled}, wrong {wrong}, undelivered {undelivered}")
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_counted_by_status_and_acceptances_by_second() {
        let mut report = Report::default();
        let ms = Duration::from_millis;
        report.answered(200, ms(3), ms(2), 0);
        report.answered(200, ms(9), ms(8), 2);
        report.answered(503, ms(1), ms(1), 2);
        let Latencies { count, max_ms, slowest_ms, .. } = report.answers[&200].clone().into();
        assert_eq!((count, report.responses()), (2, 3));
        assert!((max_ms - 9.0).abs() < 0.1 && (slowest_ms - 8.0).abs() < 1e-9, "{max_ms} {slowest_ms}");
        assert_eq!(report.accepted_per_second, [1, 0, 1]);
    }

    #[test]
    fn every_finding_counts_and_some_have_a_sentence() {
        let mut report = Report::default();
        for number in 0..30 {
            report.find(Finding::Wrong, &number.to_string());
        }
        assert_eq!((report.wrong, report.findings.len()), (30, MAX_SENTENCES));
        assert_eq!(report.findings[0], "wrong: 0");
    }
}
