//! Where a setting comes from: the embedded defaults, then a file, then the environment. A name that no setting has must
//! never be ignored: a mistyped setting that silently does nothing is found too late.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use config::{File, FileFormat, Source, Value};
use serde::de::DeserializeOwned;

use super::sections::{ClinicSeed, Config};

/// The documented defaults.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// Everything that is wrong with the settings, each as a sentence that says what to do.
#[derive(Debug)]
pub struct Faults(Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration has {} fault(s):", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(formatter, "\n  - {fault}"))
    }
}

impl std::error::Error for Faults {}

/// Reads the settings of this process: defaults, then `file`, then variables named `CAREQ_` + section + `_` + key.
///
/// # Errors
/// Every fault at once: unknown names, wrong types, values that cannot work.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let defaults = flat(&File::from_str(DEFAULTS, FileFormat::Toml), "config.default.toml", &mut faults);
    let known: BTreeSet<String> = defaults.keys().cloned().collect();

    let mut settings = defaults;
    if let Some(path) = file {
        let name = path.display().to_string();
        let from_file = flat(&File::from(path).format(FileFormat::Toml), &name, &mut faults);
        faults.extend(unknown(&from_file, &known, &name));
        settings.extend(from_file.into_iter().filter(|(key, _)| known.contains(key)));
    }
    for (variable, value) in environment {
        match setting_of(&variable, &known) {
            Variable::Sets(key) => {
                settings.insert(key, Value::new(Some(&variable), value));
            }
            Variable::Unknown => faults.push(format!(
                "the environment variable {variable} names no setting; they are CAREQ_ + section + _ + key, as \
                 documented in config.default.toml"
            )),
            Variable::Foreign => {}
        }
    }
    assemble(settings, faults)
}

enum Variable {
    Sets(String),
    Unknown,
    Foreign,
}

fn setting_of(variable: &str, known: &BTreeSet<String>) -> Variable {
    let Some(name) = variable.strip_prefix("CAREQ_") else { return Variable::Foreign };
    // Kubernetes gives every container CAREQ_SYNC_SERVICE_HOST and the like when a Service is called careq-sync.
    if name.starts_with("SYNC_") {
        return Variable::Foreign;
    }
    let spelled = |key: &&String| key.replace('.', "_").to_uppercase() == name;
    known.iter().find(spelled).map_or(Variable::Unknown, |key| Variable::Sets(key.clone()))
}

fn unknown(given: &BTreeMap<String, Value>, known: &BTreeSet<String>, file: &str) -> Vec<String> {
    given
        .keys()
        .filter(|key| !known.contains(*key))
        .map(|key| {
            let section = key.split('.').next().unwrap_or_default();
            let siblings: Vec<_> = known
                .iter()
                .filter(|name| name.split('.').next() == Some(section))
                .map(String::as_str)
                .collect();
            let hint = if siblings.is_empty() {
                "see config.default.toml for all settings".to_owned()
            } else {
                format!("[{section}] has {}", siblings.join(", "))
            };
            format!("{file}: unknown setting `{key}`; {hint}")
        })
        .collect()
}

/// `section.key` → value.
fn flat(source: &dyn Source, name: &str, faults: &mut Vec<String>) -> BTreeMap<String, Value> {
    let sections = source.collect().unwrap_or_else(|fault| {
        // The lines after the first quote the file, which may hold passwords.
        let reason = fault.to_string();
        faults.push(format!("{name} cannot be read: {}", reason.lines().next().unwrap_or_default()));
        config::Map::new()
    });
    let mut settings = BTreeMap::new();
    for (section, value) in sections {
        match value.clone().into_table() {
            Ok(keys) => {
                settings.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)))
            }
            Err(_) => {
                settings.insert(section, value);
            }
        }
    }
    settings
}

fn assemble(settings: BTreeMap<String, Value>, mut faults: Vec<String>) -> Result<Config, Faults> {
    let mut builder = config::Config::builder();
    for (key, value) in settings {
        builder = builder.set_override(key, value).map_err(|fault| Faults(vec![fault.to_string()]))?;
    }
    let merged = builder.build().map_err(|fault| Faults(vec![fault.to_string()]))?;

    let data = section(&merged, "data", &mut faults);
    let database = section(&merged, "database", &mut faults);
    let broker = section(&merged, "broker", &mut faults);
    let ingress = section(&merged, "ingress", &mut faults);
    let worker = section(&merged, "worker", &mut faults);
    let operations = section(&merged, "operations", &mut faults);
    let log = section(&merged, "log", &mut faults);
    let clinics = section::<String>(&merged, "clinics", &mut faults).map(|list| clinics(&list, &mut faults));

    let (
        Some(data),
        Some(database),
        Some(broker),
        Some(ingress),
        Some(worker),
        Some(operations),
        Some(log),
        Some(clinics),
    ) = (data, database, broker, ingress, worker, operations, log, clinics)
    else {
        return Err(Faults(faults));
    };
    let config = Config { data, database, broker, ingress, worker, operations, log, clinics };
    faults.extend(config.faults());
    if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
}

fn section<T: DeserializeOwned>(merged: &config::Config, name: &str, faults: &mut Vec<String>) -> Option<T> {
    merged.get(name).map_err(|fault| faults.push(fault.to_string())).ok()
}

/// `clinic_id=token,…`
fn clinics(list: &str, faults: &mut Vec<String>) -> Vec<ClinicSeed> {
    let mut seeds = Vec::new();
    for (position, entry) in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
        match entry.split_once('=') {
            Some((clinic_id, token)) if !clinic_id.is_empty() && token.chars().count() >= 32 => {
                seeds.push(ClinicSeed { clinic_id: clinic_id.to_owned(), token: token.to_owned().into() });
            }
            // The entry itself may hold a token and stays out of the message.
            _ => faults.push(format!(
                "clinics: entry {} must be clinic_id=token with a token of at least 32 characters",
                position + 1
            )),
        }
    }
    seeds
}
