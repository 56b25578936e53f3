//! The table as text, for a terminal.

use std::fmt::Write as _;

use super::{Line, Report};

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for section in &report.sections {
        let heading = section.measurement.name();
        write!(text, "\n{heading:<56}{:>26}{:>26}{:>20}  target\n", "ours", "limit", "ratio")
            .unwrap_or_default();
        for line in &section.lines {
            text.push_str(&row(line));
        }
    }
    text
}

fn row(line: &Line) -> String {
    let Line { what, unit, ours, beside, target, .. } = line;
    let ours = format!("{ours} {}", unit.as_str());
    let (limit, ratio) = beside.as_ref().map_or_else(Default::default, |beside| {
        (format!("{} {}", beside.limit, unit.as_str()), beside.ratio.to_string())
    });
    let target = target.map(|target| target.told_of(line)).unwrap_or_default();
    let row = format!("  {what:<54}{ours:>26}{limit:>26}{ratio:>20}  {target}");
    row.trim_end().to_owned() + "\n"
}
