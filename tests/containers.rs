//! Files for containers and supervisors are compared with the rest of the repository, without a container engine,
//! because they are not built with every change.

use std::collections::BTreeSet;
use std::path::Path;

/// The files that name settings.
const FILES: [&str; 8] = [
    "deploy/Dockerfile",
    "docker-compose.yml",
    ".env.example",
    "deploy/helm/careq-sync/values.yaml",
    "deploy/helm/careq-sync/templates/worker.yaml",
    "deploy/make-env",
    "deploy/systemd/careq-sync-console.service",
    "deploy/systemd/careq-sync-ingress.service",
];

#[test]
fn the_image_is_made_from_every_crate() {
    let (manifest, dockerfile, kept) = (read("Cargo.toml"), read("deploy/Dockerfile"), read(".dockerignore"));
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members: Vec<_> = members.split('"').filter(|name| name.starts_with(char::is_alphabetic)).collect();
    assert!(members.len() >= 9, "{members:?}");
    for member in members {
        assert!(dockerfile.contains(&format!("\nCOPY {member}/Cargo.toml {member}/\n")), "{member}");
        assert!(kept.lines().any(|line| line == format!("!{member}")), "{member}");
    }
    let compiler = manifest.split("rust-version = \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(dockerfile.contains(&format!("\nFROM rust:{compiler}-")), "another compiler than {compiler}");
}

#[test]
fn every_setting_that_the_files_name_exists() {
    let mut named = BTreeSet::new();
    for file in FILES {
        let text = read(file);
        let words = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
        let is_name = |word: &&str| word.strip_prefix("CAREQ_").is_some_and(|rest| !rest.is_empty());
        named.extend(words.filter(is_name).map(str::to_owned));
    }
    assert!(named.len() >= 9, "{named:?}");
    for name in named {
        let faults = careq_shared::config::load(None, [(name.clone(), String::new())]).err();
        let faults = faults.map(|faults| faults.to_string()).unwrap_or_default();
        assert!(!faults.contains("names no setting"), "{faults}");
    }
}

#[test]
fn ports_are_published_on_loopback_by_default() {
    let compose = read("docker-compose.yml");
    let published: Vec<_> = compose.lines().filter(|line| line.trim_start().starts_with("ports:")).collect();
    assert!(published.len() >= 5, "{published:?}");
    for ports in published {
        assert!(
            ports.contains("[\"127.0.0.1:") || ports.contains("[\"${INGRESS_ADDRESS:-127.0.0.1:"),
            "{ports}"
        );
    }
    assert_eq!(compose.matches("ports:").count(), compose.matches("ports: [").count(), "one line each");
}

#[test]
fn every_environment_variable_is_in_the_example() {
    let (compose, example) = (read("docker-compose.yml"), read(".env.example"));
    let asked: BTreeSet<_> =
        compose.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap()).collect();
    assert!(asked.len() >= 6, "{asked:?}");
    for name in asked {
        assert!(example.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}");
    }
}

/// A worker has no fixed name and no host port, so that it can be scaled.
#[test]
fn workers_can_be_scaled() {
    let compose = read("docker-compose.yml");
    let worker = compose.split("\n  worker:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(worker.contains("command: worker"));
    for one in ["ports:", "container_name:", "hostname:"] {
        assert!(!worker.contains(one), "{worker}");
    }
}

/// Every unit has the same restrictions, and the memory limit of the Helm chart.
#[test]
fn units_restrict_their_processes() {
    let values = read("deploy/helm/careq-sync/values.yaml");
    for (unit, part) in [("ingress", "ingress:"), ("worker@", "worker:"), ("console", "console:")] {
        let text = read(&format!("deploy/systemd/careq-sync-{unit}.service"));
        for line in [
            "SystemCallFilter=@system-service",
            "SystemCallFilter=~@privileged",
            "CapabilityBoundingSet=",
            "LimitCORE=0",
            "UMask=0077",
            "NoNewPrivileges=yes",
        ] {
            assert!(text.lines().any(|own| own == line), "{unit}: {line}");
        }
        let of_part = values.split(&format!("\n{part}\n")).nth(1).unwrap();
        let limit = of_part.split("limits: { memory: ").nth(1).unwrap().split("Mi").next().unwrap();
        assert!(text.contains(&format!("\nMemoryMax={limit}M\n")), "{unit}: {limit}");
    }
}

/// The names of a private network are not loopback addresses, so the compose file must allow unencrypted
/// connections explicitly.
#[test]
fn the_compose_file_allows_unencrypted_connections_explicitly() {
    let compose = read("docker-compose.yml");
    let pairs = ["DATABASE_URL", "BROKER_URL"].map(|name| {
        let name = format!("CAREQ_{name}");
        let value = compose.split(&format!("{name}: \"")).nth(1).unwrap().split('"').next().unwrap();
        let (before, after) = (value.split("${").next().unwrap(), value.rsplit('}').next().unwrap());
        (name, format!("{before}S3cret{after}"))
    });
    let load = |settings: &[(String, String)]| careq_shared::config::load(None, settings.to_vec());
    assert!(load(&pairs).unwrap_err().to_string().contains("2 fault(s)"));
    let allowed = ["DATABASE", "BROKER"].map(|section| {
        let name = format!("CAREQ_{section}_ALLOW_CLEARTEXT");
        assert!(compose.contains(&format!("{name}: \"true\"")), "{name}");
        (name, "true".to_owned())
    });
    load(&[pairs, allowed].concat()).unwrap();
}

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}
