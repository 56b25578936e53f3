//! The kinds of event and of record.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The six kinds of event, in storage order: parents before children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A patient was created or changed.
    Patient,
    /// A doctor was created or changed.
    Doctor,
    /// A service was created or changed.
    Service,
    /// An appointment was booked or changed.
    Appointment,
    /// The status of an appointment changed.
    Status,
    /// An appointment was cancelled.
    Cancel,
}

impl Kind {
    /// Every kind, parents first.
    pub const ALL: [Self; 6] =
        [Self::Patient, Self::Doctor, Self::Service, Self::Appointment, Self::Status, Self::Cancel];

    /// The word in tables, messages and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Doctor => "doctor",
            Self::Service => "service",
            Self::Appointment => "appointment",
            Self::Status => "status",
            Self::Cancel => "cancel",
        }
    }

    /// The kind of record that an event of this kind changes.
    #[must_use]
    pub const fn record(self) -> RecordKind {
        match self {
            Self::Patient => RecordKind::Patient,
            Self::Doctor => RecordKind::Doctor,
            Self::Service => RecordKind::Service,
            Self::Appointment | Self::Status | Self::Cancel => RecordKind::Appointment,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(UnknownKind)
    }
}

/// The four kinds of record that have a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// A row of `patients`.
    Patient,
    /// A row of `doctors`.
    Doctor,
    /// A row of `services`.
    Service,
    /// A row of `appointments`.
    Appointment,
}

impl RecordKind {
    /// The word in paths and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Doctor => "doctor",
            Self::Service => "service",
            Self::Appointment => "appointment",
        }
    }

    /// The word at the beginning of a sentence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Patient => "Patient",
            Self::Doctor => "Doctor",
            Self::Service => "Service",
            Self::Appointment => "Appointment",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for RecordKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        [Self::Patient, Self::Doctor, Self::Service, Self::Appointment]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(UnknownKind)
    }
}

/// The error of a word that is not a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of record")]
pub struct UnknownKind;
