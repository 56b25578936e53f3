//! A line of the report: the measured value, and optionally its limit, their ratio, and a target. The fields are those of
//! `docs/performance/results.json`.

use serde::{Deserialize, Serialize};

use crate::statistics::{Pair, Spread};

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) beside: Option<Comparison>,
    pub(crate) target: Option<Target>,
    /// Position on the plot.
    pub(crate) point: Option<Point>,
}

/// Limit with which a value is compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) what: String,
    pub(crate) limit: Spread,
    /// The value divided by the limit, for each pair.
    pub(crate) ratio: Spread,
}

/// Unit of a value.
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

    pub(crate) const fn higher_is_better(self) -> bool {
        matches!(self, Self::PerSecond)
    }
}

/// Bound that the median should reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Target {
    of: TargetOf,
    is_least: bool,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetOf {
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
        Self { of: TargetOf::Ours, is_least: false, bound }
    }

    pub(crate) const fn at_least(bound: f64) -> Self {
        Self { of: TargetOf::Ours, is_least: true, bound }
    }

    pub(crate) const fn ratio_at_least(bound: f64) -> Self {
        Self { of: TargetOf::Ratio, is_least: true, bound }
    }

    /// The bound, and whether the line reaches it, for a table.
    pub(crate) fn verdict(&self, line: &Line) -> String {
        let sign = if self.is_least { "≥" } else { "≤" };
        let places = if self.of == TargetOf::Ratio { 2 } else { 0 };
        let verdict = if self.is_met(line) { "met" } else { "missed" };
        format!("{sign} {:.places$} {verdict}", self.bound)
    }

    fn is_met(&self, line: &Line) -> bool {
        let value = match self.of {
            TargetOf::Ours => line.ours.median,
            TargetOf::Ratio => line.beside.as_ref().map_or(f64::NAN, |beside| beside.ratio.median),
        };
        if self.is_least { value >= self.bound } else { value <= self.bound }
    }
}

impl Line {
    /// A value compared with its limit.
    pub(crate) fn compared(what: impl Into<String>, unit: Unit, limit: &str, pairs: &[Pair<f64>]) -> Self {
        let beside = Comparison {
            what: limit.to_owned(),
            limit: Spread::of(pairs.iter().map(|pair| pair.limit)),
            ratio: Spread::of(pairs.iter().map(|pair| pair.ours / pair.limit)),
        };
        let ours = Spread::of(pairs.iter().map(|pair| pair.ours));
        Self { beside: Some(beside), ..Self::single(what, unit, ours) }
    }

    /// A value without a limit.
    pub(crate) fn single(what: impl Into<String>, unit: Unit, ours: Spread) -> Self {
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
    fn a_ratio_is_computed_for_pairs_and_a_target_applies_to_the_median() {
        let pairs = [
            Pair { ours: 8.0, limit: 10.0 },
            Pair { ours: 90.0, limit: 100.0 },
            Pair { ours: 1.0, limit: 10.0 },
        ];
        let line = Line::compared("rate", Unit::PerSecond, "limit", &pairs);
        assert!((line.beside.as_ref().unwrap().ratio.median - 0.8).abs() < 1e-9);
        assert_eq!(Target::ratio_at_least(0.80).verdict(&line), "≥ 0.80 met");
        assert_eq!(Target::ratio_at_least(0.81).verdict(&line), "≥ 0.81 missed");
        assert_eq!(Target::at_most(7.0).verdict(&line), "≤ 7 missed");
    }
}
