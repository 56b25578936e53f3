//! Report of a run, for people and for scripts.

pub(crate) mod line;
pub(crate) mod machine;
pub(crate) mod recorded;
pub(crate) mod run_report;

mod document;
mod paths;
mod plot;
mod table;

use anyhow::Result;

use recorded::RecordedRun;
use run_report::RunReport;

/// The table as text, and the ratios that are worse than those of the recorded run.
pub(crate) fn as_text(report: &RunReport, recorded: Option<&RecordedRun>) -> String {
    let mut text = table::text(report);
    if let Some(recorded) = recorded {
        text.push_str(&recorded.compare(report));
    }
    text
}

/// Writes `docs/performance/results.md`, `docs/performance/results.json` and `docs/performance/results.svg`.
pub(crate) fn record(report: &RunReport, recorded: Option<&RecordedRun>) -> Result<()> {
    std::fs::create_dir_all(paths::folder()?)?;
    let comparison = recorded.map(|recorded| recorded.compare(report));
    let document = document::markdown(report, comparison.as_deref());
    std::fs::write(paths::folder()?.join("results.md"), document)?;
    std::fs::write(paths::recorded()?, report.as_json()?)?;
    plot::latency(report, &paths::folder()?.join("results.svg"))
}
