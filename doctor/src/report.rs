//! The report: all examinations in their order, with their findings. Each examination has a timeout, and a failed one does not prevent
//! the next. Scripts and runbooks rely on the meaning of a finding's code.

use std::fmt;
use std::time::Duration;

use sea_orm::DbErr;
use serde::Serialize;
use tokio::time::timeout;

/// The timeout of an examination: longer than three exchanges with an unresponsive broker, of five seconds each.
const EXAMINATION_TIMEOUT: Duration = Duration::from_secs(20);

/// The findings of an examination, and the resource that it opened for later ones.
pub(crate) type Reached<T> = (Vec<Finding>, Option<T>);

/// The severity of a finding. The highest one is the report's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    #[default]
    Well,
    /// It works, but an operator should check it.
    Warning,
    /// The examination was not possible.
    NotExamined,
    /// Something does not work, or may lose data.
    Error,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Well => "ok",
            Self::Warning => "warning",
            Self::NotExamined => "not examined",
            Self::Error => "error",
        })
    }
}

/// An observation, its consequence and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The code, for scripts: the examination and the finding.
    pub code: &'static str,
    /// The severity.
    pub verdict: Verdict,
    /// The observation.
    pub seen: String,
    /// The consequence; `None` if all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// The remedy; `None` if all is well.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub(crate) fn well(code: &'static str, seen: impl Into<String>) -> Self {
        Self { code, verdict: Verdict::Well, seen: seen.into(), means: None, remedy: None }
    }

    pub(crate) fn warning(code: &'static str, seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, ..Self::well(code, seen) }
    }

    pub(crate) fn not_examined(code: &'static str, seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotExamined, ..Self::well(code, seen) }
    }

    pub(crate) fn error(code: &'static str, seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Error, ..Self::well(code, seen) }
    }

    /// Sets the consequence.
    pub(crate) fn means(self, means: impl Into<String>) -> Self {
        Self { means: Some(means.into()), ..self }
    }

    /// Sets the remedy.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "  {}: {}", self.verdict, self.seen)?;
        if self.verdict != Verdict::Well {
            write!(formatter, "  [{}]", self.code)?;
        }
        for (name, text) in [("it means", &self.means), ("do", &self.remedy)] {
            if let Some(text) = text {
                write!(formatter, "\n      {name}: {text}")?;
            }
        }
        Ok(())
    }
}

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
