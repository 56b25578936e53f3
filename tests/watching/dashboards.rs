//! `deploy/grafana/dashboards` can be provisioned, and every panel has a description, a unit and a position.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{file, promtool};

const FOLDER: &str = "deploy/grafana/dashboards";

fn all() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(file(FOLDER)).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<_> = entries
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let dashboard = serde_json::from_str(&std::fs::read_to_string(&path).unwrap());
            (name.clone(), dashboard.unwrap_or_else(|fault| panic!("{name}: {fault}")))
        })
        .collect();
    assert!(all.len() >= 5, "the dashboards were found");
    all
}

fn panels() -> impl Iterator<Item = (String, Value)> {
    all().into_iter().flat_map(|(name, dashboard)| {
        let panels = dashboard["panels"].as_array().unwrap().clone();
        panels.into_iter().map(move |panel| (format!("{name}, {}", panel["title"]), panel))
    })
}

pub(super) fn expressions() -> impl Iterator<Item = (String, String)> {
    panels().flat_map(|(place, panel)| {
        let targets = panel["targets"].as_array().unwrap().clone();
        targets.into_iter().map(move |target| (place.clone(), target["expr"].as_str().unwrap().to_owned()))
    })
}

#[test]
fn every_dashboard_can_be_provisioned() {
    let mut titles = BTreeSet::new();
    for (name, dashboard) in all() {
        assert_eq!(dashboard["uid"], name, "a dashboard's uid is its file's name");
        assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
        assert!(dashboard["id"].is_null(), "{name}: a provisioned dashboard has no id");
        assert!(titles.insert(dashboard["title"].to_string()), "{name}: its title is taken");
        let variable = &dashboard["templating"]["list"][0];
        assert_eq!((&variable["name"], &variable["type"]), (&"datasource".into(), &"datasource".into()));
    }
}

#[test]
fn every_panel_has_a_description_a_unit_and_a_free_position() {
    for (name, dashboard) in all() {
        let (mut ids, mut squares) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            let place = format!("{name}, {}", panel["title"]);
            assert!(panel["description"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{place}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{place} has no unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{place}: its id is taken");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{place} is wider than the grid");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(squares.insert((x, y)), "{place} covers another");
                }
            }
        }
    }
}

/// The expressions are written as recording rules, because promtool checks expressions without a server only in
/// rules.
#[test]
fn promtool_can_read_every_expression() {
    let rules = expressions().enumerate().map(|(number, (_, expression))| {
        let expression = expression.replace("$__rate_interval", "5m");
        assert!(!expression.contains('$'), "{expression}");
        format!("      - record: a:number:{number}\n        expr: '{expression}'\n")
    });
    let rules: String = rules.collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("expressions.yml");
    std::fs::write(&path, format!("groups:\n  - name: dashboards\n    rules:\n{rules}")).unwrap();
    assert!(promtool(&["check", "rules", "--lint", "none", path.to_str().unwrap()]).contains("SUCCESS"));
}
