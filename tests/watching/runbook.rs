//! `docs/operations/runbook.md` has a section for every alert, with its four parts. The commands of the guides exist.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::{read, rules};

const RUNBOOK: &str = "docs/operations/runbook.md";

fn sections() -> Vec<(String, String)> {
    let text = read(RUNBOOK);
    let sections = text.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap());
    let end = |text: &str| text.split("\n## ").next().unwrap().to_owned();
    sections.map(|(name, text)| (name.to_owned(), end(text))).collect()
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let sections = sections();
    let alerts: BTreeSet<_> = rules::read().alerts().map(|alert| alert.name.clone()).collect();
    let written: BTreeSet<_> = sections.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(written, alerts);
    assert_eq!(written.len(), sections.len(), "no section is duplicated");
    for (name, text) in sections {
        for part in ["**Means.**", "**See.**", "**Do.**", "**Call.**"] {
            assert!(text.contains(part), "{name} has no {part}");
        }
    }
}

/// With `--help` appended, a command parses its words and does nothing. `guide.rs` runs those of `docs/guide/dead-letters.md`.
#[test]
fn the_commands_of_the_documents_exist() {
    let guides = [
        "README.md",
        RUNBOOK,
        "docs/operations/sizing.md",
        "docs/guide/admin-api.md",
        "docs/guide/deployment.md",
        "docs/guide/doctor.md",
        "docs/guide/security.md",
        "docs/guide/simulator.md",
    ];
    for document in guides {
        let text = read(document);
        let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
        let commands: Vec<_> = indented.filter(|line| line.starts_with("careq-sync ")).collect();
        assert!(!commands.is_empty(), "{document} has commands");
        for line in commands {
            assert_is_known(line);
        }
    }
}

fn assert_is_known(line: &str) {
    assert!(!line.contains('#'), "a comment would hide `--help` from the program: {line}");
    let program = Path::new(env!("CARGO_BIN_EXE_careq-sync")).parent().unwrap();
    let words = ["FINGERPRINT", "JOB", "ID"];
    let line = words.iter().fold(line.to_owned(), |line, word| line.replace(word, "0a1b2c3d"));
    // A command that redirects its output writes a file.
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", &format!("{line} --help")])
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}
