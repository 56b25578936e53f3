//! Result of the check.

use std::time::Duration;

use crate::findings::Findings;

/// Numbers of checked items, and the findings.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) events: u64,
    pub(crate) records: u64,
    pub(crate) rows: Option<u64>,
    /// Time from the last response until the last event's page was final.
    pub(crate) settled_after: Duration,
    pub(crate) findings: Findings,
}
