//! Alternating measurements, so that both sides run under the same conditions, and statistics of several values. A value is
//! always shown with its spread.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Median and range of several values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
    /// Number of values.
    count: usize,
}

impl Spread {
    /// Statistics of the values; NaN without any.
    pub(crate) fn from_values(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { median, least: at(0), most: at(last), count: values.len() }
    }
}

/// The median, followed by the range if there are several values.
impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = if self.median >= 100.0 { 0 } else { 2 };
        write!(formatter, "{:.places$}", self.median)?;
        if self.count > 1 {
            write!(formatter, " ({:.places$}–{:.places$})", self.least, self.most)?;
        }
        Ok(())
    }
}

/// A value and that of its baseline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<T> {
    pub(crate) value: T,
    pub(crate) baseline: T,
}

/// Measures two subjects alternately (A B A B), beginning with the baseline.
pub(crate) async fn alternate<Subject: Copy, T>(
    times: usize,
    baseline: Subject,
    subject: Subject,
    mut measure: impl AsyncFnMut(Subject) -> Result<T>,
) -> Result<Vec<Pair<T>>> {
    let mut pairs = Vec::with_capacity(times);
    for _ in 0..times {
        let baseline = measure(baseline).await?;
        pairs.push(Pair { baseline, value: measure(subject).await? });
    }
    Ok(pairs)
}

/// One value of each measurement of the pairs.
pub(crate) fn map_pairs<T>(pairs: &[Pair<T>], select: impl Fn(&T) -> f64) -> Vec<Pair<f64>> {
    pairs.iter().map(|pair| Pair { value: select(&pair.value), baseline: select(&pair.baseline) }).collect()
}

/// Converts a count; one above 2^32 counts as 2^32.
pub(crate) fn to_f64(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_the_two_middle_values() {
        assert_eq!(
            Spread::from_values([3.0, 1.0, 2.0]),
            Spread { median: 2.0, least: 1.0, most: 3.0, count: 3 }
        );
        assert_eq!(Spread::from_values([4.0, 1.0, 2.0, 3.0]).to_string(), "2.50 (1.00–4.00)");
        assert_eq!(Spread::from_values([0.5]).to_string(), "0.50");
        assert!(Spread::from_values([]).median.is_nan());
    }
}
