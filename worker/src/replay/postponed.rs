//! Dead letters that the broker did not confirm. The next steps leave their clinics out, so that the unavailable queue of one clinic does
//! not delay the dead letters of the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use careq_shared::backoff::Backoff;
use uuid::Uuid;

use super::publish::Unconfirmed;

/// Maximum pause after a step of which nothing was confirmed. The lease is renewed in between, and a pause or cancellation takes effect.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// How long a clinic is left out, in pauses. Meanwhile the other clinics have that many steps at least.
const PAUSES_LEFT_OUT: u32 = 5;

/// Clinics and whole messages that are left out, each until a time.
#[derive(Debug, Default)]
pub(super) struct Postponed {
    backoff: Backoff,
    clinics: BTreeMap<String, Instant>,
    /// Dead letters of whole messages, whose rows have no clinic.
    messages: BTreeMap<Uuid, Instant>,
}

impl Postponed {
    /// Adds the unconfirmed dead letters of a step. Returns the pause that follows if nothing else of the step was confirmed.
    pub(super) fn add(&mut self, now: Instant, unconfirmed: Unconfirmed) -> Duration {
        if unconfirmed.letters == 0 {
            if self.is_empty() {
                self.backoff.reset();
            }
            return Duration::ZERO;
        }
        let pause = self.backoff.next_delay().min(MAX_PAUSE);
        let until = now + pause * PAUSES_LEFT_OUT;
        self.clinics.extend(unconfirmed.clinics.into_iter().map(|clinic_id| (clinic_id, until)));
        self.messages.extend(unconfirmed.messages.into_iter().map(|letter| (letter, until)));
        pause
    }

    /// Removes what is tried again.
    pub(super) fn remove_due(&mut self, now: Instant) {
        self.clinics.retain(|_, until| *until > now);
        self.messages.retain(|_, until| *until > now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.clinics.is_empty() && self.messages.is_empty()
    }

    /// Ids of the clinics.
    pub(super) fn clinics(&self) -> impl Iterator<Item = &str> {
        self.clinics.keys().map(String::as_str)
    }

    /// Dead letters of the whole messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = Uuid> {
        self.messages.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unconfirmed() -> Unconfirmed {
        Unconfirmed { letters: 1, clinics: ["clinic_abc".to_owned()].into(), ..Unconfirmed::default() }
    }

    #[test]
    fn a_clinic_is_left_out_for_longer_than_a_pause() {
        let (began, mut postponed) = (Instant::now(), Postponed::default());
        let pause = postponed.add(began, unconfirmed());
        assert!(pause > Duration::ZERO);
        postponed.remove_due(began + pause);
        assert_eq!(postponed.clinics().collect::<Vec<_>>(), ["clinic_abc"]);
        postponed.remove_due(began + pause * PAUSES_LEFT_OUT);
        assert!(postponed.is_empty());
    }

    #[test]
    fn pauses_grow_until_nothing_is_left_out() {
        let (began, mut postponed) = (Instant::now(), Postponed::default());
        let mut longest = Duration::ZERO;
        for _ in 0..30 {
            longest = longest.max(postponed.add(began, unconfirmed()));
            // A step of other clinics.
            postponed.add(began, Unconfirmed::default());
        }
        assert_eq!(longest, MAX_PAUSE);
        postponed.remove_due(began + MAX_PAUSE * PAUSES_LEFT_OUT);
        postponed.add(began, Unconfirmed::default());
        assert!(postponed.add(began, unconfirmed()) <= Duration::from_millis(150));
    }
}
