//! A line of the report: the measured value, and optionally its baseline, their ratio, and a target. The fields are those of
//! `docs/performance/results.json`.

use serde::{Deserialize, Serialize};

use crate::statistics::{Pair, Spread};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) baseline: Option<Baseline>,
    pub(crate) target: Option<Target>,
}

/// A measurement with which a value is compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) what: String,
    pub(crate) value: Spread,
    /// Our value divided by that of the baseline, for each pair.
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
}

/// Bound that the median of the values or of the ratios should reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
    RatioAtLeast(f64),
}

impl Line {
    /// A value compared with its baseline.
    pub(crate) fn compared(what: impl Into<String>, unit: Unit, baseline: &str, pairs: &[Pair<f64>]) -> Self {
        let baseline = Baseline {
            what: baseline.to_owned(),
            value: Spread::from_values(pairs.iter().map(|pair| pair.baseline)),
            ratio: Spread::from_values(pairs.iter().map(|pair| pair.value / pair.baseline)),
        };
        let ours = pairs.iter().map(|pair| pair.value);
        Self { baseline: Some(baseline), ..Self::single(what, unit, ours) }
    }

    /// A value without a baseline.
    pub(crate) fn single(what: impl Into<String>, unit: Unit, ours: impl IntoIterator<Item = f64>) -> Self {
        Self { what: what.into(), unit, ours: Spread::from_values(ours), baseline: None, target: None }
    }

    pub(crate) fn with(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    /// The bound of the target, and whether the line reaches it; empty without a target.
    pub(super) fn verdict(&self) -> String {
        let ratio = self.baseline.as_ref().map_or(f64::NAN, |baseline| baseline.ratio.median);
        let (is_met, bound) = match self.target {
            None => return String::new(),
            Some(Target::AtMost(bound)) => (self.ours.median <= bound, format!("≤ {bound:.0}")),
            Some(Target::AtLeast(bound)) => (self.ours.median >= bound, format!("≥ {bound:.0}")),
            Some(Target::RatioAtLeast(bound)) => (ratio >= bound, format!("≥ {bound:.2}")),
        };
        format!("{bound} {}", if is_met { "met" } else { "missed" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_computed_for_pairs_and_a_target_applies_to_the_median() {
        let pairs =
            [(8.0, 10.0), (90.0, 100.0), (1.0, 10.0)].map(|(value, baseline)| Pair { value, baseline });
        let line = Line::compared("rate", Unit::PerSecond, "baseline", &pairs);
        assert!((line.baseline.as_ref().unwrap().ratio.median - 0.8).abs() < 1e-9);
        let verdict = |target| line.clone().with(target).verdict();
        assert_eq!(verdict(Target::RatioAtLeast(0.80)), "≥ 0.80 met");
        assert_eq!(verdict(Target::RatioAtLeast(0.81)), "≥ 0.81 missed");
        assert_eq!(verdict(Target::AtMost(7.0)), "≤ 7 missed");
    }
}
