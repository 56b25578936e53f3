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

impl Faults {
    /// Each fault, as a sentence.
    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}

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

    let mut settings = defaults.clone();
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
    assemble(&settings, &defaults, faults)
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

fn unknown(given: &Settings, known: &BTreeSet<String>, file: &str) -> Vec<String> {
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
fn flat(source: &dyn Source, name: &str, faults: &mut Vec<String>) -> Settings {
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
                settings.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            Err(_) => {
                settings.insert(section, value);
            }
        }
    }
    settings
}

type Settings = BTreeMap<String, Value>;

fn assemble(settings: &Settings, defaults: &Settings, mut faults: Vec<String>) -> Result<Config, Faults> {
    let layers = Layers { settings, defaults };
    let data = layers.section("data", &mut faults);
    let database = layers.section("database", &mut faults);
    let broker = layers.section("broker", &mut faults);
    let seal = layers.section("seal", &mut faults);
    let ingress = layers.section("ingress", &mut faults);
    let worker = layers.section("worker", &mut faults);
    let retention = layers.section("retention", &mut faults);
    let operations = layers.section("operations", &mut faults);
    let log = layers.section("log", &mut faults);
    let telemetry = layers.section("telemetry", &mut faults);
    let clinics = layers.section::<String>("clinics", &mut faults).map(|list| clinics(&list, &mut faults));

    let (
        Some(data),
        Some(database),
        Some(broker),
        Some(seal),
        Some(ingress),
        Some(worker),
        Some(retention),
        Some(operations),
        Some(log),
        Some(telemetry),
        Some(clinics),
    ) = (data, database, broker, seal, ingress, worker, retention, operations, log, telemetry, clinics)
    else {
        return Err(Faults(faults));
    };
    let config = Config {
        data,
        database,
        broker,
        seal,
        ingress,
        worker,
        retention,
        operations,
        log,
        telemetry,
        clinics,
    };
    faults.extend(config.faults());
    if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
}

struct Layers<'settings> {
    settings: &'settings Settings,
    defaults: &'settings Settings,
}

impl Layers<'_> {
    fn section<T: DeserializeOwned>(&self, name: &str, faults: &mut Vec<String>) -> Option<T> {
        read(self.settings, name).ok().or_else(|| {
            faults.extend(self.bad_keys::<T>(name));
            None
        })
    }

    /// Each setting beside the defaults of all others tells which ones are to blame. The value is not repeated: it may be a
    /// password.
    fn bad_keys<T: DeserializeOwned>(&self, section: &str) -> Vec<String> {
        let is_of_section = |key: &str| key.split('.').next() == Some(section);
        let blame = |(key, value): (&String, &Value)| {
            let mut alone = self.defaults.clone();
            alone.insert(key.clone(), value.clone());
            let fault = read::<T>(&alone, section).err()?;
            let default = self.defaults.get(key).map(ToString::to_string).unwrap_or_default();
            let reason = fault.to_string();
            let kind = if reason.contains("socket address") {
                format!("an address such as {default}")
            } else if reason.contains("CIDR notation") {
                "networks such as 203.0.113.0/24,2001:db8::/32".to_owned()
            } else {
                format!("like its default {default}")
            };
            Some(format!("{key} has a value of the wrong kind; it must be {kind}"))
        };
        self.settings.iter().filter(|(key, _)| is_of_section(key)).filter_map(blame).collect()
    }
}

fn read<T: DeserializeOwned>(settings: &Settings, section: &str) -> Result<T, config::ConfigError> {
    let mut builder = config::Config::builder();
    for (key, value) in settings {
        builder = builder.set_override(key, value.clone())?;
    }
    builder.build()?.get(section)
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
