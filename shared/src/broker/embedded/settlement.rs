//! The settlement of delivered messages, and the list of settlements that a failing disk has delayed. Without the
//! list, such a message would be delivered again only after a restart.

use std::collections::VecDeque;

/// The settlement of delivered messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Acknowledged: they are deleted.
    Delete,
    /// Returned: they are delivered again, and the delivery does not count.
    Release,
    /// Failed: they are delivered again, and the delivery counts.
    Abandon,
}

impl Settlement {
    /// The SQL statement, whose parameter is a JSON array of ids.
    pub(super) const fn statement(self) -> &'static str {
        match self {
            Self::Delete => "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))",
            Self::Release => {
                "UPDATE messages SET in_flight = 0, deliveries = deliveries - 1
                 WHERE id IN (SELECT value FROM json_each(?))"
            }
            Self::Abandon => "UPDATE messages SET in_flight = 0 WHERE id IN (SELECT value FROM json_each(?))",
        }
    }
}

/// The delayed settlements, oldest first. The list is bounded, because nothing is delivered before it is empty.
#[derive(Debug, Default)]
pub(super) struct DelayedSettlements(VecDeque<(Settlement, Vec<i64>)>);

impl DelayedSettlements {
    pub(super) fn add(&mut self, settlement: Settlement, ids: Vec<i64>) {
        if !ids.is_empty() {
            self.0.push_back((settlement, ids));
        }
    }

    /// The oldest settlement, with its ids as a JSON array.
    pub(super) fn first(&self) -> Option<(Settlement, String)> {
        self.0.front().map(|(settlement, ids)| (*settlement, format!("{ids:?}")))
    }

    pub(super) fn remove_first(&mut self) {
        self.0.pop_front();
    }
}
