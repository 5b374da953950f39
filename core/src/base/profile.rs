//! Named sets of parameters. Genesis fixes one, and it is part of the genesis hash: a certificate of a
//! devnet never verifies under a production trust bundle.

use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A named set of parameters.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For meshes that matter: a plot of 1 GiB, a beacon a minute.
    Production,
    /// For trying things out on one machine: plots in seconds.
    Devnet,
    /// For the simulator: plots in less than a millisecond. The proofs are as real as the others.
    Sim,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Production, Self::Devnet, Self::Sim];

    /// The profile's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Devnet => "devnet",
            Self::Sim => "sim",
        }
    }

    /// At least this much block time lies between two beacons.
    #[must_use]
    pub const fn beacon_ms_period(self) -> u64 {
        match self {
            Self::Production => 60_000,
            Self::Devnet => 30_000,
            Self::Sim => 10_000,
        }
    }

    /// A ticket must be on chain within this much block time after its beacon.
    #[must_use]
    pub const fn ticket_ms_deadline(self) -> u64 {
        match self {
            Self::Production | Self::Devnet => 20_000,
            Self::Sim => 8_000,
        }
    }

    /// What a member takes out of its stake comes into its account after this much block time.
    #[must_use]
    pub const fn unbonding_ms_delay(self) -> u64 {
        const HOUR: u64 = 60 * 60 * 1000;
        match self {
            Self::Production => 21 * 24 * HOUR,
            Self::Devnet => HOUR / 6,
            Self::Sim => 24 * HOUR,
        }
    }

    /// Evidence of a contradiction older than this, in block time, is not taken any more: less than unbonding takes.
    #[must_use]
    pub const fn evidence_ms_max(self) -> u64 {
        self.unbonding_ms_delay() / 3
    }

    /// As many operations in a block as leave the fees as they are.
    #[must_use]
    pub const fn fee_target_operations(self) -> u64 {
        match self {
            Self::Production | Self::Devnet => 512,
            Self::Sim => 16,
        }
    }

    /// A mesh with nothing to do makes a block this often.
    #[must_use]
    pub const fn heartbeat(self) -> Duration {
        match self {
            Self::Production => Duration::from_secs(5),
            Self::Devnet | Self::Sim => Duration::from_secs(2),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name that no profile bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile: expected production, devnet or sim")]
pub struct UnknownProfile;

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == text).ok_or(UnknownProfile)
    }
}
