//! The associated data of sealed values. Five columns and the broker's messages are sealed; other personal data in
//! the database is not.

use crate::canonical;

/// The location of a sealed value. It is authenticated with the value, so a value that is copied elsewhere does not
/// open.
#[derive(Debug, Clone, Copy)]
pub struct AssociatedData<'row> {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    pub(super) row: &'row str,
}

impl<'row> AssociatedData<'row> {
    /// `clinics.event_key`, by the clinic's id.
    pub const fn event_key(row: &'row str) -> Self {
        Self { table: "clinics", column: "event_key", row }
    }

    /// `patients.aadhar_number`, by the row's id.
    pub const fn aadhar_number(row: &'row str) -> Self {
        Self { table: "patients", column: "aadhar_number", row }
    }

    /// `clinic_credentials.verifier` of a signing secret, by the row's id.
    pub const fn signing_secret(row: &'row str) -> Self {
        Self { table: "clinic_credentials", column: "verifier", row }
    }

    /// `parked_events.event`, by the event's id.
    pub const fn parked_event(row: &'row str) -> Self {
        Self { table: "parked_events", column: "event", row }
    }

    /// `dead_letters.payload`, by the letter's id.
    pub const fn dead_letter(row: &'row str) -> Self {
        Self { table: "dead_letters", column: "payload", row }
    }

    /// A message of the broker. It names no queue, because a message may move to another queue.
    pub(super) const fn message() -> Self {
        Self { table: "", column: "message", row: "" }
    }

    pub(super) fn bytes(&self) -> [u8; 32] {
        canonical::sha256(&[self.table.as_bytes(), self.column.as_bytes(), self.row.as_bytes()])
    }
}
