//! How messages that were handed out are settled, and those that a failing disk did not let settle yet. They must never be forgotten:
//! a message that stays in flight comes again only after a restart.

use std::collections::VecDeque;

/// What becomes of messages that were handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    /// They are done.
    Delete,
    /// They come again as if they had not been handed out.
    Release,
    /// They come again, and it counts: their reader has come to a bad end.
    Abandon,
}

impl Settlement {
    /// For the ids of a JSON array.
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

/// What is to be settled, the first one first. Bounded: nothing is handed out before it is empty.
#[derive(Debug, Default)]
pub(super) struct Unsettled(VecDeque<(Settlement, Vec<i64>)>);

impl Unsettled {
    pub(super) fn add(&mut self, settlement: Settlement, ids: Vec<i64>) {
        if !ids.is_empty() {
            self.0.push_back((settlement, ids));
        }
    }

    /// The ids as a JSON array.
    pub(super) fn first(&self) -> Option<(Settlement, String)> {
        self.0.front().map(|(settlement, ids)| (*settlement, format!("{ids:?}")))
    }

    pub(super) fn first_is_settled(&mut self) {
        self.0.pop_front();
    }
}
