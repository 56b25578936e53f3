//! The layers of settings: embedded defaults, a file, the environment. An unknown name is an error, because a
//! mistyped setting would silently do nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use config::{File, FileFormat, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::defaults::DEFAULTS;
use super::faults::Faults;
use super::process::Process;
use super::sections::{ClinicSeed, Config};
use super::values;

/// Reads settings for any purpose: defaults, then `file`, then variables named `CAREQ_` + section + `_` + key.
///
/// # Errors
/// See [`load_for`].
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    load_for(None, file, environment)
}

/// Reads settings for a process or a command, and checks that database and broker fit.
///
/// # Errors
/// All errors at once: unknown names, wrong types, values and set-ups that cannot work.
pub fn load_for(
    process: Option<Process>,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    let mut faults = Vec::new();
    let defaults = flatten(&File::from_str(DEFAULTS, FileFormat::Toml), "config.default.toml", &mut faults);
    let known: BTreeSet<String> = defaults.keys().cloned().collect();

    let mut settings = defaults.clone();
    let mut service_links = Vec::new();
    if let Some(path) = file {
        let name = path.display().to_string();
        let from_file = flatten(&File::from(path).format(FileFormat::Toml), &name, &mut faults);
        faults.extend(unknown(&from_file, &known, &name));
        settings.extend(from_file.into_iter().filter(|(key, _)| known.contains(key)));
    }
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix("CAREQ_") else { continue };
        let spelled = |key: &&String| key.replace('.', "_").to_uppercase() == name;
        if let Some(key) = known.iter().find(spelled) {
            settings.insert(key.clone(), Value::new(Some(&variable), value));
        } else if values::is_service_link(&variable, &value) {
            service_links.push(variable);
        } else {
            faults.push(format!(
                "the environment variable {variable} names no setting; they are CAREQ_ + section + _ + key, as \
                 documented in config.default.toml"
            ));
        }
    }
    let config = assemble(settings, &defaults, &mut faults).map(|config| Config { service_links, ..config });
    faults.extend(config.iter().flat_map(|config| config.faults(process)));
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(Faults::new(faults)),
    }
}

fn unknown(given: &Settings, known: &BTreeSet<String>, file: &str) -> Vec<String> {
    given
        .keys()
        .filter(|key| !known.contains(*key))
        .map(|key| {
            let section = section_of(key);
            let siblings: Vec<_> =
                known.iter().filter(|name| section_of(name) == section).map(String::as_str).collect();
            let hint = if siblings.is_empty() {
                "see config.default.toml for all settings".to_owned()
            } else {
                format!("[{section}] has {}", siblings.join(", "))
            };
            format!("{file}: unknown setting `{key}`; {hint}")
        })
        .collect()
}

/// The part of a setting's name before the point.
fn section_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(section, _)| section)
}

