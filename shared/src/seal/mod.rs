//! Sealing at rest, for values that must be readable again but not with the database alone (AES-256-GCM, NIST SP
//! 800-38D). A value opens only in the table, column and row for which it was sealed.

mod associated_data;
mod cipher;
mod columns;
pub(crate) mod key_list;
mod keys;
mod reencrypt;
mod sample;
pub(crate) mod sealed;

pub use associated_data::AssociatedData;
pub use cipher::{OpenError, Seal};
pub use key_list::{KeysError, is_well_formed};
pub use keys::{Keys, file, open};
pub use reencrypt::{Report, reencrypt};
pub use sample::{Sample, sample};
pub use sealed::Sealed;

#[cfg(test)]
mod tests;
