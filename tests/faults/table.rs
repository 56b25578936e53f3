//! Result table: one row per fault with its numbers and its recovery time.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Result of a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    acknowledged: u64,
    lost: u64,
    doubled: u64,
    wrong: u64,
    undelivered: u64,
    recovered_in: Option<Duration>,
    problems: Vec<String>,
    /// Additional measurements.
    notes: Vec<String>,
    evidence: Option<PathBuf>,
}

/// Heading of the table.
pub(crate) const HEADING: &str =
    "fault                                              acknowledged  lost  doubled  wrong  recovered  seed";

impl Row {
    /// Takes the numbers of the simulator's report, and other problems.
    pub(crate) fn from_report(
        report: &Value,
        recovered_in: Option<Duration>,
        mut problems: Vec<String>,
    ) -> Self {
        let number = |name: &str| report[name].as_u64().unwrap_or(u64::MAX);
        let findings = report["findings"].as_array().into_iter().flatten();
        problems.extend(findings.filter_map(Value::as_str).map(str::to_owned));
        if report["passed"] != true && problems.is_empty() {
            problems.push(format!("the simulator's check failed: {report}"));
        }
        Self {
            acknowledged: number("acknowledged"),
            lost: number("lost"),
            doubled: number("doubled"),
            wrong: number("wrong"),
            undelivered: number("undelivered"),
            recovered_in,
            problems,
            notes: Vec::new(),
            evidence: None,
        }
    }

    /// Adds measurements, and the folder with the evidence of a failure.
    pub(crate) fn noting(self, notes: Vec<String>, evidence: Option<PathBuf>) -> Self {
        Self { notes, evidence, ..self }
    }

    /// Adds events that were acknowledged to other clients than the simulator, and how many of them are not stored.
    pub(crate) fn and(mut self, acknowledged: u64, lost: u64) -> Self {
        self.acknowledged += acknowledged;
        self.lost += lost;
        if lost > 0 {
            self.problems.push(format!("{lost} of {acknowledged} events in batches are not stored as sent"));
        }
        self
    }

    /// Row of a fault that panicked or exceeded its time.
    pub(crate) fn without_result() -> Self {
        Self { problems: vec!["no result; the reason is above".to_owned()], ..Self::default() }
    }

    pub(crate) fn has_passed(&self) -> bool {
        self.problems.is_empty() && self.undelivered == 0
    }

    pub(crate) fn line(&self, name: &str, seed: u64) -> String {
        let Self { acknowledged, lost, doubled, wrong, .. } = self;
        let recovered = self.recovered();
        let mut line = format!(
            "{name:<50} {acknowledged:>12} {lost:>5} {doubled:>8} {wrong:>6} {recovered:>10} {seed:>5}"
        );
        if self.undelivered > 0 {
            write!(line, "\n    {} requests were never accepted", self.undelivered).unwrap();
        }
        self.notes.iter().chain(&self.problems).for_each(|problem| write!(line, "\n    {problem}").unwrap());
        if let Some(folder) = &self.evidence {
            write!(line, "\n    the logs are in {}", folder.display()).unwrap();
        }
        line
    }

    /// Row of the document, without paths of this machine.
    pub(crate) fn markdown(&self, name: &str, seed: u64) -> String {
        let Self { acknowledged, lost, doubled, wrong, .. } = self;
        let recovered = self.recovered();
        let name = if self.has_passed() { name.to_owned() } else { format!("{name}: **NOT PASSED**") };
        let name =
            std::iter::once(&name).chain(&self.notes).map(String::as_str).collect::<Vec<_>>().join("<br>");
        format!("| {name} | {acknowledged} | {lost} | {doubled} | {wrong} | {recovered} | {seed} |")
    }

    fn recovered(&self) -> String {
        self.recovered_in.map_or_else(|| "-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
    }
}
