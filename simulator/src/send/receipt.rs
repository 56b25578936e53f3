//! Receipt of an acknowledged event.

/// Id under which an event was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receipt {
    pub(crate) scenario: u64,
    /// Number of the event within its scenario.
    pub(crate) event: u16,
    pub(crate) event_id: Box<str>,
}
