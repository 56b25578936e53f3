//! The layers of settings: embedded defaults, a file, the environment. An unknown name is an error, because a
//! mistyped setting would silently do nothing.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::faults::Faults;
use super::sections::{ClinicSeed, Config, DEFAULTS, Process};
use super::values;

/// The settings of a layer, by `section.key`.
type Settings = BTreeMap<String, Value>;

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
    let mut faults = Faults::default();
    let defaults = parse(DEFAULTS, "config.default.toml", &mut faults);
    let mut settings = defaults.clone();
    if let Some(path) = file {
        let name = path.display().to_string();
        let from_file = match std::fs::read_to_string(path) {
            Ok(text) => parse(&text, &name, &mut faults),
            Err(reason) => {
                faults.add(format!("{name} cannot be read: {reason}"));
                Settings::new()
            }
        };
        for (key, value) in from_file {
            match settings.get_mut(&key) {
                Some(setting) => *setting = value,
                None => faults.add(unknown(&key, &defaults, &name)),
            }
        }
    }
    let mut service_links = Vec::new();
    for (variable, value) in environment {
        let Some(name) = variable.strip_prefix("CAREQ_") else { continue };
        let spelled = |(key, _): &(&String, &mut Value)| key.replace('.', "_").to_uppercase() == name;
        if let Some((_, setting)) = settings.iter_mut().find(spelled) {
            *setting = Value::String(value);
        } else if values::is_service_link(&variable, &value) {
            service_links.push(variable);
        } else {
            faults.add(format!(
                "the environment variable {variable} names no setting; they are CAREQ_ + section + _ + key, as \
                 documented in config.default.toml"
            ));
        }
    }
    let config = assemble(settings, &defaults, &mut faults).map(|config| Config { service_links, ..config });
    if let Some(config) = &config {
        config.check(process, &mut faults);
    }
    config.filter(|_| faults.sentences().is_empty()).ok_or(faults)
}

/// Parses a layer.
fn parse(text: &str, name: &str, faults: &mut Faults) -> Settings {
    let sections = text.parse::<Table>().unwrap_or_else(|fault| {
        // The lines after the first quote the file, which may hold passwords.
        let reason = fault.to_string();
        faults.add(format!("{name} cannot be read: {}", reason.lines().next().unwrap_or_default()));
        Table::new()
    });
    let mut settings = Settings::new();
    for (section, value) in sections {
        match value {
            Value::Table(keys) => {
                settings.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            value => {
                settings.insert(section, value);
            }
        }
    }
    settings
}

fn unknown(key: &str, known: &Settings, file: &str) -> String {
    let section = key.split_once('.').map_or(key, |(section, _)| section);
    let is_sibling = |name: &&str| name.split_once('.').is_some_and(|(other, _)| other == section);
    let siblings: Vec<_> = known.keys().map(String::as_str).filter(is_sibling).collect();
    let hint = if siblings.is_empty() {
        "see config.default.toml for all settings".to_owned()
    } else {
        format!("[{section}] has {}", siblings.join(", "))
    };
    format!("{file}: unknown setting `{key}`; {hint}")
}

/// Assembles the settings. A malformed value is replaced by its default, so that errors of other settings are found,
/// too.
fn assemble(mut settings: Settings, defaults: &Settings, faults: &mut Faults) -> Option<Config> {
    for (key, default) in defaults {
        let Some(value) = settings.get_mut(key) else { continue };
        // A number in a file is not text.
        if let Some(fault) = value.as_str().and_then(|text| values::fault(key, text)) {
            faults.add(fault);
            value.clone_from(default);
        }
        values::convert(value, default);
        // The words of a log are read in any case.
        if let (true, Value::String(word)) = (key.starts_with("log."), value) {
            word.make_ascii_lowercase();
        }
    }
    let given = settings.get("clinics");
    if given.is_some_and(|value| !value.is_str()) {
        faults.add("clinics must be one text, such as \"clinic_id=token,clinic_id=token\", and no list");
    }
    let seeds = clinics(given.and_then(Value::as_str).unwrap_or_default(), faults);
    loop {
        let mut sections = BTreeMap::<_, Table>::new();
        for (name, value) in &settings {
            if let Some((section, key)) = name.split_once('.') {
                sections.entry(section).or_default().insert(key.to_owned(), value.clone());
            }
        }
        let sections = sections.into_iter().map(|(section, keys)| (section.to_owned(), Value::Table(keys)));
        let fault = match serde_path_to_error::deserialize::<_, Config>(sections.collect::<Table>()) {
            Ok(config) => return Some(Config { clinics: seeds, ..config }),
            Err(fault) => fault,
        };
        let (key, reason) = (fault.path().to_string(), fault.inner().to_string());
        let Some((setting, default)) = settings.get_mut(&key).zip(defaults.get(&key)) else {
            faults.add(format!("[{key}] cannot be used: {reason}"));
            return None;
        };
        faults.add(wrong_kind(&key, &reason, default));
        setting.clone_from(default);
    }
}

/// The error of a value. The value is not repeated, because it may be a password.
fn wrong_kind(key: &str, reason: &str, default: &Value) -> String {
    let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
    let kind = if reason.contains("socket address") {
        format!("an address such as {default}; a name, such as localhost, is none")
    } else if reason.contains("CIDR notation") {
        "networks such as 203.0.113.0/24,2001:db8::/32".to_owned()
    } else {
        format!("like its default {default}")
    };
    format!("{key} has a value of the wrong kind; it must be {kind}")
}

/// Parses `clinic_id=token,…`.
fn clinics(list: &str, faults: &mut Faults) -> Vec<ClinicSeed> {
    let mut seeds: Vec<ClinicSeed> = Vec::new();
    for (entry, number) in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).zip(1..) {
        let named =
            entry.split_once('=').map(|(clinic_id, token)| (clinic_id.trim_end(), token.trim_start()));
        match named {
            Some((clinic_id, _)) if seeds.iter().any(|seed| seed.clinic_id == clinic_id) => faults.add(format!(
                "clinics: entry {number} names a clinic that stands there already; `careq-sync clinic rotate` gives a clinic a second token"
            )),
            Some((clinic_id, token)) if !clinic_id.is_empty() && is_token(token) => {
                seeds.push(ClinicSeed { clinic_id: clinic_id.to_owned(), token: token.to_owned().into() });
            }
            // The entry may hold a token, and is not repeated.
            _ => faults.add(format!(
                "clinics: entry {number} must be clinic_id=token with a token of at least 32 characters, visible ASCII and no quotes"
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
