//! What is sent next: the stories in their order, or, with disorder, mixed. It must follow from the plan alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;

use crate::plan::Plan;
use crate::world::{Story, World};

/// Stories that are mixed with each other when the order does not matter.
const SHUFFLED_TOGETHER: u64 = 32;

/// A request of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) story: u64,
    pub(super) request: usize,
    /// A later copy of a request that was sent before.
    pub(super) is_copy: bool,
}

/// A request to be sent, and the story that it stands in, which is not made again for each of its requests.
#[derive(Debug, Clone)]
pub(super) struct Cue {
    pub(super) address: Address,
    pub(super) story: Arc<Story>,
}

/// Hands out requests to whoever is free.
#[derive(Debug)]
pub(super) enum Script {
    /// Every story, by the number of the next one.
    Stories(AtomicU64),
    /// What is left to send.
    Rest(Mutex<Vec<Address>>),
}

impl Script {
    pub(super) fn stories() -> Self {
        Self::Stories(AtomicU64::new(0))
    }

    pub(super) fn rest(addresses: Vec<Address>) -> Self {
        Self::Rest(Mutex::new(addresses))
    }

    /// What one player sends next; `None` at the end. What comes late is not among it.
    pub(super) fn next(&self, plan: &Plan, world: &World) -> Option<Vec<Cue>> {
        match self {
            Self::Rest(addresses) => {
                let address = addresses.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
                Some(vec![Cue::of(world, address)])
            }
            Self::Stories(next) => {
                let together = if plan.disorder.shuffle { SHUFFLED_TOGETHER } else { 1 };
                let first = next.fetch_add(together, Ordering::Relaxed);
                let stories = first..(first + together).min(world.stories());
                (!stories.is_empty()).then(|| scene(stories, plan, world))
            }
        }
    }
}

impl Cue {
    pub(super) fn of(world: &World, address: Address) -> Self {
        Self { address, story: Arc::new(world.story(address.story)) }
    }

    /// What follows it, now that it is acknowledged.
    pub(super) fn next(&self) -> Option<Self> {
        let request = self.address.request + 1;
        let follows = self.story.requests.get(request).is_some_and(|request| request.follows);
        follows.then(|| Self { address: Address { request, ..self.address }, story: Arc::clone(&self.story) })
    }

    /// What has to come later, now that this is sent: with its first request, everything of the story that is late.
    pub(super) fn later(&self) -> impl Iterator<Item = Address> {
        let Address { story, request, is_copy } = self.address;
        let requests = (0..).zip(&self.story.requests).filter(move |_| request == 0 && !is_copy);
        requests.filter(|(_, request)| request.is_late).map(move |(request, _)| Address {
            story,
            request,
            is_copy: false,
        })
    }
}

fn scene(stories: Range<u64>, plan: &Plan, world: &World) -> Vec<Cue> {
    let mut chance = ChaCha8Rng::seed_from_u64(plan.seed ^ stories.start);
    let mut scene = Vec::new();
    for number in stories {
        let story = Arc::new(world.story(number));
        let cue = |address| Cue { address, story: Arc::clone(&story) };
        let mut copies = Vec::new();
        for (position, request) in story.requests.iter().enumerate() {
            if request.is_late || request.follows {
                continue;
            }
            let address = Address { story: number, request: position, is_copy: false };
            scene.push(cue(address));
            if request.is_repeated {
                copies.push(cue(Address { is_copy: true, ..address }));
            }
        }
        scene.extend(copies);
    }
    if plan.disorder.shuffle {
        scene.shuffle(&mut chance);
    }
    scene
}
