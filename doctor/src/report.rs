//! The report: all examinations in their order. Each examination has a timeout, and a failed one does not prevent the next.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::finding::{Finding, Verdict};

/// The timeout of an examination: longer than three exchanges with an unresponsive broker, of five seconds each.
const EXAMINATION_TIMEOUT: Duration = Duration::from_secs(20);

/// The findings of an examination, and the resource that it opened for later ones.
pub(crate) type Reached<T> = (Vec<Finding>, Option<T>);

/// The findings about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// The subject.
    pub name: &'static str,
    /// The findings, at least one.
    pub findings: Vec<Finding>,
}

/// The findings about an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The examinations, in their order.
    pub examinations: Vec<Examination>,
}

impl Report {
    /// All findings.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.examinations.iter().flat_map(|examination| &examination.findings)
    }

    /// The number of findings with this severity.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings().filter(|finding| finding.verdict == verdict).count()
    }

    /// The highest severity of all findings.
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

    /// Runs an examination, and returns the resource that it opened for later ones.
    pub(crate) async fn reach<T>(
        &mut self,
        name: &'static str,
        examining: impl Future<Output = Reached<T>>,
    ) -> Option<T> {
        let examined = timeout(EXAMINATION_TIMEOUT, examining).await.unwrap_or_else(|_| {
            let seen = format!("the examination did not end within {} s", EXAMINATION_TIMEOUT.as_secs());
            let late = Finding::not_examined("examination.timed_out", seen);
            (
                vec![
                    late.remedy("check whether the server or the network is overloaded, and run this again"),
                ],
                None,
            )
        });
        self.note_and_keep(name, examined)
    }
}
