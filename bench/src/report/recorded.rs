//! The last whole run, which is kept in the repository. Only ratios are compared, because the values depend on the machine.

use anyhow::{Context as _, Result};

use super::line::{Comparison, Line};
use super::paths;
use super::run_report::RunReport;

/// Relative change of a ratio that counts as noise.
const TOLERANCE: f64 = 0.10;

/// See the module.
#[derive(Debug)]
pub(crate) struct RecordedRun(RunReport);

impl RecordedRun {
    /// The recorded run, if there is one.
    pub(crate) fn read() -> Result<Option<Self>> {
        let path = paths::recorded()?;
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path)?;
        Ok(Some(Self(serde_json::from_str(&text).context("docs/performance/results.json")?)))
    }

    /// A line for each ratio that is worse than in the recorded run, or a sentence that there is none.
    pub(super) fn compare(&self, now: &RunReport) -> String {
        let worse: Vec<_> = now.lines().filter_map(|line| self.worsening(line)).collect();
        let since =
            format!("the run recorded at {} ({})", self.0.machine.measured_at, self.0.machine.version);
        if worse.is_empty() {
            return format!("\nNo ratio is worse than in {since}.\n");
        }
        format!("\nWorse than in {since}:\n\n{}", worse.concat())
    }

    fn worsening(&self, line: &Line) -> Option<String> {
        let before = self.0.lines().find(|before| before.what == line.what)?.beside.as_ref()?.ratio.median;
        let Comparison { what, ratio, .. } = line.beside.as_ref()?;
        let now = ratio.median;
        let is_worse = if line.unit.higher_is_better() {
            now < before * (1.0 - TOLERANCE)
        } else {
            now > before * (1.0 + TOLERANCE)
        };
        is_worse.then(|| format!("- {}: {now:.2} of {what}, and {before:.2} before\n", line.what))
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Unit;
    use super::super::machine::Machine;
    use super::*;
    use crate::measurement::Measurement;
    use crate::statistics::Pair;

    /// A rate and a latency, each with a limit of 1.
    fn report(rate: f64, latency: f64) -> RunReport {
        let line = |what: &str, unit, ours| Line::compared(what, unit, "limit", &[Pair { ours, limit: 1.0 }]);
        let mut report = RunReport::new(Machine::default(), false);
        let lines = vec![line("rate", Unit::PerSecond, rate), line("latency", Unit::Milliseconds, latency)];
        report.add(Measurement::Acknowledge, lines);
        report
    }

    #[test]
    fn a_worse_ratio_is_listed_and_a_better_one_is_not() {
        let text = report(0.80, 2.0).as_json().unwrap();
        let recorded = RecordedRun(serde_json::from_str(&text).unwrap());
        assert!(recorded.compare(&report(0.80, 2.0)).contains("No ratio is worse"));
        assert!(recorded.compare(&report(0.73, 2.1)).contains("No ratio is worse"));
        assert!(recorded.compare(&report(0.95, 1.0)).contains("No ratio is worse"));
        let slower = recorded.compare(&report(0.60, 2.0));
        assert!(slower.contains("- rate: 0.60 of limit, and 0.80 before") && !slower.contains("latency"));
        assert!(recorded.compare(&report(0.80, 3.0)).contains("- latency: 3.00 of limit, and 2.00 before"));
    }
}
