//! Numbers as types, so that a height is never mistaken for a leaf index.

use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The number itself.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// One more. Saturates, which no running mesh reaches.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }
    };
}

number! {
    /// A block's number. Genesis is height 0 and has no block; the first block is height 1.
    Height
}
number! {
    /// The span between two committee changes. Genesis opens epoch 0.
    Epoch
}
number! {
    /// An entry's position in the certificate log, from 0.
    LeafIndex
}
number! {
    /// The number of a member's batch: each batch uses the member's next one, once.
    Sequence
}
number! {
    /// An amount of the ledger's currency in millionths.
    MicroCaesar
}

impl Height {
    /// The height before the first block.
    pub const GENESIS: Self = Self(0);
}

impl MicroCaesar {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// One whole Caesar, in millionths.
    pub const ONE: Self = Self(1_000_000);

    /// The amount for people: in whole Caesar, with as many decimals as it needs.
    #[must_use]
    pub const fn in_caesar(self) -> InCaesar {
        InCaesar(self)
    }

    /// The sum, or `None` if it does not fit.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` if it would be negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

/// An amount that prints in whole Caesar: `12 Caesar`, `0.5 Caesar`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InCaesar(MicroCaesar);

impl fmt::Display for InCaesar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut rest) = (self.0.0 / MicroCaesar::ONE.0, self.0.0 % MicroCaesar::ONE.0);
        if rest == 0 {
            return write!(formatter, "{whole} Caesar");
        }
        let mut decimals = 6;
        while rest.is_multiple_of(10) {
            (rest, decimals) = (rest / 10, decimals - 1);
        }
        write!(formatter, "{whole}.{rest:0decimals$} Caesar")
    }
}
