//! The names in an expression of Prometheus: our metrics, their labels, and the labels of its groups. promtool checks its syntax.

use std::collections::BTreeSet;

const PREFIX: &str = "careq_sync_";

/// `metric{label="values"}`, or with another operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    pub(super) label: String,
    pub(super) values: String,
}

#[derive(Debug, Default)]
pub(super) struct Expression {
    pub(super) metrics: BTreeSet<String>,
    pub(super) selectors: Vec<Selector>,
    pub(super) grouped: BTreeSet<String>,
}

impl Expression {
    pub(super) fn read(text: &str) -> Self {
        let mut read = Self::default();
        for rest in text.split(PREFIX).skip(1) {
            let name = format!("{PREFIX}{}", word(rest));
            read.metrics.insert(name.clone());
            let after = rest.strip_prefix(word(rest)).unwrap();
            let Some(selectors) = after.strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
                continue;
            };
            for selector in selectors.split("\",") {
                let label = word(selector.trim());
                let (_, values) = selector.split_once('"').expect(text);
                read.selectors.push(Selector {
                    metric: name.clone(),
                    label: label.to_owned(),
                    values: values.trim_end_matches('"').to_owned(),
                });
            }
        }
        for clause in ["by (", "on (", "ignoring (", "group_left ("] {
            for rest in text.split(clause).skip(1) {
                let labels = rest.split(')').next().unwrap().split(',').map(str::trim);
                read.grouped.extend(labels.filter(|label| !label.is_empty()).map(str::to_owned));
            }
        }
        read
    }
}

fn word(text: &str) -> &str {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default()
}

#[test]
fn an_expression_is_read() {
    let text = r#"sum by (le, kind) (rate(careq_sync_a_bucket{kind=~"x|y", status!="5.."}[5m])) > on () careq_sync_b"#;
    let read = Expression::read(text);
    assert_eq!(read.metrics, ["careq_sync_a_bucket", "careq_sync_b"].map(str::to_owned).into());
    assert_eq!(read.grouped, ["kind", "le"].map(str::to_owned).into());
    let selectors: Vec<_> = read
        .selectors
        .iter()
        .map(|one| (one.metric.as_str(), one.label.as_str(), one.values.as_str()))
        .collect();
    assert_eq!(selectors, [("careq_sync_a_bucket", "kind", "x|y"), ("careq_sync_a_bucket", "status", "5..")]);
}
