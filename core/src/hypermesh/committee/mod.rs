//! The committee of validators that holds the signing keys in shares: key generation and threshold signing.
//!
//! No key of the mesh ever exists in one place. The validators make four keys together ([`KeyGeneration`]),
//! each keeps one share of each ([`KeyShares`]), and what they made is public ([`CommitteeKeys`]). Any
//! ⌊2n/3⌋ + 1 of them sign together (FROST, RFC 9591): each is a [`Signer`], and any node that gathers their
//! shares is a coordinator ([`CommitmentPool`], [`SigningSession`]). The result is an ordinary Ed25519
//! signature.
//!
//! Why it is so:
//!
//! - Commitments are handed out ahead of time, so a signature costs one round trip.
//! - The coordinator is not trusted. It cannot choose what is signed, because a signer signs only bytes that
//!   it derived itself; it cannot make a nonce serve twice, because the signer destroys it at first mention.
//! - A bad share is signed by who sent it, which makes it [`ShareEvidence`] that anyone can check offline. So is the word
//!   of a validator for a finished signature: a false one is a [`FalseClaim`].
//!
//! Everything here is pure: packages go in, packages come out. What it does **not** do: carry packages
//! (round 2 of key generation needs a confidential, authenticated channel), order round 1 on the chain,
//! decide which bytes are right to sign, time out the silent, or store shares. A validator that lost its shares
//! gets them again from a quorum of others ([`RepairSession`]). Not built yet: handing the keys to another
//! committee.

mod claim;
mod commitments;
mod coordinator;
mod evidence;
mod fault;
mod generation;
mod identifier;
mod keys;
mod nonces;
mod purpose;
mod request;
mod secret;
mod share_repair;
mod shares;
mod signer;
mod suite;
mod transcript;

#[cfg(test)]
mod tests;
#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
pub(crate) mod twist;

pub use claim::{FalseClaim, SignatureClaim};
pub use commitments::{
    Commitment, CommitmentOffer, CommitmentPool, NonceId, OFFER_COMMITMENT_COUNT_MAX, OfferFault,
    SignerIncarnation, first_count, outstanding_count_max,
};
pub use coordinator::{MESSAGE_BYTES_MAX, NotEnoughSigners, Progress, ShareFault, SigningSession};
pub use evidence::{NoEvidence, ShareEvidence};
pub use fault::{Accusation, GenerationFault, GenerationFaultReason, InvalidSession};
pub use generation::{Dealt, Generated, KeyGeneration, Round2};
pub use keys::{
    Committee, CommitteeKeys, GroupKey, InvalidKeys, VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN, threshold,
};
pub use purpose::KeyPurpose;
pub use request::{NamedCommitment, ShareRequest, SignedShare, message_digest};
pub use share_repair::{
    BlindedShares, InvalidRepair, RepairAsker, RepairCommitments, RepairFault, RepairHelper, RepairSession,
};
pub use shares::{InvalidShares, KeyShares, StoredShares};
pub use signer::{COORDINATOR_COUNT_MAX, SignRefusal, Signer};
pub use transcript::{DealerCommitment, GenerationSession, Round1, derive_keys};
