//! Everything that was found, in the order in which it was looked at. None that asks a server may take longer than its deadline, and
//! none that fails may keep the next one from being made.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::finding::{Finding, Verdict};

/// Longer than all that is asked within it: three exchanges with a broker that does not answer, of five seconds each.
const DEADLINE: Duration = Duration::from_secs(20);

/// What an examination has found, and what it has reached for the next ones.
pub(crate) type Reached<T> = (Vec<Finding>, Option<T>);

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// What was examined.
    pub name: &'static str,
    /// At least one.
    pub findings: Vec<Finding>,
}

/// What was found of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order in which they were made.
    pub examinations: Vec<Examination>,
}

impl Report {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.examinations.iter().flat_map(|examination| &examination.findings)
    }

    /// How many findings there are of this gravity.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings().filter(|finding| finding.verdict == verdict).count()
    }

    /// The gravest finding's.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings().map(|finding| finding.verdict).max().unwrap_or_default()
    }

    pub(crate) fn note(&mut self, name: &'static str, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.examinations.push(Examination { name, findings });
        }
    }

    pub(crate) fn note_and_keep<T>(
        &mut self,
        name: &'static str,
        (findings, reached): Reached<T>,
    ) -> Option<T> {
        self.note(name, findings);
        reached
    }

    pub(crate) async fn add(&mut self, name: &'static str, examining: impl Future<Output = Vec<Finding>>) {
        self.reach(name, async { (examining.await, None::<()>) }).await;
    }

    /// Examines what others need, and hands it on.
    pub(crate) async fn reach<T>(
        &mut self,
        name: &'static str,
        examining: impl Future<Output = Reached<T>>,
    ) -> Option<T> {
        let examined = timeout(DEADLINE, examining).await.unwrap_or_else(|_| {
            let seen = format!("there was no end of it within {} s", DEADLINE.as_secs());
            let late = Finding::not_examined("examination.timed_out", seen);
            (
                vec![late.remedy("look whether the server or the network is overloaded, and run this again")],
                None,
            )
        });
        self.note_and_keep(name, examined)
    }
}
