//! The bookings as plain webhooks, one after the other, for whoever measures an installation with a wire of its own. They must be
//! those that a run sends: what is measured is what is checked.

use bytes::Bytes;
use careq_shared::records::Kind;

use crate::plan::Disorder;
use crate::world::World;

/// One event as `CareQ` sends it.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// What it is about.
    pub kind: Kind,
    /// Below the API's base path.
    pub path: &'static str,
    /// JSON.
    pub body: Bytes,
}

/// About so many events of one clinic, at least, in the order of its bookings: its staff first, and nothing repeated, late or to be
/// refused. Two seeds share no record.
pub fn webhooks(clinic_id: &str, seed: u64, events: u64) -> impl Iterator<Item = Webhook> {
    let world = World::new(vec![clinic_id.to_owned()], seed, events, Disorder::default());
    (0..world.stories()).flat_map(move |number| {
        let requests = world.story(number).requests.into_iter();
        requests.filter_map(|request| {
            let kind = request.events.first()?.kind;
            Some(Webhook { kind, path: request.path, body: request.body })
        })
    })
}
