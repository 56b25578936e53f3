//! Table of a run as text, for a terminal.

use super::line::Line;
use super::run_report::RunReport;

pub(super) fn text(report: &RunReport) -> String {
    let mut parts = Vec::new();
    for section in &report.sections {
        let heading = section.measurement.name();
        parts.push(format!("\n{heading:<56}{:>26}{:>26}{:>20}  target\n", "ours", "limit", "ratio"));
        parts.extend(section.lines.iter().map(row));
    }
    parts.concat()
}

fn row(line: &Line) -> String {
    let Line { what, unit, ours, beside, target, .. } = line;
    let ours = format!("{ours} {}", unit.as_str());
    let (limit, ratio) = match beside {
        Some(beside) => (format!("{} {}", beside.limit, unit.as_str()), beside.ratio.to_string()),
        None => (String::new(), String::new()),
    };
    let target = target.map_or_else(String::new, |target| target.verdict(line));
    let row = format!("  {what:<54}{ours:>26}{limit:>26}{ratio:>20}  {target}");
    row.trim_end().to_owned() + "\n"
}
