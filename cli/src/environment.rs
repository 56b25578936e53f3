//! Where this process touches its surroundings: environment variables in, sentences for people out. Nothing else may read
//! the environment or print.

use std::path::Path;

use careq_shared::config::{self, Config, Faults, Process};

/// The settings of this process.
pub(crate) fn config(process: Option<Process>, file: Option<&Path>) -> Result<Config, Faults> {
    #[expect(clippy::disallowed_methods, reason = "this is where the configuration gets its variables from")]
    // A name that is not UTF-8 cannot be one of ours; a value that is not is refused.
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    config::load_for(process, file, variables)
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
