//! Parser of `/metrics`, as strict as the format: Prometheus documentation, "Exposition formats", text format 0.0.4.

use std::collections::BTreeMap;

use super::fetch;

/// One scrape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposition {
    pub(crate) text: String,
    /// Names with their types, in the order exposed.
    pub(crate) types: Vec<(String, String)>,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    pub(crate) async fn scrape(address: &str) -> Self {
        let response = fetch(address, "/metrics").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(response.text().await.unwrap())
    }

    fn read(text: String) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut read = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").expect(line).split_once(' ').expect(line);
            assert!(help.len() > 10, "{line}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).expect(line).to_owned();
            assert!(read.types.iter().all(|(known, _)| known != name), "{name} is exposed twice");
            check_name(name, &kind);
            let first = read.samples.len();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                read.samples.push(sample(line));
            }
            check_samples(name, &kind, &read.samples[first..]);
            read.types.push((name.to_owned(), kind));
        }
        Self { text, ..read }
    }

    /// Sum of the samples with these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Names and labels of all series.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.samples.iter().map(|sample| (sample.name.as_str(), &sample.labels))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.samples.iter().any(|sample| family(&sample.name) == family(name))
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        let has = |sample: &Sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|is| is == value))
        };
        self.samples.iter().filter(move |sample| sample.name == name && has(sample))
    }
}

/// Name of a histogram without the suffix of its samples.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Rules of the Prometheus documentation, "Metric and label naming".
fn check_name(name: &str, kind: &str) {
    assert!(name.starts_with("careq_sync_"), "{name}");
    assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    let about_time =
        ["duration", "age", "time", "timestamp"].iter().any(|word| name.contains(&format!("_{word}_")));
    assert_eq!(about_time, name.ends_with("_seconds"), "the unit of {name}");
    assert!(["counter", "gauge", "histogram"].contains(&kind), "{name} is a {kind}");
}

/// Parses a line such as `name{label="value",…} 1`.
fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let value = value.parse().expect(line);
    let Some((name, labels)) = series.split_once('{') else {
        return Sample { name: series.to_owned(), labels: BTreeMap::new(), value };
    };
    let mut rest = labels.strip_suffix('}').expect(line);
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").expect(line);
        // No label value contains a quotation mark.
        let (value, after) = after.split_once('"').expect(line);
        assert!(!value.contains('\\'), "{line}");
        assert!(labels.insert(label.to_owned(), value.to_owned()).is_none(), "{line}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Sample { name: name.to_owned(), labels, value }
}

fn check_samples(name: &str, kind: &str, samples: &[Sample]) {
    let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    let mut series: Vec<_> = samples.iter().map(|sample| (&sample.name, &sample.labels)).collect();
    series.sort();
    series.dedup();
    assert_eq!(series.len(), samples.len(), "a series of {name} is exposed twice");
    let (mut below, mut buckets) = (0.0, 0.0);
    for Sample { name: full, labels, value } in samples {
        assert!(suffixes.iter().any(|suffix| *full == format!("{name}{suffix}")), "{full} below {name}");
        assert!(value.is_finite() && (*value >= 0.0), "{full} {value}");
        if full.ends_with("_bucket") && kind == "histogram" {
            below = if *value >= below { *value } else { panic!("{full} {labels:?} falls") };
            if labels["le"] == "+Inf" {
                buckets += value;
                below = 0.0;
            }
        }
    }
    let count: f64 = samples
        .iter()
        .filter(|sample| sample.name == format!("{name}_count"))
        .map(|sample| sample.value)
        .sum();
    assert!((buckets - count).abs() < 0.5, "the buckets of {name} hold {buckets}, its count is {count}");
}
