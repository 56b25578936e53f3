//! What the requests of all clinics use together, within limits: requests in flight, or bytes of memory. A clinic that uses nothing has
//! no entry.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limit of a quota.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// None: the uses are only counted.
    None,
    /// In total, and of one clinic.
    Fixed { total: usize, of_clinic: usize },
    /// In total. A clinic may use at most as much as it leaves free: the first clinic gets half, and later ones always find some.
    Halving { total: usize },
}

/// The uses of all clinics.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: Limit,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    total: usize,
    by_clinic: HashMap<String, usize>,
}

impl Quota {
    pub(crate) fn new(limit: Limit) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::default() })
    }

    /// A share of nothing yet.
    pub(crate) fn share(self: &Arc<Self>, clinic_id: &str) -> Share {
        Share { quota: Arc::clone(self), clinic_id: clinic_id.to_owned(), size: 0 }
    }

    /// A share of one; `None` if the limit is reached.
    pub(crate) fn take(self: &Arc<Self>, clinic_id: &str) -> Option<Share> {
        let mut share = self.share(clinic_id);
        share.resize(1).then_some(share)
    }

    /// What a clinic uses.
    pub(crate) fn used_by(&self, clinic_id: &str) -> usize {
        self.used().by_clinic.get(clinic_id).copied().unwrap_or(0)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The share of one request. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    clinic_id: String,
    size: usize,
}

impl Share {
    /// Changes the size, if the limit permits it; shrinking always succeeds.
    pub(crate) fn resize(&mut self, size: usize) -> bool {
        let mut used = self.quota.used();
        let total = used.total - self.size + size;
        let of_clinic = used.by_clinic.get(&self.clinic_id).map_or(0, |used| *used) - self.size + size;
        let fits = match self.quota.limit {
            Limit::None => true,
            Limit::Fixed { total: max_total, of_clinic: max } => total <= max_total && of_clinic <= max,
            Limit::Halving { total: max_total } => total + of_clinic <= max_total,
        };
        if size > self.size && !fits {
            return false;
        }
        used.total = total;
        if of_clinic == 0 {
            used.by_clinic.remove(&self.clinic_id);
        } else if let Some(used) = used.by_clinic.get_mut(&self.clinic_id) {
            *used = of_clinic;
        } else {
            used.by_clinic.insert(self.clinic_id.clone(), of_clinic);
        }
        drop(used);
        self.size = size;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_limited_and_a_clinic_without_requests_has_no_entry() {
        let quota = Quota::new(Limit::Fixed { total: 4, of_clinic: 2 });
        let of_one = [(); 2].map(|()| quota.take("one").unwrap());
        assert!(quota.take("one").is_none());
        assert_eq!((quota.used_by("one"), quota.used_by("other")), (2, 0));
        let others = [quota.take("other").unwrap(), quota.take("third").unwrap()];
        assert!(quota.take("fourth").is_none(), "the total limit is four");
        drop(of_one);
        assert!(quota.take("one").is_some() && quota.take("fourth").is_some());
        drop(others);
        let used = quota.used();
        assert!(used.total == 0 && used.by_clinic.is_empty());
    }

    #[test]
    fn a_clinic_holds_at_most_as_much_as_it_leaves_free() {
        let quota = Quota::new(Limit::Halving { total: 40 });
        let take_share = |clinic_id: &str, size: usize| {
            let mut share = quota.share(clinic_id);
            share.resize(size).then_some(share)
        };
        let (first, mut second) = (take_share("a", 10).unwrap(), take_share("a", 9).unwrap());
        assert!(!second.resize(11) && take_share("a", 2).is_none(), "its half is full");
        assert!(second.resize(10), "a refused growth uses nothing");
        let (mut third, mut fourth) = (take_share("b", 10).unwrap(), take_share("c", 5).unwrap());
        assert!(!third.resize(11) && !fourth.resize(6), "each gets half of the rest");
        assert!(take_share("d", 2).is_some(), "a late clinic finds some");
        assert!(take_share("a", 1).is_none());
        drop(first);
        assert!(
            take_share("a", 2).is_some() && take_share("a", 3).is_none(),
            "the other clinics hold a part of its half now"
        );
        drop((second, third));
        assert!(take_share("a", 17).is_some() && take_share("a", 18).is_none());
        assert!(fourth.resize(1) && fourth.resize(0), "shrinking always succeeds");
        let used = quota.used();
        assert!(used.total == 0 && used.by_clinic.is_empty());
    }
}
