//! One thing that was seen. A code must never change its meaning: scripts and runbooks know it.

use sea_orm::DbErr;
use serde::Serialize;

/// How grave a finding is. The gravest of a report is the report's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    #[default]
    Well,
    /// It works, and somebody should look at it.
    Warning,
    /// It could not be seen whether all is well.
    NotExamined,
    /// Something does not work, or loses what was promised.
    Error,
}

/// What was seen, what it means, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// For scripts: what was examined, and what of it was found.
    pub code: &'static str,
    /// How grave it is.
    pub verdict: Verdict,
    /// What was seen, and where.
    pub seen: String,
    /// What follows from it; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// What to do; nothing where all is well.
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

    /// What follows from what was seen.
    pub(crate) fn means(self, means: impl Into<String>) -> Self {
        Self { means: Some(means.into()), ..self }
    }

    /// What to do.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// The findings of an examination that asks the database; or that it could not be made.
pub(crate) fn or_refused(findings: Result<Vec<Finding>, DbErr>) -> Vec<Finding> {
    findings.unwrap_or_else(|fault| {
        let seen = format!("the database refuses to tell: {fault}");
        vec![
            Finding::not_examined("database.refused", seen)
                .remedy("mend what the other findings about the database name, and run this again"),
        ]
    })
}
