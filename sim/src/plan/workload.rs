//! What clients ask for in a run.

use super::forbidden::ForbiddenRequest;
use crate::base::NodeIndex;
use serde::{Deserialize, Serialize};

/// A request, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimedRequest {
    /// When it is asked, in milliseconds since the chaos began.
    pub at_ms: u64,
    /// Which node is asked, from 0.
    pub place: NodeIndex,
    /// What is asked; its number in the list makes it unlike all others.
    pub ask: ClientRequest,
    /// What the client does after that.
    #[serde(default)]
    pub then: FollowUp,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ClientRequest {
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
    /// What makes a later request of this kind ask for something that is not allowed.
    Prepare {
        /// For which.
        what: ForbiddenRequest,
    },
    /// What is allowed, and with it something that is not.
    ForbiddenRequest {
        /// What is not.
        what: ForbiddenRequest,
    },
    /// Somebody else's revocation of the certificate that an earlier request got; nothing if it has none yet.
    ForeignRevoke {
        /// Which.
        of: usize,
    },
    /// The report that the key of the certificate that an earlier request got is compromised; nothing if it has none yet.
    Compromise {
        /// Which.
        of: usize,
    },
    /// A certificate for the key of an earlier request.
    SameKey {
        /// Which.
        of: usize,
        /// Whether another owner asks, for a name of its own.
        other: bool,
    },
    /// A name below the client's, granted to another owner.
    Grant {
        /// After how long the grant ends, in milliseconds, if it does.
        for_ms: Option<u64>,
    },
    /// What the other owner asks for at the name that an earlier request grants, whether it is still theirs or not.
    UseGrant {
        /// Which.
        of: usize,
        /// Whether records, or else a certificate.
        records: bool,
    },
    /// The name back that an earlier request grants.
    Reclaim {
        /// Which.
        of: usize,
        /// Whether the other owner asks for it.
        other: bool,
    },
}

impl ClientRequest {
    /// The earlier request that it refers to, by its number.
    #[must_use]
    pub const fn of(&self) -> Option<usize> {
        match self {
            Self::Renew { of }
            | Self::Revoke { of }
            | Self::ForeignRevoke { of }
            | Self::Compromise { of }
            | Self::SameKey { of, .. }
            | Self::UseGrant { of, .. }
            | Self::Reclaim { of, .. } => Some(*of),
            Self::Issue
            | Self::Register
            | Self::Grant { .. }
            | Self::Update { .. }
            | Self::Resolve
            | Self::Prove
            | Self::Announce { .. }
            | Self::Transfer { .. }
            | Self::Prepare { .. }
            | Self::ForbiddenRequest { .. } => None,
        }
    }

    /// The same, to be changed.
    pub const fn of_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Renew { of }
            | Self::Revoke { of }
            | Self::ForeignRevoke { of }
            | Self::Compromise { of }
            | Self::SameKey { of, .. }
            | Self::UseGrant { of, .. }
            | Self::Reclaim { of, .. } => Some(of),
            Self::Issue
            | Self::Register
            | Self::Grant { .. }
            | Self::Update { .. }
            | Self::Resolve
            | Self::Prove
            | Self::Announce { .. }
            | Self::Transfer { .. }
            | Self::Prepare { .. }
            | Self::ForbiddenRequest { .. } => None,
        }
    }

    /// Whether the mesh owes whoever asks it what it asks for. A name that nobody has written yet does not resolve, and what
    /// is not allowed is refused: those are answers too.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        match self {
            Self::Resolve
            | Self::ForbiddenRequest { .. }
            | Self::ForeignRevoke { .. }
            | Self::SameKey { .. } => false,
            // A grant may be over before it is made, and what is asked for under it is not owed either.
            Self::Grant { for_ms } => for_ms.is_none(),
            Self::UseGrant { .. } => false,
            Self::Reclaim { other, .. } => !*other,
            // Another of the same kind may have prepared it already.
            Self::Prepare { .. } => false,
            Self::Issue
            | Self::Renew { .. }
            | Self::Revoke { .. }
            | Self::Compromise { .. }
            | Self::Register
            | Self::Update { .. }
            | Self::Prove
            | Self::Announce { .. }
            | Self::Transfer { .. } => true,
        }
    }
}

/// What a client does after it has asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FollowUp {
    /// It waits, and asks once more when the mesh is whole again.
    #[default]
    Wait,
    /// It stops waiting, and never asks again.
    GiveUp {
        /// After how long, in milliseconds.
        #[serde(default)]
        after_ms: u64,
    },
    /// It asks another node for the same.
    RetryElsewhere {
        /// Which.
        place: NodeIndex,
        /// After how long, in milliseconds.
        after_ms: u64,
    },
    /// It asks the same node for the same.
    Repeat {
        /// After how long, in milliseconds.
        after_ms: u64,
    },
}
