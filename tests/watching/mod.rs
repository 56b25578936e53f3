//! Alert rules, dashboards and the runbook are compared with the metrics that the processes expose, and with each other.

mod dashboards;
mod expression;
mod rules;
mod runbook;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Collector, Exposition, Stack, until};
use crate::metrics;
use expression::{Expression, Selector};

/// Labels that Prometheus adds to every scraped series.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// Runs promtool, and returns its output. Panics if it fails.
fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(file(""))
        .output()
        .expect("promtool cannot be used for tests; `make servers` installs it");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {printed}");
    printed
}

/// The labels of every metric, with their observed values.
#[derive(Debug, Default)]
struct Exposed {
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exposed {
    fn add(&mut self, exposition: &Exposition) {
        for (name, labels) in exposition.series() {
            let known = self.labels.entry(name.to_owned()).or_default();
            for (label, value) in labels {
                known.entry(label.clone()).or_default().insert(value.clone());
            }
        }
    }

    /// Whether the metric has such a series. Of a regular expression that is not a list of words, only the label is compared.
    fn has(&self, Selector { metric, label, values }: &Selector) -> bool {
        let Some(known) = self.labels.get(metric).and_then(|labels| labels.get(label)) else { return false };
        let is_word =
            |value: &&str| value.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
        values.split('|').filter(is_word).all(|value| known.contains(value))
    }

    /// The metrics, without the suffixes of a histogram's samples.
    fn families(&self) -> BTreeSet<&str> {
        let names = || self.labels.keys().map(String::as_str);
        let histograms: Vec<_> = names().filter_map(|name| name.strip_suffix("_bucket")).collect();
        let family = |name| histograms.iter().copied().find(|family| is_of(name, family)).unwrap_or(name);
        names().map(family).collect()
    }

    /// Panics if an expression names a metric, a label or a value that is not exposed.
    fn check(&self, place: &str, expression: &Expression) {
        assert!(!expression.metrics.is_empty(), "{place} names no metric of careq-sync");
        for metric in &expression.metrics {
            assert!(self.labels.contains_key(metric), "{place}: nothing exposes {metric}");
        }
        for selector in &expression.selectors {
            let is_of_the_scrape = OF_THE_SCRAPE.contains(&selector.label.as_str());
            assert!(is_of_the_scrape || self.has(selector), "{place}: no series has {selector:?}");
        }
        for label in &expression.grouped {
            let is_one = |metric: &String| self.labels[metric].contains_key(label);
            let is_known = OF_THE_SCRAPE.contains(&label.as_str()) || expression.metrics.iter().any(is_one);
            assert!(is_known, "{place}: no metric of it has the label {label}");
        }
    }
}

/// The series that an installation of either kind exposes after some work.
async fn exposed() -> Exposed {
    let collector = Collector::start().await;
    let collecting = ("CAREQ_TELEMETRY_OTLP_ENDPOINT", collector.url.as_str());
    let settings: Vec<_> = metrics::SETTINGS.into_iter().chain([collecting]).collect();
    let mut exposed = Exposed::default();
    let mut full = Stack::full(1, &settings).await;
    let console = full.admin_address().await;
    for stack in [&full, &Stack::embedded(&settings).await] {
        metrics::known_traffic(stack).await;
        until("everything has been measured, and a span taken", || async {
            let expositions = stack.metrics().await;
            let last = ["careq_sync_exported_spans_total", "careq_sync_measured_timestamp_seconds"];
            let all = expositions.iter().all(|one| last.iter().all(|name| one.has(name)));
            all.then_some(())
        })
        .await;
        for exposition in stack.metrics().await {
            exposed.add(&exposition);
        }
    }
    exposed.add(&Exposition::scrape(&console).await);
    full.stop().await;
    exposed
}

#[tokio::test]
async fn names_in_alerts_and_dashboards_are_exposed() {
    let exposed = exposed().await;
    let rules = rules::read();
    let mut used = BTreeSet::new();
    for (place, text) in rules.expressions().chain(dashboards::expressions()) {
        // A metric of Prometheus.
        if text.starts_with("up{") {
            continue;
        }
        let expression = Expression::read(&rules.unfolded(&text));
        exposed.check(&place, &expression);
        used.extend(expression.metrics);
    }
    let is_shown = |family: &&str| used.iter().any(|name| is_of(name, family));
    let unseen: Vec<_> = exposed.families().into_iter().filter(|family| !is_shown(family)).collect();
    assert!(unseen.is_empty(), "no chart and no alert shows {unseen:?}");
}

fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
}
