//! The bookings as single webhooks, for a program that measures an installation with its own client. They are the ones that a
//! run without disorder sends.

use bytes::Bytes;
use careq_shared::records::Kind;

use crate::plan::Disorder;
use crate::world::World;

/// A webhook of one event.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Kind of the event.
    pub kind: Kind,
    /// Path below the API's base path.
    pub path: &'static str,
    /// Body, as JSON.
    pub body: Bytes,
}

/// At least about `events` webhooks of one clinic in the order of its bookings, its staff first, without any disorder.
///
/// Two seeds below 10^9 share no record.
pub fn webhooks(clinic_id: &str, seed: u64, events: u64) -> impl Iterator<Item = Webhook> {
    let world = World::new(vec![clinic_id.to_owned()], seed, events, Disorder::default());
    (0..world.scenarios()).flat_map(move |number| {
        let requests = world.scenario(number).requests.into_iter();
        requests.filter_map(|request| {
            let kind = request.events.first()?.kind;
            Some(Webhook { kind, path: request.path, body: request.body })
        })
    })
}
