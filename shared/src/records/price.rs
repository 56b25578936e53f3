//! An exact price: 500.10 stays 500.10. It does not pass through a floating-point number.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde_with::{DeserializeFromStr, SerializeDisplay};

/// An amount of at most 18 digits, with at most 4 decimals, not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Price(Decimal);

impl Price {
    const MAX_DIGITS: usize = 18;
    const MAX_DECIMALS: usize = 4;

    /// The amount with the scale that was sent.
    pub fn amount(self) -> Decimal {
        self.0
    }
}

impl FromStr for Price {
    type Err = PriceError;

    fn from_str(text: &str) -> Result<Self, PriceError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if whole.starts_with('-') {
            return Err(PriceError::Negative);
        }
        let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !only_digits(whole) || !only_digits(decimals) {
            return Err(PriceError::NotPlain);
        }
        if whole.len() + decimals.len() > Self::MAX_DIGITS || decimals.len() > Self::MAX_DECIMALS {
            return Err(PriceError::TooLong);
        }
        Decimal::from_str_exact(text).map(Self).map_err(|_| PriceError::NotPlain)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The reason why a number is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("must not be negative")]
    Negative,
    #[error("must be a plain decimal number such as 500.00")]
    NotPlain,
    #[error("must have at most 18 digits, at most 4 of them after the decimal point")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_keeps_every_digit() {
        for text in ["0", "500.10", "99999999999999.9999", "123456789012345678", "0.5000"] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn prices_that_cannot_be_exact_are_refused() {
        assert_eq!("-1".parse::<Price>(), Err(PriceError::Negative));
        assert_eq!("1e3".parse::<Price>(), Err(PriceError::NotPlain));
        assert_eq!("0.00001".parse::<Price>(), Err(PriceError::TooLong));
        assert_eq!("1234567890123456789".parse::<Price>(), Err(PriceError::TooLong));
    }
}
