//! Errors of a value as text, independent of its setting; and variables that resemble settings. A value is not
//! repeated, because it may be a password.

use std::net::IpAddr;

use toml::Value;

/// The settings that are lists, in which blanks around an entry have no meaning.
const LISTS: [&str; 2] = ["clinics", "seal.keys"];

/// The error of a value with extra characters around it. An `env` file keeps quotes, and a mounted secret its last
/// line break.
pub(super) fn fault(key: &str, text: &str) -> Option<String> {
    let is_quote =
        |letter: char| matches!(letter, '"' | '\'' | '`' | '\u{201c}' | '\u{201d}' | '\u{2018}' | '\u{2019}');
    let trimmed = text.trim();
    let what = if trimmed.starts_with(is_quote) || trimmed.ends_with(is_quote) {
        "stands in quotes, which would be part of it; take them away"
    } else if text.contains('\u{fffd}') {
        "is no UTF-8; percent-encode it"
    } else if LISTS.contains(&key) {
        return None;
    } else if trimmed.len() != text.len() {
        "has a blank or a line break before or behind it, which would be part of it; take it away"
    } else if text.chars().any(char::is_control) {
        "holds a line break or another control character; take it away"
    } else {
        return None;
    };
    Some(format!("{key} {what}"))
}

/// Converts a value to the kind of its default, if it can be read so. A variable is always text.
pub(super) fn convert(value: &mut Value, default: &Value) {
    let text = match &*value {
        Value::Array(_) | Value::Table(_) => return,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let converted = match default {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(Value::Boolean(true)),
            "false" | "no" | "off" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
        _ => Some(Value::String(text)),
    };
    if let Some(converted) = converted {
        *value = converted;
    }
}

/// Whether Kubernetes has set the variable for a Service whose name begins with `careq`, such as
/// `CAREQ_SYNC_SERVICE_HOST=10.0.0.1` and `CAREQ_INGRESS_PORT=tcp://10.0.0.1:80` (Kubernetes, "Service", "Environment
/// variables").
pub(super) fn is_service_link(variable: &str, value: &str) -> bool {
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    if variable.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if variable.ends_with("_SERVICE_PORT") || variable.contains("_SERVICE_PORT_") {
        return is_number(value);
    }
    if variable.ends_with("_PORT") && is_url {
        return true;
    }
    // CAREQ_INGRESS_PORT_80_TCP, with _PROTO, _PORT and _ADDR
    let Some((_, of_port)) = variable.split_once("_PORT_") else { return false };
    match of_port.split('_').collect::<Vec<_>>()[..] {
        [port, "TCP" | "UDP" | "SCTP", ref what @ ..] if is_number(port) => match what {
            [] => is_url,
            ["PORT"] => is_number(value),
            ["PROTO"] => ["tcp", "udp", "sctp"].contains(&value),
            ["ADDR"] => is_address(),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_variables_of_kubernetes_are_no_settings() {
        for (variable, value) in [
            ("CAREQ_SERVICE_HOST", "10.0.0.1"),
            ("CAREQ_SYNC_SERVICE_HOST", "fd00::1"),
            ("CAREQ_SERVICE_API_SERVICE_HOST", "10.0.0.1"),
            ("CAREQ_SERVICE_API_PORT", "tcp://10.0.0.1:80"),
            ("CAREQ_SERVICE_PORT", "80"),
            ("CAREQ_INGRESS_SERVICE_PORT_HTTP", "80"),
            ("CAREQ_PORT", "tcp://10.0.0.1:80"),
            ("CAREQ_INGRESS_PORT", "tcp://10.0.0.1:80"),
            ("CAREQ_DNS_PORT", "udp://10.0.0.1:53"),
            ("CAREQ_SYNC_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("CAREQ_PORT_8080_TCP_PROTO", "tcp"),
            ("CAREQ_PORT_8080_TCP_PORT", "8080"),
            ("CAREQ_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_service_link(variable, value), "{variable}={value}");
        }
    }

    #[test]
    fn a_mistyped_setting_is_no_service_variable() {
        for (variable, value) in [
            ("CAREQ_INGRESS_PORT", "8080"),
            ("CAREQ_PORT", ""),
            ("CAREQ_SERVICE_HOST", "db.example"),
            ("CAREQ_SYNC_INGRESS_LISTEN", "127.0.0.1:8080"),
            ("CAREQ_INGRESS_LISTEN_PORT_TCP", "8080"),
            ("CAREQ_PORT_8080_HTTP", "tcp://10.0.0.1:8080"),
            ("CAREQ_PORT_8080_TCP_NAME", "x"),
            ("CAREQ_INGRESS_SERVICE_PORT", "eighty"),
        ] {
            assert!(!is_service_link(variable, value), "{variable}={value}");
        }
    }

    #[test]
    fn quotes_and_blanks_around_a_value_are_named_and_the_value_is_not() {
        for text in [
            "\"secret\"",
            "'secret'",
            "secret\"",
            "`secret`",
            "\u{201c}secret\u{201d}",
            "secret\n",
            " secret",
            "sec\nret",
            "secret\r\n",
            "secret\u{a0}",
        ] {
            let fault = fault("broker.url", text).unwrap_or_else(|| panic!("{text:?} is taken"));
            assert!(fault.starts_with("broker.url ") && !fault.contains("secret"), "{fault}");
        }
        for (key, text) in [
            ("broker.url", "embedded"),
            ("database.url", ""),
            ("clinics", "one=x,\n two=y\n"),
            ("seal.keys", "a:b\n"),
        ] {
            assert_eq!(fault(key, text), None);
        }
        assert!(fault("clinics", "\"one=x\"").is_some());
    }
}
