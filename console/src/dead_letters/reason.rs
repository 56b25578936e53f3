//! The reason that a person gives for revealing, discarding or reopening.

use crate::error::Error;
use crate::limits::MAX_REASON_CHARS;

/// The reason without surrounding white space, if it is neither empty nor too long.
pub(super) fn checked(reason: &str) -> Result<&str, Error> {
    let reason = reason.trim();
    let is_valid = (1..=MAX_REASON_CHARS).contains(&reason.chars().count());
    if is_valid { Ok(reason) } else { Err(Error::InvalidReason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_neither_empty_nor_too_long() {
        assert_eq!(checked(" moved to the other clinic ").unwrap(), "moved to the other clinic");
        assert!(checked(&"é".repeat(MAX_REASON_CHARS)).is_ok());
        assert!(checked(&"é".repeat(MAX_REASON_CHARS + 1)).is_err());
        assert!(checked(" \n").is_err());
    }
}
