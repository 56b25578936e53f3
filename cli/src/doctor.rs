//! `careq-sync doctor`: prints the findings about an installation. The exit status is 0 only if nothing is wrong and everything could
//! be examined.

use std::process::ExitCode;

use anyhow::Result;
use careq_doctor::{Report, Verdict};
use serde_json::json;

use crate::arguments::output::Output;

pub(crate) fn print(report: &Report, output: Output) -> Result<ExitCode> {
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
