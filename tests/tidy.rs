//! Prose and layout are tested, too: what a file must begin with, how long it may be, and that documents speak of things
//! that exist.

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
                // The build of `fuzz/` has a folder of its own.
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

/// The folders of the workspace, by what git would list.
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
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "{silent:?}");
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
fn architecture_names_every_folder_and_every_test_it_relies_on() {
    let architecture = read("ARCHITECTURE.md");
    for folder in folders() {
        assert!(
            architecture.contains(&format!("`{folder}/`")),
            "ARCHITECTURE.md does not speak of {folder}/"
        );
    }
    let everything: Vec<_> = sources().into_iter().map(|(_, text)| text).collect();
    let named: Vec<_> =
        architecture.split("test: `").skip(1).map(|rest| rest.split('`').next().unwrap()).collect();
    assert!(named.len() >= 8, "each invariant names its test");
    for test in named {
        let function = test.rsplit("::").next().unwrap();
        let defined = format!("fn {function}(");
        assert!(everything.iter().any(|text| text.contains(&defined)), "there is no test {test}");
    }
}

#[test]
fn the_stages_of_architecture_are_the_stages_of_the_code() {
    let architecture = read("ARCHITECTURE.md");
    for (file, function) in [
        ("ingress/src/webhook.rs", "async fn accept"),
        ("worker/src/lane.rs", "async fn batch"),
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
        assert!(readme.contains(&format!("make {target}")), "README.md does not speak of `make {target}`");
    }
}

/// Libraries are not heard, and neither is a crate of ours that telemetry does not name.
#[test]
fn every_crate_that_logs_is_heard() {
    let telemetry = read("shared/src/telemetry/mod.rs");
    for (name, text) in sources() {
        let Some((folder, _)) = name.split_once("/src/").filter(|_| text.contains("tracing::")) else {
            continue;
        };
        let ours = if folder == "cli" { "careq_sync".to_owned() } else { format!("careq_{folder}") };
        assert!(telemetry.contains(&format!("{ours:?}")), "{name} logs, and nobody hears {ours}");
    }
}

/// What is put into a message passes no list of fields.
#[test]
fn log_messages_are_fixed_sentences() {
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
