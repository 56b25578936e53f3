//! The users of the admin API. Each has a name, a role and a token. `manage` changes and lists them, `token` authenticates them by the
//! stored digest.

mod manage;
pub(crate) mod token;

pub use manage::{AdminError, NewToken, Summary, add, disable, list, rotate};
pub use token::{Admin, Role, authenticate};
