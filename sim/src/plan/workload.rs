//! What clients ask for in a run.

use crate::world::Place;
use serde::{Deserialize, Serialize};

/// A request, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedRequest {
    /// When it is asked, in milliseconds since the chaos began.
    pub at_ms: u64,
    /// Which node is asked, from 0.
    pub place: Place,
    /// What is asked; its number in the list makes it unlike all others.
    pub ask: Ask,
    /// What the client does after that.
    #[serde(default)]
    pub then: Then,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Ask {
    /// A certificate.
    Issue,
    /// A certificate for the same name as that of an earlier request, by its number.
    Renew {
        /// Which.
        of: usize,
    },
    /// The revocation of the certificate that an earlier request got; nothing if it has none yet.
    Revoke {
        /// Which.
        of: usize,
    },
    /// A name of the client's own.
    Register,
    /// Records for the client's name.
    Update {
        /// Whether for the one name that all such requests write.
        hot: bool,
    },
    /// The records of the name that updates write.
    Resolve,
    /// The same, with proof: what does not hold is not taken.
    Prove,
    /// An instance of a service that all such requests announce to be of.
    Announce {
        /// How long its lease is.
        lease_seconds: u32,
    },
    /// An amount to another owner, in millionths.
    Transfer {
        /// How much.
        amount: u64,
    },
}

/// What a client does after it has asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Then {
    /// It waits, and asks once more when the mesh is whole again.
    #[default]
    Wait,
    /// It never asks again.
    GiveUp,
    /// It asks another node for the same.
    RetryElsewhere {
        /// Which.
        place: Place,
        /// After how long, in milliseconds.
        after_ms: u64,
    },
    /// It asks the same node for the same.
    Repeat {
        /// After how long, in milliseconds.
        after_ms: u64,
    },
}
