//! `docs/performance/results.md`, written by each whole run. `docs/performance/experiments.md` has the findings of people; no run writes it.

use super::line::Line;
use super::machine::Machine;
use super::run_report::RunReport;

pub(super) fn markdown(report: &RunReport, comparison: Option<&str>) -> String {
    let mut parts = vec![head(&report.machine)];
    for section in &report.sections {
        let (name, description) = (section.measurement.name(), section.measurement.description());
        parts.push(format!("\n## {name}\n\n{}.\n\n", capitalized(description)));
        parts.push("| | ours | limit | ratio | target |\n|---|---:|---:|---:|---|\n".to_owned());
        parts.extend(section.lines.iter().map(row));
    }
    if let Some(comparison) = comparison {
        parts.push(format!("\n## Since the last recorded run\n{comparison}"));
    }
    parts.concat()
}

fn head(machine: &Machine) -> String {
    let Machine {
        measured_at,
        version,
        processor,
        processors,
        memory_gb,
        kernel,
        postgresql,
        rabbitmq,
        load_before,
    } = machine;
    format!(
        "# Performance\n\n\
         Written by `make bench`; do not edit. Experiments and the reasons of the limits are in\n\
         [experiments.md](experiments.md).\n\n\
         Measured at {measured_at}, version {version}, on {processors} processors ({processor}), {memory_gb} GB, Linux {kernel},\n\
         PostgreSQL {postgresql}, RabbitMQ {rabbitmq}, with load, broker and database on the same machine; the load\n\
         average before was {load_before:.2}.\n\n\
         The product and its limit were measured alternately. Each value is the median, with the range in parentheses. A ratio is the\n\
         product's value divided by the limit, for each pair. Compare ratios: the values depend on the machine.\n\n\
         ![Latency against offered rate](results.svg)\n"
    )
}

/// The text with a capital first letter.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.map_or_else(String::new, |first| first + letters.as_str())
}

fn row(line: &Line) -> String {
    let Line { what, unit, ours, beside, target, .. } = line;
    let unit = unit.as_str();
    let (limit, ratio) = match beside {
        Some(beside) => (format!("{} {unit}, {}", beside.limit, beside.what), beside.ratio.to_string()),
        None => (String::new(), String::new()),
    };
    let target = target.map_or_else(String::new, |target| target.verdict(line));
    format!("| {what} | {ours} {unit} | {limit} | {ratio} | {target} |\n")
}
