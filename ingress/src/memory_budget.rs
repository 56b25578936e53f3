//! Room for large bodies that have come: those of batches, and of webhooks beyond the usual size. A burst of them must never take the
//! memory of the process, and with it the webhooks in hand; nor one clinic all of the room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use careq_http::Share;
use http_body_util::BodyExt as _;

/// There is room for so many of the largest bodies.
const LARGEST_BODIES: usize = 3;

/// The largest body of a webhook that takes no room: most are far smaller, and there are never more of them than requests.
pub(crate) const SMALL_BYTES: usize = 64 * 1_024;

/// What large bodies may take.
#[derive(Debug)]
pub(crate) struct Room {
    limit_bytes: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: usize,
    /// Of those clinics alone that have something here.
    by_clinic: HashMap<String, usize>,
}

impl Room {
    /// Room for bodies of at most so many bytes each.
    pub(crate) fn new(max_body_bytes: usize) -> Arc<Self> {
        let limit_bytes = max_body_bytes.saturating_mul(LARGEST_BODIES);
        Arc::new(Self { limit_bytes, taken: Mutex::default() })
    }

    /// The share of a body of this clinic, of which nothing has come yet. One that is not larger than so many bytes takes nothing.
    pub(crate) fn share(self: &Arc<Self>, clinic_id: &str, small_bytes: usize) -> BodyShare {
        BodyShare { room: Arc::clone(self), clinic_id: clinic_id.to_owned(), small_bytes, bytes: 0, taken: 0 }
    }

    /// Takes so many bytes of a clinic for those that it gives back. No clinic may have more than it leaves free: so the first one has
    /// half of the room, and those that come later always find some.
    fn exchange(&self, clinic_id: &str, given: usize, wanted: usize) -> bool {
        let mut taken = self.taken();
        let bytes = taken.bytes - given + wanted;
        let of_clinic = taken.by_clinic.get(clinic_id).copied().unwrap_or_default() - given + wanted;
        if wanted > given && bytes + of_clinic > self.limit_bytes {
            return false;
        }
        taken.bytes = bytes;
        if of_clinic == 0 {
            taken.by_clinic.remove(clinic_id);
        } else {
            taken.by_clinic.insert(clinic_id.to_owned(), of_clinic);
        }
        true
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct BodyShare {
    room: Arc<Room>,
    clinic_id: String,
    small_bytes: usize,
    bytes: usize,
    taken: usize,
}

impl BodyShare {
    /// Takes so many bytes instead of those that it has; fewer always fit.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let wanted = if bytes > self.small_bytes { bytes } else { 0 };
        let fits = self.room.exchange(&self.clinic_id, self.taken, wanted);
        if fits {
            (self.bytes, self.taken) = (bytes, wanted);
        }
        fits
    }

    /// Keeps the share as long as the body of an answer is not handed over.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        let length = response.body().size_hint().exact();
        let mut response = response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _kept = &self;
                frame
            }))
        });
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

impl Share for BodyShare {
    fn grow(&mut self, bytes: usize) -> bool {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.room.exchange(&self.clinic_id, self.taken, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinic_has_no_more_than_it_leaves_to_the_others() {
        let room = Arc::new(Room { limit_bytes: 40, taken: Mutex::default() });
        let share = |clinic_id: &str| room.share(clinic_id, 0);
        let (mut first, mut second) = (share("a"), share("a"));
        assert!(first.grow(10) && second.grow(9));
        assert!(!second.grow(2) && !share("a").grow(2), "its half is full");
        assert!(second.grow(1), "what did not fit has taken nothing");
        let (mut third, mut fourth) = (share("b"), share("c"));
        assert!(
            third.grow(10) && !third.grow(1) && fourth.grow(5) && !fourth.grow(1),
            "halves of what is left"
        );
        assert!(share("d").grow(2), "one that comes late finds room");
        assert!(!share("a").grow(1));
        drop(first);
        assert!(share("a").grow(2) && !share("a").grow(3), "the others have some of its half now");
        drop((second, third));
        assert!(share("a").grow(17) && !share("a").grow(18));
        assert!(fourth.resize(1) && fourth.resize(0), "fewer always fit");
        drop(fourth);
        let taken = room.taken();
        assert!(
            taken.bytes == 0 && taken.by_clinic.is_empty(),
            "nothing is kept of a clinic that has nothing here"
        );
    }

    #[test]
    fn a_small_body_takes_nothing_and_a_larger_one_all_of_it() {
        let room = Room::new(100);
        let mut share = room.share("a", 64);
        assert!(share.grow(60) && share.grow(4));
        assert_eq!(room.taken().bytes, 0);
        assert!(share.grow(1));
        assert_eq!(room.taken().bytes, 65);
        assert!(share.resize(64));
        assert_eq!(room.taken().bytes, 0);
    }
}
