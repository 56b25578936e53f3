//! Ours and its limit in turns, so that both see the same minutes of the machine, and what is told of several figures. A figure
//! must never be told without its spread.

use std::fmt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

/// Several figures of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// How many figures there were.
    pub(crate) count: usize,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<_> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or(f64::NAN);
        let last = figures.len().saturating_sub(1);
        let median = f64::midpoint(at(last / 2), at(last.div_ceil(2)));
        Self { median, least: at(0), most: at(last), count: figures.len() }
    }
}

/// The median, and the spread where there is one.
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

/// One of ours and one of its limit, measured one right after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<T> {
    pub(crate) ours: T,
    pub(crate) limit: T,
}

/// A B A B: the limit first, then ours, so many times.
pub(crate) async fn in_turns<T>(
    times: usize,
    mut limit: impl AsyncFnMut() -> Result<T>,
    mut ours: impl AsyncFnMut() -> Result<T>,
) -> Result<Vec<Pair<T>>> {
    let mut pairs = Vec::with_capacity(times);
    for _ in 0..times {
        let limit = limit().await?;
        pairs.push(Pair { limit, ours: ours().await? });
    }
    Ok(pairs)
}

/// One figure of each of the pairs.
pub(crate) fn figures<T>(pairs: &[Pair<T>], figure: impl Fn(&T) -> f64) -> Vec<Pair<f64>> {
    pairs.iter().map(|pair| Pair { ours: figure(&pair.ours), limit: figure(&pair.limit) }).collect()
}

/// As far as 2^32; there is nothing to count beyond.
pub(crate) fn number(count: impl TryInto<u32>) -> f64 {
    f64::from(count.try_into().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, least: 1.0, most: 3.0, count: 3 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).to_string(), "2.50 (1.00–4.00)");
        assert_eq!(Spread::of([0.5]).to_string(), "0.50");
        assert!(Spread::of([]).median.is_nan());
    }
}
