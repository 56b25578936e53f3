//! Too much at once. Whoever is turned away must be counted, by what is full: so an operator sees what to add.

use careq_shared::telemetry::metrics::{TurnedAway, metrics};

use crate::problem::Problem;

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overload {
    /// `ingress.max_requests` are in hand.
    Requests,
    /// There is no room for the body of a batch, for a large one of a webhook, or for a report.
    Bodies,
    /// A large body had no turn in time, for others were before it. They keep their turns until their confirm: a broker that is slow to confirm
    /// fills them, too.
    Turns,
}

impl Overload {
    /// 503.
    pub(crate) fn refuse(self) -> Problem {
        let full = match self {
            Self::Requests => "requests",
            Self::Bodies => "bodies",
            Self::Turns => "turns",
        };
        metrics().turned_away_requests.get_or_create(&TurnedAway { full }).inc();
        Problem::overloaded()
    }
}
