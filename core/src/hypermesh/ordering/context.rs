//! The types that Malachite's consensus core is instantiated with.
//!
//! An address is the public key itself, a value is a whole block, and nobody weighs more than one vote.

use super::roster::Roster;
use super::timers::Timeouts;
use super::vote::Round;
use crate::base::{Digest, Height, PublicKey, SecretKey, Signature};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use malachite_types as mt;
use malachite_types::{NilOrVal, SignedExtension, VoteType};

/// The context that ties the types together.
#[derive(Clone, Debug, Default)]
pub(super) struct MeshContext;

/// A block and its id. Two values are one if their ids are: the id binds every byte.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) id: Digest,
    pub(super) bytes: Arc<[u8]>,
}

/// A proposal, as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreProposal {
    pub(super) height: Height,
    pub(super) round: mt::Round,
    pub(super) value: Value,
    pub(super) valid_round: mt::Round,
    pub(super) proposer: PublicKey,
}

/// A vote, as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreVote {
    pub(super) kind: VoteType,
    pub(super) height: Height,
    pub(super) round: mt::Round,
    pub(super) value_id: NilOrVal<Digest>,
    pub(super) validator: PublicKey,
}

/// Proposals are never cut into parts: the block rides in the proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoPart {}

/// Ed25519 by the rules of ZIP-215.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ed25519;

/// Bytes that are no key or signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("wrong length")]
pub(super) struct WrongLength;

impl mt::Context for MeshContext {
    type Address = PublicKey;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = CoreProposal;
    type Validator = PublicKey;
    type ValidatorSet = Roster;
    type Timeouts = Timeouts;
    type Value = Value;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(&self, validators: &'a Roster, height: Height, round: mt::Round) -> &'a PublicKey {
        validators.proposer_ref(height, Round(round.as_u32().unwrap_or(0)))
    }

    fn new_proposal(
        &self,
        height: Height,
        round: mt::Round,
        value: Value,
        valid_round: mt::Round,
        proposer: PublicKey,
    ) -> CoreProposal {
        CoreProposal { height, round, value, valid_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: mt::Round,
        value_id: NilOrVal<Digest>,
        validator: PublicKey,
    ) -> CoreVote {
        CoreVote { kind: VoteType::Prevote, height, round, value_id, validator }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: mt::Round,
        value_id: NilOrVal<Digest>,
        validator: PublicKey,
    ) -> CoreVote {
        CoreVote { kind: VoteType::Precommit, height, round, value_id, validator }
    }
}

impl mt::Address for PublicKey {}

impl mt::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, by: u64) -> Self {
        Self(self.0.saturating_add(by))
    }

    fn decrement_by(&self, by: u64) -> Option<Self> {
        self.0.checked_sub(by).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl mt::Validator<MeshContext> for PublicKey {
    fn address(&self) -> &Self {
        self
    }

    fn public_key(&self) -> &Self {
        self
    }

    fn voting_power(&self) -> mt::VotingPower {
        1
    }
}

impl mt::ValidatorSet<MeshContext> for Roster {
    fn count(&self) -> usize {
        self.as_slice().len()
    }

    fn total_voting_power(&self) -> mt::VotingPower {
        self.as_slice().len() as u64
    }

    fn get_by_address(&self, address: &PublicKey) -> Option<&PublicKey> {
        self.position(address).and_then(|position| self.as_slice().get(position))
    }

    fn get_by_index(&self, index: usize) -> Option<&PublicKey> {
        self.as_slice().get(index)
    }
}

impl mt::Value for Value {
    type Id = Digest;

    fn id(&self) -> Digest {
        self.id
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Value({:?}, {} bytes)", self.id, self.bytes.len())
    }
}

impl mt::Proposal<MeshContext> for CoreProposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> mt::Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> mt::Round {
        self.valid_round
    }

    fn validator_address(&self) -> &PublicKey {
        &self.proposer
    }
}

impl mt::Vote<MeshContext> for CoreVote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> mt::Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Digest> {
        &self.value_id
    }

    fn take_value(self) -> NilOrVal<Digest> {
        self.value_id
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &PublicKey {
        &self.validator
    }

    fn extension(&self) -> Option<&SignedExtension<MeshContext>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<MeshContext>> {
        None
    }

    fn extend(self, _: SignedExtension<MeshContext>) -> Self {
        self
    }
}

impl mt::ProposalPart<MeshContext> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

impl mt::SigningScheme for Ed25519 {
    type DecodingError = WrongLength;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = SecretKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, WrongLength> {
        bytes.try_into().map(Signature).map_err(|_| WrongLength)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, WrongLength> {
        bytes.try_into().map(PublicKey).map_err(|_| WrongLength)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.0.to_vec()
    }
}
