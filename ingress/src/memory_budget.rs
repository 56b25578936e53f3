//! The memory budget of large bodies: those of batches, and of webhooks beyond the usual size. It bounds the memory of a burst, and the
//! part of it that one clinic can hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use careq_http::Reservation;
use http_body_util::BodyExt as _;

/// The budget in units of the largest body.
const BUDGET_IN_LARGEST_BODIES: usize = 3;

/// The largest webhook body that reserves nothing. Most are far smaller, and `ingress.max_requests` bounds their number.
pub(crate) const SMALL_BODY_BYTES: usize = 64 * 1_024;

/// The memory that large bodies share.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    max_bytes: usize,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    bytes: usize,
    /// Clinics that have a reservation.
    by_clinic: HashMap<String, usize>,
}

impl MemoryBudget {
    /// A budget for bodies of at most `max_body_bytes` each.
    pub(crate) fn new(max_body_bytes: usize) -> Arc<Self> {
        let max_bytes = max_body_bytes.saturating_mul(BUDGET_IN_LARGEST_BODIES);
        Arc::new(Self { max_bytes, reserved: Mutex::default() })
    }

    /// An empty reservation for a body of this clinic. A body of at most `small_bytes` reserves nothing.
    pub(crate) fn reservation(self: &Arc<Self>, clinic_id: &str, small_bytes: usize) -> BodyReservation {
        BodyReservation {
            budget: Arc::clone(self),
            clinic_id: clinic_id.to_owned(),
            small_bytes,
            bytes: 0,
            reserved: 0,
        }
    }

    /// Replaces a reservation of `old` bytes by one of `new` bytes. A clinic may hold at most as many bytes as it leaves free: the
    /// first clinic gets half of the budget, and later ones always find some.
    fn replace(&self, clinic_id: &str, old: usize, new: usize) -> bool {
        let mut reserved = self.reserved();
        let total = reserved.bytes - old + new;
        let of_clinic = reserved.by_clinic.get(clinic_id).map_or(0, |bytes| *bytes) - old + new;
        if new > old && total + of_clinic > self.max_bytes {
            return false;
        }
        reserved.bytes = total;
        if of_clinic == 0 {
            reserved.by_clinic.remove(clinic_id);
        } else {
            reserved.by_clinic.insert(clinic_id.to_owned(), of_clinic);
        }
        true
    }

    fn reserved(&self) -> MutexGuard<'_, Reserved> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reservation of one body. Dropping it returns the memory.
#[derive(Debug)]
pub(crate) struct BodyReservation {
    budget: Arc<MemoryBudget>,
    clinic_id: String,
    small_bytes: usize,
    bytes: usize,
    reserved: usize,
}

impl BodyReservation {
    /// Changes the size of the reservation; shrinking always succeeds.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let reserved = if bytes > self.small_bytes { bytes } else { 0 };
        let fits = self.budget.replace(&self.clinic_id, self.reserved, reserved);
        if fits {
            (self.bytes, self.reserved) = (bytes, reserved);
        }
        fits
    }

    /// Keeps the reservation until the body of the response is sent.
    pub(crate) fn until_sent(self, response: Response) -> Response {
        let length = response.body().size_hint().exact();
        let mut response = response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _kept = &self;
                frame
            }))
        });
        // The mapped body has no size hint.
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

impl Reservation for BodyReservation {
    fn grow(&mut self, bytes: usize) -> bool {
        self.resize(self.bytes.saturating_add(bytes))
    }
}

impl Drop for BodyReservation {
    fn drop(&mut self) {
        self.budget.replace(&self.clinic_id, self.reserved, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinic_holds_at_most_as_much_as_it_leaves_free() {
        let budget = Arc::new(MemoryBudget { max_bytes: 40, reserved: Mutex::default() });
        let of = |clinic_id: &str| budget.reservation(clinic_id, 0);
        let (mut first, mut second) = (of("a"), of("a"));
        assert!(first.grow(10) && second.grow(9));
        assert!(!second.grow(2) && !of("a").grow(2), "its half is full");
        assert!(second.grow(1), "a refused growth reserves nothing");
        let (mut third, mut fourth) = (of("b"), of("c"));
        assert!(
            third.grow(10) && !third.grow(1) && fourth.grow(5) && !fourth.grow(1),
            "each gets half of the rest"
        );
        assert!(of("d").grow(2), "a late clinic finds memory");
        assert!(!of("a").grow(1));
        drop(first);
        assert!(of("a").grow(2) && !of("a").grow(3), "the other clinics hold a part of its half now");
        drop((second, third));
        assert!(of("a").grow(17) && !of("a").grow(18));
        assert!(fourth.resize(1) && fourth.resize(0), "shrinking always succeeds");
        drop(fourth);
        let reserved = budget.reserved();
        assert!(
            reserved.bytes == 0 && reserved.by_clinic.is_empty(),
            "a clinic without a reservation has no entry"
        );
    }

    #[test]
    fn a_small_body_reserves_nothing_and_a_larger_one_all_of_its_bytes() {
        let budget = MemoryBudget::new(100);
        let mut reservation = budget.reservation("a", 64);
        assert!(reservation.grow(60) && reservation.grow(4));
        assert_eq!(budget.reserved().bytes, 0);
        assert!(reservation.grow(1));
        assert_eq!(budget.reserved().bytes, 65);
        assert!(reservation.resize(64));
        assert_eq!(budget.reserved().bytes, 0);
    }
}
