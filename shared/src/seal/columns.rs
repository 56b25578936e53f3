//! The sealed columns, each with its associated data. A column that is missing here would not be re-encrypted after a
//! rotation.

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, EntityTrait, Value};

use super::associated_data::AssociatedData;
use super::sealed::Sealed;
use crate::clinics::kind::CredentialKind;
use crate::entities::{clinic, clinic_credential, dead_letter, parked_event, patient};

/// A sealed column.
pub(super) trait SealedColumn {
    type Entity: EntityTrait<Column: ColumnTrait>;
    const ID: <Self::Entity as EntityTrait>::Column;
    const VALUE: <Self::Entity as EntityTrait>::Column;

    /// The condition for rows with a sealed value.
    fn applies() -> SimpleExpr {
        Self::VALUE.is_not_null()
    }
    fn id(row: &<Self::Entity as EntityTrait>::Model) -> Value;
    /// The row's part of the associated data.
    fn key(row: &<Self::Entity as EntityTrait>::Model) -> String;
    fn sealed(row: &<Self::Entity as EntityTrait>::Model) -> Option<Sealed>;
    fn associated_data(key: &str) -> AssociatedData<'_>;
    /// The sealed value in the type of the column.
    fn stored(sealed: Sealed) -> Value {
        sealed.into_text().into()
    }
}

pub(super) struct EventKeys;

impl SealedColumn for EventKeys {
    type Entity = clinic::Entity;
    const ID: clinic::Column = clinic::Column::ClinicId;
    const VALUE: clinic::Column = clinic::Column::EventKey;

    fn id(row: &clinic::Model) -> Value {
        row.clinic_id.clone().into()
    }
    fn key(row: &clinic::Model) -> String {
        row.clinic_id.clone()
    }
    fn sealed(row: &clinic::Model) -> Option<Sealed> {
        Some(Sealed::stored_bytes(&row.event_key))
    }
    fn associated_data(key: &str) -> AssociatedData<'_> {
        AssociatedData::event_key(key)
    }
    fn stored(sealed: Sealed) -> Value {
        sealed.into_bytes().into()
    }
}

pub(super) struct SigningSecrets;

impl SealedColumn for SigningSecrets {
    type Entity = clinic_credential::Entity;
    const ID: clinic_credential::Column = clinic_credential::Column::Id;
    const VALUE: clinic_credential::Column = clinic_credential::Column::Verifier;

    fn applies() -> SimpleExpr {
        clinic_credential::Column::Kind.eq(CredentialKind::SigningSecret.as_str())
    }
    fn id(row: &clinic_credential::Model) -> Value {
        row.id.into()
    }
    fn key(row: &clinic_credential::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &clinic_credential::Model) -> Option<Sealed> {
        Some(Sealed::stored(row.verifier.clone()))
    }
    fn associated_data(key: &str) -> AssociatedData<'_> {
        AssociatedData::signing_secret(key)
    }
}

pub(super) struct AadharNumbers;

impl SealedColumn for AadharNumbers {
    type Entity = patient::Entity;
    const ID: patient::Column = patient::Column::Id;
    const VALUE: patient::Column = patient::Column::AadharNumber;

    fn id(row: &patient::Model) -> Value {
        row.id.into()
    }
    fn key(row: &patient::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &patient::Model) -> Option<Sealed> {
        row.aadhar_number.clone()
    }
    fn associated_data(key: &str) -> AssociatedData<'_> {
        AssociatedData::aadhar_number(key)
    }
}

pub(super) struct ParkedEvents;

impl SealedColumn for ParkedEvents {
    type Entity = parked_event::Entity;
    const ID: parked_event::Column = parked_event::Column::EventId;
    const VALUE: parked_event::Column = parked_event::Column::Event;

    fn id(row: &parked_event::Model) -> Value {
        row.event_id.clone().into()
    }
    fn key(row: &parked_event::Model) -> String {
        row.event_id.clone()
    }
    fn sealed(row: &parked_event::Model) -> Option<Sealed> {
        Some(row.event.clone())
    }
    fn associated_data(key: &str) -> AssociatedData<'_> {
        AssociatedData::parked_event(key)
    }
}

pub(super) struct DeadLetters;

impl SealedColumn for DeadLetters {
    type Entity = dead_letter::Entity;
    const ID: dead_letter::Column = dead_letter::Column::Id;
    const VALUE: dead_letter::Column = dead_letter::Column::Payload;

    fn id(row: &dead_letter::Model) -> Value {
        row.id.into()
    }
    fn key(row: &dead_letter::Model) -> String {
        row.id.to_string()
    }
    fn sealed(row: &dead_letter::Model) -> Option<Sealed> {
        Some(Sealed::stored_bytes(&row.payload))
    }
    fn associated_data(key: &str) -> AssociatedData<'_> {
        AssociatedData::dead_letter(key)
    }
    fn stored(sealed: Sealed) -> Value {
        sealed.into_bytes().into()
    }
}
