//! The status of an appointment and the reason of its cancellation. The result is a function of the set of events, so the deciding
//! versions are stored, not only the shown one.
//!
//! - `newest` is the greatest version of all events except cancellations without a stamp.
//! - A cancellation without `cancelled_at` is newer than every event accepted before it, whatever that event's stamp. The latest such
//!   cancellation is shown, unless `newest` was accepted after it and has the greater version. A pairwise comparison would not be
//!   transitive.
//! - A status `cancelled` that is not a cancellation (a change of details) shows the newest cancellation's reason, author and time,
//!   unless the appointment had another status in between.

use careq_shared::entities::appointment;
use careq_shared::event::{Event, Version};
use careq_shared::records::{Cancellation, Record};
use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

const CANCELLED: &str = "cancelled";

/// The deciding versions: `appointments.status_versions` as JSON, or null if the shown status is the only one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Versions {
    newest: Version,
    /// The newest status other than `cancelled`.
    not_cancelled: Option<Version>,
    /// The newest cancellation with a stamp.
    stamped: Option<Cancelled>,
    /// The newest cancellation without a stamp.
    unstamped: Option<Cancelled>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cancelled {
    version: Version,
    reason: Option<String>,
    by: Option<String>,
    at: Option<DateTime<Utc>>,
}

/// Version of the shown status.
fn version(row: &appointment::Model) -> Version {
    Version {
        stamp: row.status_updated_at,
        accepted_at: row.status_accepted_at,
        event_id: row.status_event_id.clone(),
    }
}

/// Applies an event that carries a status; returns whether a version has changed, shown or not.
pub(super) fn merge(row: &mut appointment::Model, event: &Event) -> Result<bool, DbErr> {
    let Some((status, notes)) = carried(&event.record) else { return Ok(false) };
    let before = Versions::from_row(row)?;
    let mut versions = before.clone();
    versions.add(event, status);
    if versions == before {
        return Ok(false);
    }
    let unstamped = versions.unstamped.as_ref();
    match unstamped.filter(|unstamped| unstamped.is_newer_than(&versions.newest)) {
        Some(unstamped) => show(row, CANCELLED, None, &unstamped.version),
        None if versions.newest == event.version() => show(row, status, notes, &versions.newest),
        None => {}
    }
    let cancellation = if row.status == CANCELLED { versions.cancellation() } else { None };
    row.cancellation_reason = cancellation.and_then(|cancelled| cancelled.reason.clone());
    row.cancelled_by = cancellation.and_then(|cancelled| cancelled.by.clone());
    row.cancelled_at = cancellation.and_then(|cancelled| cancelled.at);
    row.status_versions = versions.written(row)?;
    Ok(true)
}

fn show(row: &mut appointment::Model, status: &str, notes: Option<&String>, version: &Version) {
    status.clone_into(&mut row.status);
    row.status_notes = notes.cloned();
    row.status_updated_at = version.stamp;
    row.status_accepted_at = version.accepted_at;
    row.status_event_id.clone_from(&version.event_id);
}

/// Status and notes of an event. A newer status without notes clears them.
fn carried(record: &Record) -> Option<(&str, Option<&String>)> {
    match record {
        Record::Appointment(appointment) => Some((&appointment.status, None)),
        Record::Status(change) => Some((&change.status, change.notes.as_ref())),
        Record::Cancel(_) => Some((CANCELLED, None)),
        Record::Patient(_) | Record::Doctor(_) | Record::Service(_) => None,
    }
}

impl Versions {
    fn from_row(row: &appointment::Model) -> Result<Self, DbErr> {
        let damaged = |_| DbErr::Custom(format!("the status versions of appointment {} are damaged", row.id));
        row.status_versions
            .as_ref()
            .map_or_else(|| Ok(Self::alone(row)), |written| serde_json::from_str(written).map_err(damaged))
    }

    /// The versions of a row whose shown status is the only one.
    fn alone(row: &appointment::Model) -> Self {
        let newest = version(row);
        let not_cancelled = (row.status != CANCELLED).then(|| newest.clone());
        Self { newest, not_cancelled, stamped: None, unstamped: None }
    }

    fn written(&self, row: &appointment::Model) -> Result<Option<String>, DbErr> {
        let unwritable = |_| DbErr::Custom(format!("the status versions of appointment {}", row.id));
        if *self == Self::alone(row) {
            return Ok(None);
        }
        serde_json::to_string(self).map(Some).map_err(unwritable)
    }

    fn add(&mut self, event: &Event, status: &str) {
        let version = event.version();
        if let Record::Cancel(cancellation) = &event.record {
            let is_stamped = cancellation.cancelled_at.is_some();
            let newest = if is_stamped { &mut self.stamped } else { &mut self.unstamped };
            if newest.as_ref().is_none_or(|newest| newest.version < version) {
                *newest = Some(Cancelled::new(cancellation, version.clone()));
            }
            if !is_stamped {
                return;
            }
        }
        if status != CANCELLED && self.not_cancelled.as_ref().is_none_or(|newest| *newest < version) {
            self.not_cancelled = Some(version.clone());
        }
        if self.newest < version {
            self.newest = version;
        }
    }

    /// The newest cancellation, if no other status followed.
    fn cancellation(&self) -> Option<&Cancelled> {
        let since = |cancelled: &&Cancelled| {
            self.not_cancelled.as_ref().is_none_or(|other| cancelled.is_newer_than(other))
        };
        let newest = match (&self.unstamped, &self.stamped) {
            (Some(unstamped), Some(stamped)) if !unstamped.is_newer_than(&stamped.version) => Some(stamped),
            (unstamped, stamped) => unstamped.as_ref().or(stamped.as_ref()),
        };
        newest.filter(since)
    }
}

impl Cancelled {
    fn new(cancellation: &Cancellation, version: Version) -> Self {
        Self {
            version,
            reason: cancellation.cancellation_reason.clone(),
            by: cancellation.cancelled_by.clone(),
            at: cancellation.cancelled_at,
        }
    }

    /// Compares versions; a cancellation without a stamp is newer than every event accepted before it.
    fn is_newer_than(&self, other: &Version) -> bool {
        self.version > *other || (self.at.is_none() && self.version.accepted_at > other.accepted_at)
    }
}

#[cfg(test)]
mod tests;
