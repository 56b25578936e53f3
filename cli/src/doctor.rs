//! `careq-sync doctor`: prints the findings about an installation. The exit status is 0 only if nothing is wrong and everything could
//! be examined.

use std::process::ExitCode;

use anyhow::Result;
use careq_doctor::{Report, Verdict};
use careq_shared::config::{Config, Faults};
use serde_json::json;

use crate::arguments::output::Output;

pub(crate) async fn run(config: &Config, output: Output) -> Result<ExitCode> {
    show(&Box::pin(careq_doctor::examine(config)).await, output)
}

/// The report for settings that cannot be loaded.
pub(crate) fn of_faults(faults: &Faults, output: Output) -> Result<ExitCode> {
    show(&careq_doctor::of_faults(faults), output)
}

fn show(report: &Report, output: Output) -> Result<ExitCode> {
    // Scripts rely on the status.
    let status = match report.verdict() {
        Verdict::Well | Verdict::Warning => 0,
        Verdict::Error => 1,
        Verdict::NotExamined => 2,
    };
    let as_json = json!({
        "verdict": report.verdict(),
        "exit_status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "examinations": report.examinations,
    });
    output.print(&as_json, || report.to_string())?;
    Ok(ExitCode::from(status))
}
