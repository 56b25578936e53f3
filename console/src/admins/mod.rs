//! Who may use the admin API: a name, a role and a token each. A token is shown once, when it is made, and must never be stored.

mod manage;
mod token;

pub use manage::{AdminError, Made, Summary, add, disable, list, rotate};
pub use token::{Admin, of_token};

use careq_shared::words;

words! {
    /// What an admin may do.
    Role {
        /// Look at everything but payloads.
        Reader = "reader",
        /// Reveal payloads, replay, correct and discard, too.
        Operator = "operator",
    }
}