/// Flattens a layer to `section.key` and value.
fn flatten(source: &dyn Source, name: &str, faults: &mut Vec<String>) -> Settings {
    let sections = source.collect().unwrap_or_else(|fault| {
        // The lines after the first quote the file, which may hold passwords.
        let reason = fault.to_string();
        let first_line = reason.split_once('\n').map_or(reason.as_str(), |(first, _)| first);
        faults.push(format!("{name} cannot be read: {first_line}"));
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

/// Assembles the settings. A malformed value is replaced by its default, so that errors of other settings are found,
/// too.
fn assemble(mut settings: Settings, defaults: &Settings, faults: &mut Vec<String>) -> Option<Config> {
    for (key, value) in &mut settings {
        // A number in a file is not text.
        let ValueKind::String(text) = &value.kind else { continue };
        if let (Some(fault), Some(default)) = (values::fault(key, text), defaults.get(key)) {
            faults.push(fault);
            *value = default.clone();
        }
    }
    let layers = Layers { settings: &settings, defaults };
    Some(Config {
        data: layers.section("data", faults)?,
        database: layers.section("database", faults)?,
        broker: layers.section("broker", faults)?,
        seal: layers.section("seal", faults)?,
        ingress: layers.section("ingress", faults)?,
        worker: layers.section("worker", faults)?,
        retention: layers.section("retention", faults)?,
        operations: layers.section("operations", faults)?,
        log: layers.section("log", faults)?,
        telemetry: layers.section("telemetry", faults)?,
        clinics: clinics(&layers.section::<String>("clinics", faults)?, faults),
        service_links: Vec::new(),
    })
}

struct Layers<'settings> {
    settings: &'settings Settings,
    defaults: &'settings Settings,
}

impl Layers<'_> {
    fn section<T: DeserializeOwned>(&self, name: &str, faults: &mut Vec<String>) -> Option<T> {
        if let Ok(section) = read(self.settings, name) {
            return Some(section);
        }
        let mut settings = self.settings.clone();
        for (key, fault) in self.bad_keys::<T>(name) {
            faults.push(fault);
            settings
                .extend(self.defaults.get_key_value(&key).map(|(key, value)| (key.clone(), value.clone())));
        }
        read(&settings, name).map_err(|fault| faults.push(format!("[{name}] cannot be used: {fault}"))).ok()
    }

    /// The settings that fail among the defaults of all others, each with its error. The value is not repeated,
    /// because it may be a password.
    fn bad_keys<T: DeserializeOwned>(&self, section: &str) -> Vec<(String, String)> {
        let is_of_section = |key: &str| section_of(key) == section;
        let error_of = |(key, value): (&String, &Value)| {
            let mut alone = self.defaults.clone();
            alone.insert(key.clone(), value.clone());
            let fault = read::<T>(&alone, section).err()?;
            let default = self.defaults.get(key)?;
            let reason = fault.to_string();
            let kind = if reason.contains("socket address") {
                format!("an address such as {default}; a name, such as localhost, is none")
            } else if reason.contains("CIDR notation") {
                "networks such as 203.0.113.0/24,2001:db8::/32".to_owned()
            } else {
                format!("like its default {default}")
            };
            Some((key.clone(), format!("{key} has a value of the wrong kind; it must be {kind}")))
        };
        self.settings.iter().filter(|(key, _)| is_of_section(key)).filter_map(error_of).collect()
    }
}

fn read<T: DeserializeOwned>(settings: &Settings, section: &str) -> Result<T, config::ConfigError> {
    let mut builder = config::Config::builder();
    for (key, value) in settings {
        builder = builder.set_override(key, value.clone())?;
    }
    builder.build()?.get(section)
}

/// Parses `clinic_id=token,…`.
fn clinics(list: &str, faults: &mut Vec<String>) -> Vec<ClinicSeed> {
    let mut seeds: Vec<ClinicSeed> = Vec::new();
    for (position, entry) in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).enumerate() {
        let named =
            entry.split_once('=').map(|(clinic_id, token)| (clinic_id.trim_end(), token.trim_start()));
        match named {
            Some((clinic_id, _)) if seeds.iter().any(|seed| seed.clinic_id == clinic_id) => faults.push(format!(
                "clinics: entry {} names a clinic that stands there already; `careq-sync clinic rotate` gives a clinic a second token",
                position + 1
            )),
            Some((clinic_id, token)) if !clinic_id.is_empty() && is_token(token) => {
                seeds.push(ClinicSeed { clinic_id: clinic_id.to_owned(), token: token.to_owned().into() });
            }
            // The entry may hold a token, and is not repeated.
            _ => faults.push(format!(
                "clinics: entry {} must be clinic_id=token with a token of at least 32 characters, visible ASCII and no quotes",
                position + 1
            )),
        }
    }
    seeds
}

/// Whether a text can be a token in a header.
fn is_token(text: &str) -> bool {
    text.len() >= 32
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`'))
}
