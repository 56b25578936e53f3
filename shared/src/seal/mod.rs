//! Sealing at rest: what must be readable again, and by nobody who only has the database (AES-256-GCM, NIST SP 800-38D).
//! A value must never open anywhere but in the table, column and row that it was sealed for.

mod associated_data;
mod cipher;
mod message;
pub(crate) mod sealed;

pub(crate) mod key_list;
mod keys;

mod columns;
mod reencrypt;
mod sample;

pub use associated_data::AssociatedData;
pub use cipher::{OpenError, Seal};
pub use key_list::{KeysError, is_well_formed};
pub use keys::{Keys, file, open};
pub use reencrypt::{Report, reencrypt};
pub use sample::{Sample, sample};
pub use sealed::Sealed;

#[cfg(test)]
mod tests;
