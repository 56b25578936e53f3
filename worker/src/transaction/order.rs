//! Order of processing: parents before children, then by acceptance. It reduces waiting and collisions of hashes; the final state does
//! not depend on it.

use std::sync::Arc;

use careq_shared::message;

use crate::item::{Item, Position, Request, Treatment};

/// The events of the requests and the parked events that are ready, in the order of processing.
pub(crate) fn parents_first(requests: &[Request], ready: Vec<Item>) -> Vec<Item> {
    let mut items = ready;
    items.extend(requests.iter().enumerate().flat_map(|(number, request)| self::items(number, request)));
    items.sort_by_key(|item| (item.event.kind(), item.event.accepted_at));
    items
}

fn items(number: usize, request: &Request) -> impl Iterator<Item = Item> {
    let treatment = if request.suspicious { Treatment::SetApart } else { Treatment::Ordinary };
    request.events.iter().enumerate().map(move |(position, event)| Item {
        event: Arc::clone(event),
        // A single event is about as large as its message.
        bytes: if request.events.len() == 1 { request.bytes } else { message::size(event.as_ref()) },
        treatment: treatment.clone(),
        position: Some(Position { request: number, event: position }),
        replay: request.replay,
        is_redelivered: request.is_redelivered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Membership;
    use crate::transaction::testing::{appointment, cancellation, patient};
    use careq_shared::event::Event;
    use tracing::Span;

    fn request(events: Vec<Event>, suspicious: bool) -> Request {
        Request {
            reply_to: None,
            events: events.into_iter().map(Arc::new).collect(),
            bytes: 7,
            is_redelivered: false,
            suspicious,
            batch: Membership::Single,
            replay: None,
            span: Span::none(),
        }
    }

    #[test]
    fn parents_come_before_children_and_older_events_before_newer_ones() {
        let requests = [
            request(vec![cancellation(1, 5), appointment(1, 4)], false),
            request(vec![patient(2, 3), patient(1, 1)], true),
        ];
        let items = parents_first(&requests, Vec::new());
        let order: Vec<_> =
            items.iter().map(|item| (item.event.kind().as_str(), item.event.careq_id)).collect();
        assert_eq!(order, [("patient", 1), ("patient", 2), ("appointment", 1), ("cancel", 1)]);
        assert!(matches!(items[0].treatment, Treatment::SetApart));
        assert!(matches!(items[2].treatment, Treatment::Ordinary));
        let positions = items.iter().map(|item| item.position.map(|place| (place.request, place.event)));
        assert_eq!(positions.collect::<Vec<_>>(), [Some((1, 1)), Some((1, 0)), Some((0, 1)), Some((0, 0))]);
    }
}
