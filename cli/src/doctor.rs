//! `careq-sync doctor`: prints the findings about an installation. The exit status is 0 only if nothing is wrong and everything could
//! be examined.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use careq_doctor::{Finding, Report, Verdict};
use careq_shared::config::{Config, Faults};
use serde_json::json;

use crate::arguments::output::Output;
use crate::environment::print;

pub(crate) async fn run(config: &Config, output: Output) -> ExitCode {
    show(&Box::pin(careq_doctor::examine(config)).await, output)
}

/// The report for settings that cannot be loaded.
pub(crate) fn of_faults(faults: &Faults, output: Output) -> ExitCode {
    show(&careq_doctor::of_faults(faults), output)
}

fn show(report: &Report, output: Output) -> ExitCode {
    let status = exit_status(report);
    print(&if output.json {
        json!({
            "verdict": report.verdict(),
            "exit_status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "examinations": report.examinations,
        })
        .to_string()
    } else {
        as_text(report, std::io::stdout().is_terminal())
    });
    ExitCode::from(status)
}

/// The exit status, which scripts rely on.
fn exit_status(report: &Report) -> u8 {
    match report.verdict() {
        Verdict::Well | Verdict::Warning => 0,
        Verdict::Error => 1,
        Verdict::NotExamined => 2,
    }
}

fn as_text(report: &Report, is_terminal: bool) -> String {
    let mut lines = Vec::new();
    for examination in &report.examinations {
        lines.push(examination.name.to_owned());
        lines.extend(examination.findings.iter().flat_map(|finding| of_finding(finding, is_terminal)));
    }
    lines.push(String::new());
    lines.push(summary(report));
    lines.join("\n")
}

fn of_finding(finding: &Finding, is_terminal: bool) -> Vec<String> {
    let Finding { code, verdict, seen, means, remedy } = finding;
    let mark = if is_terminal { mark(*verdict) } else { word(*verdict) };
    if *verdict == Verdict::Well {
        return vec![format!("  {mark} {seen}")];
    }
    let details = [("it means", means), ("do", remedy)];
    let details =
        details.into_iter().filter_map(|(name, text)| Some(format!("      {name}: {}", text.as_ref()?)));
    std::iter::once(format!("  {mark} {seen}  [{code}]")).chain(details).collect()
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Well => "✓",
        Verdict::Warning => "!",
        Verdict::NotExamined => "?",
        Verdict::Error => "✗",
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Well => "ok:",
        Verdict::Warning => "warning:",
        Verdict::NotExamined => "not examined:",
        Verdict::Error => "error:",
    }
}

fn summary(report: &Report) -> String {
    let counted = [
        (Verdict::Error, "wrong"),
        (Verdict::NotExamined, "not examined"),
        (Verdict::Warning, "to look at"),
        (Verdict::Well, "well"),
    ];
    let counted = counted.map(|(verdict, words)| (report.count(verdict), words));
    let counted = counted.iter().filter(|(count, _)| *count > 0);
    counted.map(|(count, words)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
}
