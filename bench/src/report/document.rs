//! `docs/performance/results.md`, as a run writes it. What people have found out besides is in `docs/performance/experiments.md`, which no run
//! touches.

use std::fmt::Write as _;

use super::{Line, Machine, Report};

pub(super) fn markdown(report: &Report, compared: &str) -> String {
    let mut text = head(&report.machine);
    for section in &report.sections {
        let (name, about) = (section.measurement.name(), section.measurement.about());
        write!(text, "\n## {name}\n\n{}.\n\n", sentence(about)).unwrap_or_default();
        text.push_str("| | ours | limit | ratio | target |\n|---|---:|---:|---:|---|\n");
        for line in &section.lines {
            text.push_str(&row(line));
        }
    }
    if !compared.is_empty() {
        write!(text, "\n## Since the last recorded run\n{compared}").unwrap_or_default();
    }
    text
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
         Written by `make bench`; do not edit. What was tried, and why a limit stands where it does, is in\n\
         [experiments.md](experiments.md).\n\n\
         Measured at {measured_at}, version {version}, on {processors} processors ({processor}), {memory_gb} GB, Linux {kernel},\n\
         PostgreSQL {postgresql}, RabbitMQ {rabbitmq}, with everything (load, broker, database) on the one machine; the load\n\
         average before was {load_before:.2}.\n\n\
         Ours and its limit were measured in turns, one right after the other. Each figure is the median, with the least and the most in\n\
         brackets; a ratio is ours by the limit, of each such pair. Compare ratios: the figures are the machine's.\n\n\
         ![Latency against offered rate](results.svg)\n"
    )
}

fn sentence(about: &str) -> String {
    let mut letters = about.chars();
    let first =
        letters.next().filter(|_| !about.starts_with('`')).map(|first| first.to_uppercase().to_string());
    first.map_or_else(|| about.to_owned(), |first| first + letters.as_str())
}

fn row(line: &Line) -> String {
    let Line { what, unit, ours, beside, target, .. } = line;
    let unit = unit.as_str();
    let (limit, ratio) = beside.as_ref().map_or_else(Default::default, |beside| {
        (format!("{} {unit}, {}", beside.limit, beside.what), beside.ratio.to_string())
    });
    let target = target.map(|target| target.told_of(line)).unwrap_or_default();
    format!("| {what} | {ours} {unit} | {limit} | {ratio} | {target} |\n")
}
