//! Fair turns for large bodies. As a document, as records and as a message, a body takes several times its bytes: so few are worked on
//! at the same time. A clinic must never keep another one waiting for longer than one body of its own takes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// So many bodies have their turn at the same time, however small they are: a thousand records that are refused cost as much as others.
const MAX_TURNS: usize = 8;

/// Hands out turns. Of the clinics that wait, the one that has least in work comes next; of several, the one whose last turn began
/// first. None overtakes it, however large its body is.
#[derive(Debug)]
pub(crate) struct Admission {
    bytes: usize,
    /// What one clinic may have in work: the largest body. A quarter of that is left to the others, so that a small body of theirs does
    /// not even wait.
    max_of_clinic: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    turns: u64,
    /// Of those clinics alone that have something here.
    clinics: HashMap<String, Standing>,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
}

/// What a clinic has here.
#[derive(Debug, Default)]
struct Standing {
    taken: usize,
    /// The number of its last turn.
    last: u64,
}

#[derive(Debug)]
struct Waiting {
    clinic_id: String,
    bytes: usize,
    admitted: oneshot::Sender<Turn>,
}

impl Admission {
    /// Turns for bodies of at most so many bytes each.
    pub(crate) fn new(largest_bytes: usize) -> Arc<Self> {
        let max_of_clinic = largest_bytes.max(1);
        let bytes = max_of_clinic.saturating_add(max_of_clinic.div_ceil(4));
        Arc::new(Self { bytes, max_of_clinic, state: Mutex::default() })
    }

    /// A turn for a body of so many bytes; `None` when it does not come in time.
    pub(crate) async fn turn(
        self: &Arc<Self>,
        clinic_id: &str,
        body_bytes: usize,
        within: Duration,
    ) -> Option<Turn> {
        let bytes =
            body_bytes.clamp((self.bytes / MAX_TURNS).max(1).min(self.max_of_clinic), self.max_of_clinic);
        let (admitted, turn) = oneshot::channel();
        self.state().waiting.push_back(Waiting { clinic_id: clinic_id.to_owned(), bytes, admitted });
        self.admit();
        tokio::time::timeout(within, turn).await.ok()?.ok()
    }

    /// Admits as many as there is room for.
    fn admit(self: &Arc<Self>) {
        let mut state = self.state();
        let mut admitted = Vec::new();
        state.waiting.retain(|waiting| !waiting.admitted.is_closed());
        while let Some(next) = self.next(&state).and_then(|place| state.waiting.remove(place)) {
            let Waiting { clinic_id, bytes, admitted: to } = next;
            state.taken += bytes;
            state.turns += 1;
            let last = state.turns;
            let standing = state.clinics.entry(clinic_id.clone()).or_default();
            standing.taken += bytes;
            standing.last = last;
            admitted.push((to, Turn { admission: Arc::clone(self), clinic_id, bytes }));
        }
        drop(state);
        for (to, turn) in admitted {
            // One that has just given up leaves its turn to the next, for which nothing here may be locked.
            to.send(turn).map_err(drop).unwrap_or_default();
        }
    }

    /// The place of the one that comes next, if there is room for it.
    fn next(&self, state: &State) -> Option<usize> {
        let standing = |waiting: &Waiting| {
            state.clinics.get(&waiting.clinic_id).map_or((0, 0), |standing| (standing.taken, standing.last))
        };
        let may =
            |(_, waiting): &(usize, &Waiting)| standing(waiting).0 + waiting.bytes <= self.max_of_clinic;
        let candidates = state.waiting.iter().enumerate().filter(may);
        let (place, next) = candidates.min_by_key(|(_, waiting)| standing(waiting))?;
        (state.taken + next.bytes <= self.bytes).then_some(place)
    }

    fn give_back(&self, clinic_id: &str, bytes: usize) {
        let mut state = self.state();
        state.taken -= bytes;
        let is_waiting = state.waiting.iter().any(|waiting| waiting.clinic_id == clinic_id);
        if let Some(standing) = state.clinics.get_mut(clinic_id) {
            standing.taken -= bytes;
            if standing.taken == 0 && !is_waiting {
                state.clinics.remove(clinic_id);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one body, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    admission: Arc<Admission>,
    clinic_id: String,
    bytes: usize,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.admission.give_back(&self.clinic_id, self.bytes);
        self.admission.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_clinic_leaves_room_for_another_and_its_own_wait() {
        let admission = Admission::new(80);
        let large = admission.turn("a", 80, PATIENCE).await.unwrap();
        assert!(admission.turn("a", 1, PATIENCE).await.is_none(), "it has all that a clinic may have");
        let small = admission.turn("b", 20, PATIENCE).await.unwrap();
        assert!(admission.turn("b", 1, PATIENCE).await.is_none(), "all is taken");
        drop((large, small));
        let whole = admission.turn("a", 990, PATIENCE).await;
        assert!(whole.is_some(), "what is larger than a clinic's share has all of it");
        drop(whole);
        let tiny =
            join_all((0..MAX_TURNS).map(|clinic| admission.turn(["a", "b"][clinic % 2], 1, PATIENCE))).await;
        assert!(tiny.iter().all(Option::is_some));
        assert!(admission.turn("c", 1, PATIENCE).await.is_none(), "the smallest take a part, too");
        drop(tiny);
        let state = admission.state();
        assert!(state.taken == 0 && state.clinics.is_empty(), "{state:?}");
    }

    /// However many of one clinic wait, another one's comes next.
    #[tokio::test(start_paused = true)]
    async fn clinics_take_turns() {
        let admission = Admission::new(80);
        let order = Mutex::new(Vec::new());
        let come = async |clinic: &'static str| {
            let turn = admission.turn(clinic, 80, Duration::from_mins(1)).await.unwrap();
            order.lock().unwrap().push(clinic);
            tokio::time::sleep(Duration::from_millis(10)).await;
            drop(turn);
        };
        join_all(["a", "a", "a", "a", "b", "b", "c"].map(come)).await;
        assert_eq!(*order.lock().unwrap(), ["a", "b", "c", "a", "b", "a", "a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gives_up_is_in_nobodys_way() {
        let admission = Admission::new(80);
        let first = admission.turn("a", 80, PATIENCE).await.unwrap();
        assert!(admission.turn("b", 80, PATIENCE).await.is_none(), "its turn did not come in time");
        assert!(admission.turn("c", 20, PATIENCE).await.is_some());
        let overtaking = async {
            assert!(admission.turn("c", 20, PATIENCE / 2).await.is_none(), "nobody overtakes a large one");
            drop(first);
        };
        let (large, ()) = tokio::join!(admission.turn("b", 80, PATIENCE), overtaking);
        assert!(large.is_some());
    }
}
