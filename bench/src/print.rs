//! Output of the bench to the terminal.

/// Prints a result or a progress message to standard output.
#[expect(clippy::print_stdout, reason = "the results are the output of the program")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Prints a warning to standard error.
#[expect(clippy::print_stderr, reason = "warnings must not mix with the results")]
pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}
