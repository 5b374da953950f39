//! What can go wrong in key generation, and whose fault it is.
//!
//! An accusation about round 1 is public: anyone who reads the chain finds the same. One about round 2 is a
//! receiver's word against a sender's, since the share is private: it ends the attempt and proves nothing
//! about which of the two is at fault.

use super::KeyPurpose;
use super::keys::{VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN};
use crate::base::PublicKey;
use alloc::collections::BTreeMap;

/// A session that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSession {
    /// Too few or too many validators.
    #[error("{count} validators: expected {VALIDATOR_COUNT_MIN} to {VALIDATOR_COUNT_MAX}")]
    ValidatorCount {
        /// How many there were.
        count: usize,
    },
    /// The validators are not in order, or one stands there twice.
    #[error("the validators are not sorted and distinct")]
    Unsorted,
    /// This node is not one of them.
    #[error("{me} is not one of the validators")]
    NotAValidator {
        /// The node.
        me: PublicKey,
    },
}

/// Why key generation refuses what it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationFault {
    /// Validators did not keep to the protocol. The attempt is over: a new one must be begun.
    #[error("key generation failed: {} validators broke the protocol", accusations.len())]
    Accused {
        /// Who, and what each did.
        accusations: BTreeMap<PublicKey, Accusation>,
    },
    /// Came from outside the session, or from this node itself. Dropped; the attempt goes on.
    #[error("{from} is not another validator of this key generation")]
    NotAValidator {
        /// The sender.
        from: PublicKey,
    },
    /// Belongs to another attempt, as a package that was late does. Dropped; the attempt goes on.
    #[error("the package of {from} belongs to another key generation")]
    OtherSession {
        /// The sender.
        from: PublicKey,
    },
    /// Round 1 was given already, or the attempt is over. The caller's fault.
    #[error("this key generation does not expect such a package now")]
    OutOfOrder,
}

/// What a validator did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accusation {
    /// In which key; `None` if in all of them.
    pub purpose: Option<KeyPurpose>,
    /// What.
    pub reason: GenerationFaultReason,
}

/// How a validator broke the protocol of key generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationFaultReason {
    /// There is no round-1 package of it.
    #[error("sent no round-1 package")]
    Missing,
    /// Its round-1 package names another session.
    #[error("sent a round-1 package for another session")]
    OtherSession,
    /// Its package lacks a key, has the wrong number of coefficients, or holds what is no point or scalar.
    #[error("sent a malformed package")]
    Malformed,
    /// Its proof of knowledge does not hold: for this session, purpose and sender.
    #[error("sent an invalid proof of knowledge")]
    InvalidProof,
    /// The private share that it sent does not lie on the polynomial that it committed to.
    #[error("sent a share that does not match its commitment")]
    InvalidShare,
    /// It sent two different packages where one is due.
    #[error("sent two different packages")]
    Contradiction,
    /// Together the dealers' commitments make a key of small order.
    #[error("took part in a key that cannot be used")]
    DegenerateKey,
}
