//! The order of work: parents before their children, and within a kind as CareQ sent them, so that a child rarely waits
//! and a hash that one appointment gives up is free for the next. The final state must never depend on it.

use std::sync::Arc;

use careq_shared::event::Event;
use careq_shared::message;
use uuid::Uuid;

use crate::bounds::InBytes;
use crate::decode::Request;
use crate::fault::EventFault;

/// One event to be settled.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) event: Arc<Event>,
    /// How large it is as a message.
    pub(crate) bytes: usize,
    pub(crate) treatment: Treatment,
    /// Which request, and which of its events; nothing for an event that was parked.
    pub(crate) place: Option<Place>,
    /// The replay job that it is under way in.
    pub(crate) replay: Option<Uuid>,
    /// The broker has handed it out before.
    pub(crate) is_redelivered: bool,
}

impl InBytes for Item {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Where a result belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) request: usize,
    pub(crate) event: usize,
}

/// How an event is to be treated.
#[derive(Debug, Clone)]
pub(crate) enum Treatment {
    /// As any.
    Ordinary,
    /// It failed alone, and collided with another row, or may have been taken for new and not be: one more look, before it is blamed.
    OnceMore,
    /// It may be what brings workers down: it is stored, and then tried by itself, each try counted beforehand.
    SetApart,
    /// It failed alone: it is tried again later, or is a dead letter.
    Failed(EventFault),
}

pub(crate) fn parents_first(requests: &[Request], woken: Vec<Item>) -> Vec<Item> {
    let mut items = woken;
    items.extend(requests.iter().enumerate().flat_map(|(number, request)| self::items(number, request)));
    items.sort_by_key(|item| (item.event.kind(), item.event.accepted_at));
    items
}

fn items(number: usize, request: &Request) -> impl Iterator<Item = Item> {
    let treatment = if request.suspicious { Treatment::SetApart } else { Treatment::Ordinary };
    request.events.iter().enumerate().map(move |(position, event)| Item {
        event: Arc::clone(event),
        // Of a single event, its message is about as large.
        bytes: if request.events.len() == 1 { request.bytes } else { message::size(event.as_ref()) },
        treatment: treatment.clone(),
        place: Some(Place { request: number, event: position }),
        replay: request.replay,
        is_redelivered: request.is_redelivered,
    })
}
