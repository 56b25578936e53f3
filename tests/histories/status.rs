//! The expected status of an appointment, computed from all its events.

use careq_shared::records::Kind;
use serde_json::Value;

use super::model::Event;
use super::stored::{NULL, Row, instant};

fn word<'event>(event: &'event Event<'_>) -> &'event str {
    if event.accepted.kind == Kind::Cancel {
        "cancelled"
    } else {
        event.accepted.body["status"].as_str().unwrap()
    }
}

fn is_unstamped_cancel(event: &Event<'_>) -> bool {
    event.accepted.kind == Kind::Cancel && event.stamp().is_none()
}

/// A cancellation without a time stamp is newer than every event accepted before it.
fn is_newer(one: &Event<'_>, other: &Event<'_>) -> bool {
    one.version() > other.version() || (is_unstamped_cancel(one) && one.accepted_at > other.accepted_at)
}

/// The status columns after these events, at least one of which is a booking.
pub(super) fn shown(events: &[&Event<'_>]) -> Row {
    let newest_of = |which: &dyn Fn(&Event<'_>) -> bool| {
        events.iter().filter(|event| which(event)).max_by_key(|event| event.version()).copied()
    };
    let unstamped = newest_of(&is_unstamped_cancel);
    let newest = newest_of(&|event| !is_unstamped_cancel(event)).unwrap();
    let winner = unstamped.filter(|unstamped| is_newer(unstamped, newest)).unwrap_or(newest);

    let stamped = newest_of(&|event| event.accepted.kind == Kind::Cancel && event.stamp().is_some());
    let cancellation = match (unstamped, stamped) {
        (Some(unstamped), Some(stamped)) if !is_newer(unstamped, stamped) => Some(stamped),
        (unstamped, stamped) => unstamped.or(stamped),
    };
    // A different status in between ends the cancellation; otherwise its reason stays, also if another event
    // repeats it.
    let between = newest_of(&|event| word(event) != "cancelled");
    let cancellation = cancellation
        .filter(|cancel| between.is_none_or(|other| is_newer(cancel, other)))
        .filter(|_| word(winner) == "cancelled");

    let text = |event: Option<&Event<'_>>, field: &str| {
        let text = event.and_then(|event| event.accepted.body.get(field)).and_then(Value::as_str);
        text.unwrap_or(NULL).to_owned()
    };
    let notes = Some(winner).filter(|winner| winner.accepted.kind == Kind::Status);
    let (stamp, accepted_at, event_id) = winner.version();
    let cancelled_at = cancellation.and_then(Event::stamp).map_or_else(|| NULL.to_owned(), instant);
    [
        ("status", word(winner).to_owned()),
        ("status_notes", text(notes, "notes")),
        ("cancellation_reason", text(cancellation, "cancellation_reason")),
        ("cancelled_by", text(cancellation, "cancelled_by")),
        ("cancelled_at", cancelled_at),
        ("status_updated_at", instant(stamp)),
        ("status_accepted_at", instant(accepted_at)),
        ("status_event_id", event_id),
    ]
    .map(|(column, word)| (column.to_owned(), word))
    .into()
}
