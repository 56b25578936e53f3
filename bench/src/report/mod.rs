//! What was measured, for people and for scripts. It must never call a target met that was not seen to be.

mod line;
mod machine;
mod recorded;

mod document;
mod plot;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub(crate) use line::{Line, Target, Unit};
pub(crate) use machine::Machine;
pub(crate) use recorded::Recorded;

use crate::measure::Measurement;

/// One run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    machine: Machine,
    is_short: bool,
    sections: Vec<Section>,
}

/// What one measurement has shown.
#[derive(Debug, Serialize, Deserialize)]
struct Section {
    measurement: Measurement,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) fn new(machine: Machine, is_short: bool) -> Self {
        Self { machine, is_short, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, measurement: Measurement, lines: Vec<Line>) {
        self.sections.push(Section { measurement, lines });
    }

    /// The table, and what has become slower since the recorded run.
    pub(crate) fn as_text(&self, recorded: Option<&Recorded>) -> String {
        let mut text = table::text(self);
        if let Some(recorded) = recorded {
            text.push_str(&recorded.compared(self));
        }
        text
    }

    pub(crate) fn as_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Writes `docs/performance/results.md`, the same as JSON, and the plot.
    pub(crate) fn record(&self, before: Option<&Recorded>) -> Result<()> {
        std::fs::create_dir_all(docs()?)?;
        let compared = before.map(|before| before.compared(self)).unwrap_or_default();
        std::fs::write(docs()?.join("results.md"), document::markdown(self, &compared))?;
        std::fs::write(recorded::file()?, self.as_json()?)?;
        plot::latency(self, &docs()?.join("results.svg"))
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.sections.iter().flat_map(|section| &section.lines)
    }
}

fn docs() -> Result<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(root.parent().context("the bench is in the workspace")?.join("docs/performance"))
}
