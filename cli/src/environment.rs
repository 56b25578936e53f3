//! Where this process touches its surroundings: environment variables in, sentences for people out. Nothing else may read
//! the environment or print.

use std::path::Path;

use careq_shared::config::{self, Config, Faults};

/// The settings of this process.
pub(crate) fn config(file: Option<&Path>) -> Result<Config, Faults> {
    #[expect(clippy::disallowed_methods, reason = "this is where the configuration gets its variables from")]
    // A name or value that is not UTF-8 cannot be one of ours.
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.into_string().ok()?))
    });
    config::load(file, variables)
}

/// Who runs this process: the user's name, as the login says it, and the number that the system vouches for.
pub(crate) fn user() -> String {
    #[expect(clippy::disallowed_methods, reason = "who acts is no setting")]
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.chars().any(char::is_control));
    let id = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    match (name.filter(|name| !name.is_empty()), id) {
        (Some(name), Ok(id)) => format!("{name} (uid {id})"),
        (Some(name), Err(_)) => name,
        (None, Ok(id)) => format!("uid {id}"),
        (None, Err(_)) => "unknown".to_owned(),
    }
}

/// What the command was asked for, on standard output.
pub(crate) fn print(text: &str) {
    #[expect(clippy::print_stdout, reason = "this is what the person or script asked for")]
    {
        println!("{text}");
    }
}

/// What a person has to know, on standard error.
pub(crate) fn tell(text: &str) {
    #[expect(clippy::print_stderr, reason = "before logging has begun, there is no other way to say it")]
    {
        eprintln!("{text}");
    }
}
