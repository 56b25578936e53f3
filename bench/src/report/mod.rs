//! Report of a run, for people and for scripts. The last whole run is recorded in the repository.

pub(crate) mod line;
pub(crate) mod machine;

use std::path::Path;

use anyhow::{Context as _, Result};
use line::{Line, Unit};
use machine::Machine;
use serde::{Deserialize, Serialize};

use crate::measurement::Measurement;

/// Folder of the recorded run. `experiments.md` in it has the findings of people; no run writes it.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance");

/// Relative change of a ratio that counts as noise.
const TOLERANCE: f64 = 0.10;

/// Lines of all measurements of a run, and the machine they were taken on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    is_short: bool,
    sections: Vec<Section>,
}

/// Lines of one measurement.
#[derive(Debug, Serialize, Deserialize)]
struct Section {
    measurement: Measurement,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(machine: Machine, is_short: bool) -> Self {
        Self { machine, is_short, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, measurement: Measurement, lines: Vec<Line>) {
        self.sections.push(Section { measurement, lines });
    }

    pub(crate) fn as_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A table for each measurement, as Markdown that a terminal shows in columns.
    pub(crate) fn tables(&self) -> String {
        let mut parts = Vec::new();
        for Section { measurement, lines } in &self.sections {
            let (name, description) = (measurement.name(), measurement.description());
            parts.push(format!("\n## {name}\n\n{description}.\n\n"));
            parts.push(row("", "ours", "ratio", "target", "baseline"));
            parts.push("|---|---:|---:|---|---|\n".to_owned());
            parts.extend(lines.iter().map(|line| {
                let unit = line.unit.as_str();
                let (ratio, baseline) = line.baseline.as_ref().map_or_else(Default::default, |baseline| {
                    (baseline.ratio.to_string(), format!("{} {unit}, {}", baseline.value, baseline.what))
                });
                row(&line.what, &format!("{} {unit}", line.ours), &ratio, &line.verdict(), &baseline)
            }));
        }
        parts.concat()
    }

    /// The last recorded run, if there is one.
    pub(crate) fn recorded() -> Result<Option<Self>> {
        let path = Path::new(FOLDER).join("results.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path)?;
        Ok(Some(serde_json::from_str(&text).context("docs/performance/results.json")?))
    }

    /// A line for each ratio that is worse than in the recorded run, or a sentence that there is none. Only ratios are compared,
    /// because the values depend on the machine.
    pub(crate) fn comparison(&self, recorded: Option<&Self>) -> String {
        let Some(recorded) = recorded else { return String::new() };
        let Machine { measured_at, version, .. } = &recorded.machine;
        let since = format!("the run recorded at {measured_at} ({version})");
        let worse: Vec<_> = self.lines().filter_map(|line| recorded.worsening(line)).collect();
        let result = if worse.is_empty() {
            format!("No ratio is worse than in {since}.\n")
        } else {
            format!("Worse than in {since}:\n\n{}", worse.concat())
        };
        format!("\n## Since the last recorded run\n\n{result}")
    }

    fn worsening(&self, line: &Line) -> Option<String> {
        let before = self.lines().find(|before| before.what == line.what)?.baseline.as_ref()?.ratio.median;
        let baseline = line.baseline.as_ref()?;
        let now = baseline.ratio.median;
        let is_worse = if line.unit == Unit::PerSecond {
            now < before * (1.0 - TOLERANCE)
        } else {
            now > before * (1.0 + TOLERANCE)
        };
        is_worse.then(|| format!("- {}: {now:.2} of {}, and {before:.2} before\n", line.what, baseline.what))
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.sections.iter().flat_map(|section| &section.lines)
    }

    /// Writes `docs/performance/results.md` and `docs/performance/results.json`.
    pub(crate) fn record(&self, recorded: Option<&Self>) -> Result<()> {
        let head = format!(
            "# Performance\n\n\
             Written by `make bench`; do not edit. Experiments and the reasons of the limits are in\n\
             [experiments.md](experiments.md).\n\n\
             {}\n\
             The product and its baseline were measured alternately. Each value is the median, with the range in parentheses. A ratio\n\
             is the product's value divided by the baseline's, for each pair. Compare ratios: the values depend on the machine.\n",
            self.machine
        );
        let document = [head, self.tables(), self.comparison(recorded)].concat();
        std::fs::create_dir_all(FOLDER)?;
        std::fs::write(Path::new(FOLDER).join("results.md"), document)?;
        std::fs::write(Path::new(FOLDER).join("results.json"), self.as_json()?)?;
        Ok(())
    }
}

fn row(what: &str, ours: &str, ratio: &str, target: &str, baseline: &str) -> String {
    format!("| {what:<56} | {ours:>24} | {ratio:>20} | {target:<14} | {baseline} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Pair;

    /// A rate and a latency, each with a baseline of 1.
    fn report(rate: f64, latency: f64) -> Report {
        let line =
            |what, unit, value| Line::compared(what, unit, "baseline", &[Pair { value, baseline: 1.0 }]);
        let mut report = Report::new(Machine::default(), false);
        let lines = vec![line("rate", Unit::PerSecond, rate), line("latency", Unit::Milliseconds, latency)];
        report.add(Measurement::Acknowledge, lines);
        report
    }

    #[test]
    fn a_worse_ratio_is_listed_and_a_better_one_is_not() {
        let recorded: Report = serde_json::from_str(&report(0.80, 2.0).as_json().unwrap()).unwrap();
        let comparison = |rate, latency| report(rate, latency).comparison(Some(&recorded));
        assert!(comparison(0.80, 2.0).contains("No ratio is worse"));
        assert!(comparison(0.73, 2.1).contains("No ratio is worse"));
        assert!(comparison(0.95, 1.0).contains("No ratio is worse"));
        let slower = comparison(0.60, 2.0);
        assert!(slower.contains("- rate: 0.60 of baseline, and 0.80 before") && !slower.contains("latency"));
        assert!(comparison(0.80, 3.0).contains("- latency: 3.00 of baseline, and 2.00 before"));
    }
}
