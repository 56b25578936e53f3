//! Conversions between integer types that cannot fail here.

/// Converts to an index.
#[expect(clippy::expect_used, reason = "usize has 64 bits on every supported platform")]
pub(crate) fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("usize has 64 bits")
}

/// Converts a count or a record number, all of which are far below 2^63.
#[expect(clippy::expect_used, reason = "a run has far fewer than 2^63 records")]
pub(crate) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).expect("the number is below 2^63")
}
