//! Rules of layout and of documents: the beginning and the length of source files, and references of documents to code, tests,
//! settings, metrics and other documents.

use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<_> = folders().iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // `fuzz/` is a workspace with its own build folder.
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                sources.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 50, "the sources were found");
    sources
}

/// The folders of the repository, without build and data folders.
fn folders() -> Vec<String> {
    let is_part = |name: &str| !name.starts_with('.') && name != "target" && name != "careq-data";
    let entries =
        std::fs::read_dir(root()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| is_part(name)).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn every_file_begins_with_its_purpose() {
    let missing: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_file_is_too_long_and_most_are_short() {
    let mut lengths: Vec<_> =
        sources().into_iter().map(|(name, text)| (text.lines().count(), name)).collect();
    lengths.sort();
    let longest = lengths.last().unwrap();
    assert!(longest.0 <= LONGEST_FILE, "{longest:?}");
    let median = &lengths[lengths.len() / 2];
    assert!(median.0 <= 130, "{median:?}");
}

#[test]
fn architecture_names_every_folder() {
    let architecture = read("ARCHITECTURE.md");
    for folder in folders() {
        assert!(architecture.contains(&format!("`{folder}/`")), "ARCHITECTURE.md does not name {folder}/");
    }
}

/// Covers the table of invariants in ARCHITECTURE.md and the section "Test" of each decision.
#[test]
fn every_test_that_documents_name_exists() {
    let architecture = read("ARCHITECTURE.md");
    let invariants = section(&architecture, "\n## Invariants\n");
    let rows: Vec<_> =
        invariants.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | ")).skip(1).collect();
    assert!(rows.len() > 30, "the invariants were found");
    for (invariant, tests) in &rows {
        assert!(!names(tests).is_empty(), "{invariant} names no test");
    }
    let decisions = documents()
        .into_iter()
        .filter(|(name, _)| name.starts_with("docs/decisions/") && name != "docs/decisions/README.md");
    let decisions: Vec<_> =
        decisions.map(|(name, text)| (name, section(&text, "\n## Test\n").to_owned())).collect();
    assert!(decisions.len() > 10, "the decisions were found");
    for (name, tests) in &decisions {
        assert!(!names(tests).is_empty(), "{name} names no test");
    }
    let everything: Vec<_> = sources().into_iter().map(|(_, text)| text).collect();
    let cells = rows.iter().map(|(_, tests)| *tests).chain(decisions.iter().map(|(_, tests)| tests.as_str()));
    for test in cells.flat_map(names) {
        let function = test.rsplit("::").next().unwrap();
        let defined = format!("fn {function}(");
        assert!(everything.iter().any(|text| text.contains(&defined)), "there is no test {test}");
    }
}

/// The text between a heading of the second level and the next one.
fn section<'text>(text: &'text str, heading: &str) -> &'text str {
    let behind = text.split_once(heading).map_or("", |(_, behind)| behind);
    behind.split("\n## ").next().unwrap()
}

/// The names of tests (`module::function`) between backticks.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect()
}

/// Every document with its path from the root of the repository.
fn documents() -> Vec<(String, String)> {
    let mut folders = vec![root().join("docs")];
    let mut documents: Vec<_> = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]
        .into_iter()
        .map(|name| (name.to_owned(), read(name)))
        .collect();
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                documents.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    documents
}

#[test]
fn every_link_of_the_documents_has_its_target() {
    let mut links = 0;
    for (name, text) in documents() {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(&name) } else { folder.join(file) };
            assert!(path.exists(), "{name}: {target} does not exist");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.any(|line| anchor_of(line) == anchor),
                    "{name}: {target} has no such heading"
                );
            }
            links += 1;
        }
    }
    assert!(links > 50, "{links} links were found");
}

/// The anchor that GitHub derives from a heading.
fn anchor_of(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.collect::<String>().replace(' ', "-")
}

#[test]
fn every_metric_is_in_the_reference() {
    let reference = read("docs/reference/metrics.md");
    for metric in careq_shared::telemetry::metrics::LIST {
        assert!(reference.contains(&format!("| `{metric}` |")), "{metric} is not described");
    }
}

#[test]
fn the_stages_of_architecture_are_the_stages_of_the_code() {
    let architecture = read("ARCHITECTURE.md");
    for (file, function) in [
        ("ingress/src/webhook.rs", "async fn accept"),
        ("worker/src/batch/mod.rs", "async fn process"),
        ("worker/src/replay/mod.rs", "async fn step"),
        ("worker/src/retention/mod.rs", "async fn round"),
    ] {
        let source = read(file);
        let body = source.split(function).nth(1).unwrap().split("\n}\n").next().unwrap();
        let stages = architecture.split(&format!("<!-- stages of {file} -->")).nth(1).unwrap();
        let stages = stages.split("<!-- end -->").next().unwrap();
        let mut rest = body;
        let numbered = stages.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
        let names: Vec<_> = numbered.filter_map(|line| line.split('`').nth(1)).collect();
        assert!(names.len() >= 5);
        for name in names {
            let follows = rest.split_once(name);
            rest = follows.unwrap_or_else(|| panic!("{file}: {name} is missing or in another order")).1;
        }
    }
}

#[test]
fn every_setting_is_documented() {
    let mut documented = false;
    for line in careq_shared::config::DEFAULTS.lines() {
        if line.starts_with('#') {
            documented = true;
        } else if line.is_empty() || line.starts_with('[') {
            documented = false;
        } else if line.contains('=') {
            let follows = line.starts_with("rate_burst") || line.starts_with("max_batch_body_bytes");
            assert!(documented || follows, "{line} has no comment");
        }
    }
}

#[test]
fn the_commands_of_the_readme_exist() {
    let (readme, makefile) = (read("README.md"), read("Makefile"));
    for target in readme.split("make ").skip(1).map(|rest| rest.split([' ', '\n', '`']).next().unwrap()) {
        assert!(makefile.contains(&format!("\n{target}:")), "there is no `make {target}`");
    }
    for target in ["run", "test", "lint", "bench"] {
        assert!(readme.contains(&format!("make {target}")), "README.md does not name `make {target}`");
    }
}

/// The log filter drops all crates that telemetry does not name.
#[test]
fn every_crate_that_logs_is_named_in_telemetry() {
    let telemetry = read("shared/src/telemetry/mod.rs");
    for (name, text) in sources() {
        let Some((folder, _)) = name.split_once("/src/").filter(|_| text.contains("tracing::")) else {
            continue;
        };
        let ours = if folder == "cli" { "careq_sync".to_owned() } else { format!("careq_{folder}") };
        assert!(telemetry.contains(&format!("{ours:?}")), "{name} logs, and telemetry drops {ours}");
    }
}

/// The list of permitted fields does not check values inside a message.
#[test]
fn log_messages_are_fixed() {
    let mut lines = 0;
    for (name, text) in sources() {
        for call in ["error!(", "warn!(", "info!(", "debug!("] {
            for rest in text.split(&format!("tracing::{call}")).skip(1) {
                let call = rest.split(");").next().unwrap();
                let message = call.split('"').nth(1).unwrap_or_default();
                assert!(!message.is_empty() && !message.contains('{'), "{name}: {call}");
                lines += 1;
            }
        }
    }
    assert!(lines > 30, "{lines} calls were found");
}
