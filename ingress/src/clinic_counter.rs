//! Counts requests in total and by clinic, with a limit for each. A clinic without requests has no entry.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

/// Counts requests in total and by clinic.
#[derive(Debug)]
pub(crate) struct ClinicCounter {
    max_total: usize,
    max_per_clinic: usize,
    total: AtomicUsize,
    counts: DashMap<String, usize>,
}

/// A counted request. Dropping it decreases the counts.
#[derive(Debug)]
pub(crate) struct CountedRequest<'counter> {
    counter: &'counter ClinicCounter,
    clinic_id: String,
}

impl ClinicCounter {
    /// A counter with limits.
    pub(crate) fn new(max_total: usize, max_per_clinic: usize) -> Self {
        Self { max_total, max_per_clinic, total: AtomicUsize::new(0), counts: DashMap::new() }
    }

    /// A counter without limits.
    pub(crate) fn unlimited() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }

    /// Counts a request of a clinic; `None` if a limit is reached.
    pub(crate) fn enter(&self, clinic_id: &str) -> Option<CountedRequest<'_>> {
        let mut count = self.counts.entry(clinic_id.to_owned()).or_default();
        *count += 1;
        let fits = *count <= self.max_per_clinic;
        drop(count);
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let counted = CountedRequest { counter: self, clinic_id: clinic_id.to_owned() };
        // Beyond a limit, the guard is dropped here and undoes both counts.
        (fits && total <= self.max_total).then_some(counted)
    }

    /// The number of requests of this clinic.
    pub(crate) fn count(&self, clinic_id: &str) -> usize {
        self.counts.get(clinic_id).map_or(0, |count| *count)
    }
}

impl Drop for CountedRequest<'_> {
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
    fn counts_are_limited_and_a_clinic_without_requests_has_no_entry() {
        let counter = ClinicCounter::new(4, 2);
        let of_one = [(); 2].map(|()| counter.enter("one").unwrap());
        assert!(counter.enter("one").is_none());
        assert_eq!((counter.count("one"), counter.count("other")), (2, 0));
        let _others = [counter.enter("other").unwrap(), counter.enter("third").unwrap()];
        assert!(counter.enter("fourth").is_none(), "the total limit is four");
        drop(of_one);
        assert!(counter.enter("one").is_some() && counter.enter("fourth").is_some());
        assert_eq!((counter.counts.len(), counter.total.load(Ordering::Relaxed)), (2, 2));
    }
}
