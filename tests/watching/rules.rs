//! `deploy/prometheus`: the rules, with one key in each line, and promtool's checks of them.

use super::{promtool, read as read_file};

const RULES: &str = "deploy/prometheus/alerts.yml";

pub(super) struct Rules(Vec<Rule>);

pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    expression: String,
    pub(super) text: String,
}

pub(super) fn read() -> Rules {
    let text = read_file(RULES);
    let rules: Vec<_> = text.split("\n      - ").skip(1).map(rule).collect();
    assert!(rules.len() > 20, "the rules were found");
    Rules(rules)
}

fn rule(text: &str) -> Rule {
    let (first, rest) = text.split_once('\n').unwrap();
    let (kind, name) = first.split_once(": ").unwrap();
    assert!(["alert", "record"].contains(&kind), "{first}");
    let expression = rest.split_once("expr: ").unwrap().1;
    // An expression ends at the next line that is not indented deeper than its key.
    let lines = expression.lines().enumerate();
    let own = lines.take_while(|(number, line)| *number == 0 || line.starts_with("          "));
    let expression = own.map(|(_, line)| line.trim().trim_start_matches(">-")).collect::<Vec<_>>().join(" ");
    Rule { name: name.to_owned(), is_alert: kind == "alert", expression, text: text.to_owned() }
}

impl Rules {
    pub(super) fn alerts(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().filter(|rule| rule.is_alert)
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().map(|rule| (rule.name.clone(), rule.expression.clone()))
    }

    /// An expression with recorded names replaced by their expressions, so that it names metrics only.
    pub(super) fn unfolded(&self, expression: &str) -> String {
        let recorded = self.0.iter().filter(|rule| !rule.is_alert);
        let unfolded =
            recorded.fold(expression.to_owned(), |text, rule| text.replace(&rule.name, &rule.expression));
        assert!(!unfolded.contains("careq_sync:"), "no rule records a name in {expression}");
        unfolded
    }
}

#[test]
fn every_alert_has_a_severity_and_a_runbook_section() {
    for Rule { name, text, .. } in read().alerts() {
        assert!(name.starts_with("CareqSync"), "{name}");
        let has = |part: &str| assert!(text.contains(part), "{name} has no {part}");
        for part in ["summary: ", "description: ", "expr: "] {
            has(part);
        }
        has(&format!("runbook: docs/operations/runbook.md#{}", name.to_lowercase()));
        let is_known =
            ["critical", "warning"].iter().any(|word| text.contains(&format!("severity: {word} ")));
        assert!(is_known, "{name} is neither critical nor a warning");
    }
}

/// Runs `alerts_test.yml`, without a server.
#[test]
fn promtool_agrees_with_the_rules() {
    assert!(promtool(&["check", "rules", "--lint-fatal", RULES]).contains("SUCCESS"));
    assert!(promtool(&["test", "rules", "deploy/prometheus/alerts_test.yml"]).contains("SUCCESS"));
}
