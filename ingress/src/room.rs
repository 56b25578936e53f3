//! Room for batches: for the bodies that have come, and for the few that are read and published at the same time. A burst of batches
//! must never take the memory of the process, and with it the webhooks in hand; nor one clinic all of the room.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use careq_http::Share;
use tokio::sync::{Semaphore, SemaphorePermit};

/// There is room for so many of the largest bodies, half of it for one clinic.
const LARGEST_BODIES: usize = 4;

/// So many batches have their turn at the same time, however small they are: a thousand records that are refused cost as much as others.
const MOST_TURNS: u32 = 8;

/// What batches may take.
#[derive(Debug)]
pub(crate) struct BatchRoom {
    bodies_bytes: usize,
    bodies: Mutex<Bodies>,
    /// A permit for each byte of one of the largest bodies. As records and as a message, a batch takes several times its bytes: so
    /// batches take turns, one of the largest at a time, or several smaller ones.
    turns: Semaphore,
    turns_bytes: u32,
}

/// What is taken.
#[derive(Debug, Default)]
struct Bodies {
    bytes: usize,
    /// Of those clinics alone that have something here.
    by_clinic: HashMap<String, usize>,
}

impl BatchRoom {
    /// Room for bodies of at most so many bytes each.
    pub(crate) fn new(body_limit_bytes: usize) -> Self {
        let turns_bytes = u32::try_from(body_limit_bytes.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            bodies_bytes: body_limit_bytes.saturating_mul(LARGEST_BODIES),
            bodies: Mutex::default(),
            turns: Semaphore::new(turns_bytes as usize),
            turns_bytes,
        }
    }

    /// Room for a body of this clinic, of which nothing has come yet.
    pub(crate) fn share(&self, clinic_id: &str) -> BodyShare<'_> {
        BodyShare { room: self, clinic_id: clinic_id.to_owned(), bytes: 0 }
    }

    /// A turn for a body of so many bytes, in the order in which they ask; `None` when it does not come in time.
    pub(crate) async fn turn(&self, body_bytes: usize, within: Duration) -> Option<SemaphorePermit<'_>> {
        let most = self.turns_bytes;
        let permits = u32::try_from(body_bytes).unwrap_or(most).clamp(most / MOST_TURNS, most);
        tokio::time::timeout(within, self.turns.acquire_many(permits)).await.ok()?.ok()
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct BodyShare<'room> {
    room: &'room BatchRoom,
    clinic_id: String,
    bytes: usize,
}

impl Share for BodyShare<'_> {
    fn grow(&mut self, bytes: usize) -> bool {
        let (limit_bytes, mut bodies) = (self.room.bodies_bytes, self.room.bodies());
        let of_clinic = bodies.by_clinic.get(&self.clinic_id).copied().unwrap_or_default() + bytes;
        let fits = bodies.bytes + bytes <= limit_bytes && of_clinic <= limit_bytes / 2;
        if fits {
            bodies.bytes += bytes;
            bodies.by_clinic.insert(self.clinic_id.clone(), of_clinic);
            self.bytes += bytes;
        }
        fits
    }
}

impl Drop for BodyShare<'_> {
    fn drop(&mut self) {
        let mut bodies = self.room.bodies();
        bodies.bytes -= self.bytes;
        if let Some(of_clinic) = bodies.by_clinic.get_mut(&self.clinic_id) {
            *of_clinic -= self.bytes;
            if *of_clinic == 0 {
                bodies.by_clinic.remove(&self.clinic_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    #[test]
    fn a_clinic_has_half_of_it_and_all_have_all() {
        let room = BatchRoom::new(10);
        let (mut first, mut second) = (room.share("clinic_a"), room.share("clinic_a"));
        assert!(first.grow(10) && second.grow(9));
        assert!(!second.grow(2) && !room.share("clinic_a").grow(2), "its half is full");
        assert!(second.grow(1), "what did not fit has taken nothing");
        let (mut third, mut fourth) = (room.share("clinic_b"), room.share("clinic_c"));
        assert!(third.grow(15) && fourth.grow(5));
        assert!(!fourth.grow(1) && !room.share("clinic_d").grow(1), "all is full");
        drop(first);
        assert!(room.share("clinic_a").grow(10), "what ends leaves its room to others");
        drop((second, third, fourth));
        assert!(room.bodies().by_clinic.is_empty(), "nothing is kept of a clinic that has nothing here");
    }

    #[tokio::test(start_paused = true)]
    async fn batches_take_turns_in_the_order_in_which_they_ask() {
        let (room, patience) = (BatchRoom::new(80), Duration::from_secs(1));
        let small = room.turn(30, patience).await.unwrap();
        assert!(room.turn(51, patience).await.is_none(), "its turn did not come in time");
        let overtaking = async {
            assert!(room.turn(1, patience / 2).await.is_none(), "nobody overtakes a large one");
            drop(small);
        };
        let (large, ()) = tokio::join!(room.turn(990, patience), overtaking);
        assert!(large.is_some(), "what is larger than all turns has all of them");
        drop(large);
        let tiny = join_all((0..MOST_TURNS).map(|_| room.turn(1, patience))).await;
        assert!(tiny.iter().all(Option::is_some));
        assert!(room.turn(1, patience).await.is_none(), "the smallest take a part, too");
    }
}
