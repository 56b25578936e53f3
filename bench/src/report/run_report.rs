//! Data of one run.

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::line::Line;
use super::machine::Machine;
use crate::measurement::Measurement;

/// Lines of all measurements of a run, and the machine they were taken on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RunReport {
    pub(super) machine: Machine,
    is_short: bool,
    pub(super) sections: Vec<Section>,
}

/// Lines of one measurement.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) measurement: Measurement,
    pub(super) lines: Vec<Line>,
}

impl RunReport {
    pub(crate) fn new(machine: Machine, is_short: bool) -> Self {
        Self { machine, is_short, sections: Vec::new() }
    }

    pub(crate) fn add(&mut self, measurement: Measurement, lines: Vec<Line>) {
        self.sections.push(Section { measurement, lines });
    }

    pub(crate) fn as_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.sections.iter().flat_map(|section| &section.lines)
    }
}
