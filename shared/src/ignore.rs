//! Errors that are ignored deliberately.

/// Discards `result`, whether it is a value or an error.
///
/// `reason` is for the reader of the call: it says why the error changes nothing. Nothing is logged.
/// Use it only if the caller needs no value and has no remedy, such as a send to a receiver that may be gone.
/// An error that a person should see is logged; an error that makes a later value wrong is returned.
pub fn ignore<T, E>(result: Result<T, E>, reason: &'static str) {
    drop((result, reason));
}
