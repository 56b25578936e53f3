//! Requests by clinic, so that a burst of one clinic is no burst of another. Nothing must be kept of a clinic that has none.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

/// Counts requests, together and by clinic.
#[derive(Debug)]
pub(crate) struct ByClinic {
    max: usize,
    max_of_clinic: usize,
    total: AtomicUsize,
    counts: DashMap<String, usize>,
}

/// A request that is counted, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted<'counter> {
    counter: &'counter ByClinic,
    clinic_id: String,
}

impl ByClinic {
    /// Counts at most so many.
    pub(crate) fn new(max: usize, max_of_clinic: usize) -> Self {
        Self { max, max_of_clinic, total: AtomicUsize::new(0), counts: DashMap::new() }
    }

    /// Counts whatever comes.
    pub(crate) fn unlimited() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }

    /// Counts a request of this clinic; `None` when there are too many.
    pub(crate) fn enter(&self, clinic_id: &str) -> Option<Counted<'_>> {
        let mut of_clinic = self.counts.entry(clinic_id.to_owned()).or_default();
        *of_clinic += 1;
        let fits = *of_clinic <= self.max_of_clinic;
        drop(of_clinic);
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let counted = Counted { counter: self, clinic_id: clinic_id.to_owned() };
        // What does not fit is taken back as it is dropped.
        (fits && total <= self.max).then_some(counted)
    }

    /// How many this clinic has.
    pub(crate) fn of(&self, clinic_id: &str) -> usize {
        self.counts.get(clinic_id).map_or(0, |count| *count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.counter.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(mut count) = self.counter.counts.get_mut(&self.clinic_id) {
            *count -= 1;
        }
        self.counter.counts.remove_if(&self.clinic_id, |_, count| *count == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clinic_has_its_part_and_nothing_is_kept() {
        let counter = ByClinic::new(4, 2);
        let of_one = [(); 2].map(|()| counter.enter("one").unwrap());
        assert!(counter.enter("one").is_none());
        assert_eq!((counter.of("one"), counter.of("other")), (2, 0));
        let _others = [counter.enter("other").unwrap(), counter.enter("third").unwrap()];
        assert!(counter.enter("fourth").is_none(), "four are all");
        drop(of_one);
        assert!(counter.enter("one").is_some() && counter.enter("fourth").is_some());
        assert_eq!((counter.counts.len(), counter.total.load(Ordering::Relaxed)), (2, 2));
    }
}
