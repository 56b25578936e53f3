//! The roles of the admin API.

use careq_shared::words;

words! {
    /// The role of an admin.
    Role {
        /// Reads everything but payloads.
        Reader = "reader",
        /// Reveals payloads, replays, corrects and discards, too.
        Operator = "operator",
    }
}
