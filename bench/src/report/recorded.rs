//! The last whole run, as it is kept in the repository. Only ratios of one run are compared: the figures themselves are the
//! machine's.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::line::{Beside, Line};
use super::{Report, docs};

/// A ratio that has become worse by less than this is not told apart from chance.
const TOLERANCE: f64 = 0.10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorded(Report);

pub(super) fn file() -> Result<PathBuf> {
    Ok(docs()?.join("results.json"))
}

impl Recorded {
    /// The recorded run, if there is one.
    pub(crate) fn read() -> Result<Option<Self>> {
        match std::fs::read_to_string(file()?) {
            Ok(text) => Ok(Some(Self(serde_json::from_str(&text).context("docs/performance/results.json")?))),
            Err(_) => Ok(None),
        }
    }

    /// A sentence for each ratio that has become worse, or one that none has.
    pub(crate) fn compared(&self, now: &Report) -> String {
        let worse: Vec<_> = now.lines().filter_map(|line| self.worse(line)).collect();
        let since =
            format!("the run recorded at {} ({})", self.0.machine.measured_at, self.0.machine.version);
        if worse.is_empty() {
            return format!("\nNo ratio is worse than in {since}.\n");
        }
        format!("\nWorse than in {since}:\n\n{}", worse.concat())
    }

    fn worse(&self, line: &Line) -> Option<String> {
        let before = self.0.lines().find(|before| before.what == line.what)?.beside.as_ref()?.ratio.median;
        let Beside { what, ratio, .. } = line.beside.as_ref()?;
        let now = ratio.median;
        let is_worse = if line.unit.more_is_better() {
            now < before * (1.0 - TOLERANCE)
        } else {
            now > before * (1.0 + TOLERANCE)
        };
        is_worse.then(|| format!("- {}: {now:.2} of {what}, and {before:.2} before\n", line.what))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Machine, Unit};
    use super::*;
    use crate::measure::Measurement;
    use crate::repeat::Pair;

    /// A rate and a latency, each by its limit.
    fn report(rate: f64, latency: f64) -> Report {
        let line = |what: &str, unit, ours| Line::beside(what, unit, "limit", &[Pair { ours, limit: 1.0 }]);
        let mut report = Report::new(Machine::default(), false);
        let lines = vec![line("rate", Unit::PerSecond, rate), line("latency", Unit::Milliseconds, latency)];
        report.add(Measurement::Acknowledge, lines);
        report
    }

    #[test]
    fn a_ratio_that_has_become_worse_is_told_and_a_better_one_is_not() {
        let text = report(0.80, 2.0).as_json().unwrap();
        let recorded = Recorded(serde_json::from_str(&text).unwrap());
        assert!(recorded.compared(&report(0.80, 2.0)).contains("No ratio is worse"));
        assert!(recorded.compared(&report(0.73, 2.1)).contains("No ratio is worse"));
        assert!(recorded.compared(&report(0.95, 1.0)).contains("No ratio is worse"));
        let slower = recorded.compared(&report(0.60, 2.0));
        assert!(slower.contains("- rate: 0.60 of limit, and 0.80 before") && !slower.contains("latency"));
        assert!(recorded.compared(&report(0.80, 3.0)).contains("- latency: 3.00 of limit, and 2.00 before"));
    }
}
