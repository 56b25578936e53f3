//! Why a person gives letters up or opens them again. It is kept with every letter, so it must never be long.

use crate::Error;

/// In characters.
const LONGEST: usize = 500;

/// The reason that was given.
pub(super) fn given(reason: &str) -> Result<&str, Error> {
    let reason = reason.trim();
    if (1..=LONGEST).contains(&reason.chars().count()) { Ok(reason) } else { Err(Error::Reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        assert_eq!(given(" moved to the other clinic ").unwrap(), "moved to the other clinic");
        assert!(given(&"é".repeat(LONGEST)).is_ok() && given(&"é".repeat(LONGEST + 1)).is_err());
        assert!(given(" \n").is_err());
    }
}
