//! Amounts as people write them: whole Caesar with up to six decimals.

use hypermesh_core::base::MicroCaesar;
use std::fmt;
use std::str::FromStr;

/// An amount of money that reads and prints in whole Caesar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub MicroCaesar);

/// A text that is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an amount in Caesar with at most six decimals, such as 12 or 0.5, and below 18446744073709"
)]
pub struct InvalidAmount;

impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS {
            return Err(InvalidAmount);
        }
        let whole: u64 = whole.parse().map_err(|_| InvalidAmount)?;
        let millionths: u64 = format!("{decimals:0<DECIMALS$}").parse().map_err(|_| InvalidAmount)?;
        let sum = whole.checked_mul(MicroCaesar::ONE.0).and_then(|whole| whole.checked_add(millionths));
        sum.map(|sum| Self(MicroCaesar(sum))).ok_or(InvalidAmount)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.in_caesar().fmt(formatter)
    }
}

const DECIMALS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let micro = |text: &str| text.parse::<Amount>().map(|amount| amount.0.0);
        assert_eq!(micro("1"), Ok(1_000_000));
        assert_eq!(micro("0.5"), Ok(500_000));
        assert_eq!(micro("0.000001"), Ok(1));
        assert_eq!(micro("18446744073709.551615"), Ok(u64::MAX));
        assert_eq!(micro("18446744073709.551616"), Err(InvalidAmount));
        for text in ["", ".", "1.", ".5", "-1", "+1", "1,5", "1.0000001", "1e3", " 1", "1.2.3", "٣"] {
            assert_eq!(micro(text), Err(InvalidAmount), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micro in any::<u64>()) {
            let amount = Amount(MicroCaesar(micro));
            let text = amount.to_string();
            prop_assert_eq!(text.strip_suffix(" Caesar").unwrap().parse(), Ok(amount));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _outcome = text.parse::<Amount>();
        }
    }
}
