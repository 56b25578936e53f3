//! The report: all examinations in their order. Each examination has a timeout, and a failed one does not prevent the next.

use std::fmt;
use std::time::Duration;

use sea_orm::DbErr;
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

/// The findings about an installation. Its text is for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The examinations, in their order.
    pub examinations: Vec<Examination>,
}

impl Report {
    /// The highest severity of all findings.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.findings().map(|finding| finding.verdict).max().unwrap_or_default()
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.examinations.iter().flat_map(|examination| &examination.findings)
    }

    pub(crate) fn note(&mut self, name: &'static str, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.examinations.push(Examination { name, findings });
        }
    }

    /// Runs an examination.
    pub(crate) async fn add(
        &mut self,
        name: &'static str,
        examining: impl Future<Output = Result<Vec<Finding>, DbErr>>,
    ) {
        let findings = async { examining.await.unwrap_or_else(|fault| vec![query_failed(&fault)]) };
        self.reach(name, async { (findings.await, None::<()>) }).await;
    }

    /// Runs an examination, and returns the resource that it opened for later ones.
    pub(crate) async fn reach<T>(
        &mut self,
        name: &'static str,
        examining: impl Future<Output = Reached<T>>,
    ) -> Option<T> {
        let (findings, reached) = timeout(EXAMINATION_TIMEOUT, examining).await.unwrap_or_else(|_| {
            let seen = format!("the examination did not end within {} s", EXAMINATION_TIMEOUT.as_secs());
            let late = Finding::not_examined("examination.timed_out", seen);
            (vec![late.remedy("check whether the server or the network is overloaded, and repeat")], None)
        });
        self.note(name, findings);
        reached
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Examination { name, findings } in &self.examinations {
            writeln!(formatter, "{name}")?;
            findings.iter().try_for_each(|finding| writeln!(formatter, "{finding}"))?;
        }
        let totals = [Verdict::Error, Verdict::NotExamined, Verdict::Warning, Verdict::Well].map(|verdict| {
            let count = self.findings().filter(|finding| finding.verdict == verdict).count();
            format!("{verdict}: {count}")
        });
        write!(formatter, "\n{}", totals.join(", "))
    }
}

/// The finding of an examination that could not query the database.
pub(crate) fn query_failed(fault: &DbErr) -> Finding {
    Finding::not_examined("database.query_failed", format!("a query failed: {fault}"))
        .remedy("repair what the other findings about the database name, and repeat")
}
