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

/// What one player sends next.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) now: Vec<Cue>,
    /// What is kept for the end.
    pub(super) late: Vec<Address>,
}

impl Script {
    pub(super) fn stories() -> Self {
        Self::Stories(AtomicU64::new(0))
    }

    pub(super) fn rest(addresses: Vec<Address>) -> Self {
        Self::Rest(Mutex::new(addresses))
    }

    /// The next requests; `None` at the end.
    pub(super) fn next(&self, plan: &Plan, world: &World) -> Option<Scene> {
        match self {
            Self::Rest(addresses) => {
                let address = addresses.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
                let story = Arc::new(world.story(address.story));
                Some(Scene { now: vec![Cue { address, story }], late: Vec::new() })
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

fn scene(stories: Range<u64>, plan: &Plan, world: &World) -> Scene {
    let mut chance = ChaCha8Rng::seed_from_u64(plan.seed ^ stories.start);
    let mut scene = Scene::default();
    for number in stories {
        let story = Arc::new(world.story(number));
        let cue = |address| Cue { address, story: Arc::clone(&story) };
        let mut copies = Vec::new();
        for (position, request) in story.requests.iter().enumerate() {
            let address = Address { story: number, request: position, is_copy: false };
            if request.is_late {
                scene.late.push(address);
            } else {
                scene.now.push(cue(address));
            }
            if request.is_repeated {
                copies.push(cue(Address { is_copy: true, ..address }));
            }
        }
        scene.now.extend(copies);
    }
    if plan.disorder.shuffle {
        scene.now.shuffle(&mut chance);
    }
    scene
}
