//! A finding. Scripts and runbooks rely on the meaning of its code.

use std::fmt;

use serde::Serialize;

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
