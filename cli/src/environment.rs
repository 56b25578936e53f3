//! The environment variables and standard streams of the process. Lints forbid to use them elsewhere.

use std::path::Path;

use careq_shared::config::{self, Config, Faults, Process};

/// The settings of this process.
pub(crate) fn config(process: Option<Process>, file: Option<&Path>) -> Result<Config, Faults> {
    #[expect(clippy::disallowed_methods, reason = "this is where the configuration gets its variables from")]
    // A name that is not UTF-8 is no setting. An invalid value is replaced by U+FFFD, which validation refuses.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    config::load_for(process, file, variables)
}

/// Prints the result of a command to standard output.
pub(crate) fn print(text: &str) {
    #[expect(clippy::print_stdout, reason = "this is the result of the command")]
    {
        println!("{text}");
    }
}

/// Prints a message to standard error.
pub(crate) fn print_to_stderr(text: &str) {
    #[expect(clippy::print_stderr, reason = "the message is for a person, and logging may not have started")]
    {
        eprintln!("{text}");
    }
}
