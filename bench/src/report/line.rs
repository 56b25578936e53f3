//! One line: what was measured, ours, its limit where there is one, their ratio, and the target where there is one.

use serde::{Deserialize, Serialize};

use crate::repeat::{Pair, Spread};

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) beside: Option<Beside>,
    pub(crate) target: Option<Target>,
    /// Its place on the plot.
    pub(crate) point: Option<Point>,
}

/// What ours stands beside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Beside {
    pub(crate) what: String,
    pub(crate) limit: Spread,
    /// Ours by the limit, of each pair.
    pub(crate) ratio: Spread,
}

/// What the figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Microseconds,
    Megabytes,
    Percent,
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Megabytes => "MB",
            Self::Percent => "%",
        }
    }

    pub(crate) const fn more_is_better(self) -> bool {
        matches!(self, Self::PerSecond)
    }
}

/// What the median should reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Target {
    of: Of,
    is_least: bool,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Ours,
    Ratio,
}

/// Latency at an offered rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) rate: u32,
    pub(crate) curve: String,
}

impl Target {
    pub(crate) const fn at_most(bound: f64) -> Self {
        Self { of: Of::Ours, is_least: false, bound }
    }

    pub(crate) const fn at_least(bound: f64) -> Self {
        Self { of: Of::Ours, is_least: true, bound }
    }

    pub(crate) const fn ratio_at_least(bound: f64) -> Self {
        Self { of: Of::Ratio, is_least: true, bound }
    }

    /// As a table has it.
    pub(crate) fn told_of(&self, line: &Line) -> String {
        let sign = if self.is_least { "≥" } else { "≤" };
        let places = if self.of == Of::Ratio { 2 } else { 0 };
        let verdict = if self.is_met(line) { "met" } else { "missed" };
        format!("{sign} {:.places$} {verdict}", self.bound)
    }

    fn is_met(&self, line: &Line) -> bool {
        let figure = match self.of {
            Of::Ours => line.ours.median,
            Of::Ratio => line.beside.as_ref().map_or(f64::NAN, |beside| beside.ratio.median),
        };
        if self.is_least { figure >= self.bound } else { figure <= self.bound }
    }
}

impl Line {
    /// Ours beside its limit.
    pub(crate) fn beside(what: impl Into<String>, unit: Unit, limit: &str, pairs: &[Pair<f64>]) -> Self {
        let beside = Beside {
            what: limit.to_owned(),
            limit: Spread::of(pairs.iter().map(|pair| pair.limit)),
            ratio: Spread::of(pairs.iter().map(|pair| pair.ours / pair.limit)),
        };
        let ours = Spread::of(pairs.iter().map(|pair| pair.ours));
        Self { beside: Some(beside), ..Self::alone(what, unit, ours) }
    }

    /// A figure without a limit.
    pub(crate) fn alone(what: impl Into<String>, unit: Unit, ours: Spread) -> Self {
        Self { what: what.into(), unit, ours, beside: None, target: None, point: None }
    }

    pub(crate) fn with(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    pub(crate) fn at(self, rate: u32, curve: &str) -> Self {
        Self { point: Some(Point { rate, curve: curve.to_owned() }), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_pairs_and_a_target_of_the_median() {
        let pairs = [
            Pair { ours: 8.0, limit: 10.0 },
            Pair { ours: 90.0, limit: 100.0 },
            Pair { ours: 1.0, limit: 10.0 },
        ];
        let line = Line::beside("rate", Unit::PerSecond, "limit", &pairs);
        assert!((line.beside.as_ref().unwrap().ratio.median - 0.8).abs() < 1e-9);
        assert_eq!(Target::ratio_at_least(0.80).told_of(&line), "≥ 0.80 met");
        assert_eq!(Target::ratio_at_least(0.81).told_of(&line), "≥ 0.81 missed");
        assert_eq!(Target::at_most(7.0).told_of(&line), "≤ 7 missed");
    }
}
