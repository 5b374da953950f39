//! The types that Malachite's consensus core is instantiated with.
//!
//! An address is the public key itself, a value is a whole block, and nobody weighs more than one vote. Heights and keys
//! are base types, which know nothing of Malachite: here they are wrapped.

use super::roster::Roster;
use super::timers::Timeouts;
use super::vote::Round;
use crate::base::{Digest, Height, PublicKey, SecretKey, Signature};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::ops::Deref;
use malachite_types as mt;
use malachite_types::{NilOrVal, SignedExtension, VoteType};

/// The context that ties the types together.
#[derive(Clone, Debug, Default)]
pub(super) struct MeshContext;

/// A height, as the core counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CoreHeight(pub(super) Height);

/// A validator, as the core knows it: address, key and vote in one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CoreValidator(pub(super) PublicKey);

/// A roster, as the core asks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreRoster {
    roster: Roster,
    /// The same validators, in the same order.
    validators: Arc<[CoreValidator]>,
}

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
    pub(super) proposer: CoreValidator,
}

/// A vote, as the core sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoreVote {
    pub(super) kind: VoteType,
    pub(super) height: Height,
    pub(super) round: mt::Round,
    pub(super) value_id: NilOrVal<Digest>,
    pub(super) validator: CoreValidator,
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
    type Address = CoreValidator;
    type Height = CoreHeight;
    type ProposalPart = NoPart;
    type Proposal = CoreProposal;
    type Validator = CoreValidator;
    type ValidatorSet = CoreRoster;
    type Timeouts = Timeouts;
    type Value = Value;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a CoreRoster,
        height: CoreHeight,
        round: mt::Round,
    ) -> &'a CoreValidator {
        let proposer = validators.roster.proposer(height.0, Round(round.as_u32().unwrap_or(0)));
        validators.get(&proposer).expect("whoever proposes is a validator")
    }

    fn new_proposal(
        &self,
        height: CoreHeight,
        round: mt::Round,
        value: Value,
        valid_round: mt::Round,
        proposer: CoreValidator,
    ) -> CoreProposal {
        CoreProposal { height: height.0, round, value, valid_round, proposer }
    }

    fn new_prevote(
        &self,
        height: CoreHeight,
        round: mt::Round,
        value_id: NilOrVal<Digest>,
        validator: CoreValidator,
    ) -> CoreVote {
        CoreVote { kind: VoteType::Prevote, height: height.0, round, value_id, validator }
    }

    fn new_precommit(
        &self,
        height: CoreHeight,
        round: mt::Round,
        value_id: NilOrVal<Digest>,
        validator: CoreValidator,
    ) -> CoreVote {
        CoreVote { kind: VoteType::Precommit, height: height.0, round, value_id, validator }
    }
}

impl CoreRoster {
    fn get(&self, key: &PublicKey) -> Option<&CoreValidator> {
        self.roster.position(key).and_then(|position| self.validators.get(position))
    }
}

impl From<Roster> for CoreRoster {
    fn from(roster: Roster) -> Self {
        let validators = roster.as_slice().iter().copied().map(CoreValidator).collect();
        Self { roster, validators }
    }
}

impl Deref for CoreRoster {
    type Target = Roster;

    fn deref(&self) -> &Roster {
        &self.roster
    }
}

impl fmt::Display for CoreHeight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Display for CoreValidator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for CoreValidator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl mt::Address for CoreValidator {}

impl mt::Height for CoreHeight {
    const ZERO: Self = Self(Height(0));
    const INITIAL: Self = Self(Height(1));

    fn increment_by(&self, by: u64) -> Self {
        Self(Height(self.0.0.saturating_add(by)))
    }

    fn decrement_by(&self, by: u64) -> Option<Self> {
        self.0.0.checked_sub(by).map(|number| Self(Height(number)))
    }

    fn as_u64(&self) -> u64 {
        self.0.0
    }
}

impl mt::Validator<MeshContext> for CoreValidator {
    fn address(&self) -> &Self {
        self
    }

    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn voting_power(&self) -> mt::VotingPower {
        1
    }
}

impl mt::ValidatorSet<MeshContext> for CoreRoster {
    fn count(&self) -> usize {
        self.validators.len()
    }

    fn total_voting_power(&self) -> mt::VotingPower {
        self.validators.len() as u64
    }

    fn get_by_address(&self, address: &CoreValidator) -> Option<&CoreValidator> {
        self.get(&address.0)
    }

    fn get_by_index(&self, index: usize) -> Option<&CoreValidator> {
        self.validators.get(index)
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
    fn height(&self) -> CoreHeight {
        CoreHeight(self.height)
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

    fn validator_address(&self) -> &CoreValidator {
        &self.proposer
    }
}

impl mt::Vote<MeshContext> for CoreVote {
    fn height(&self) -> CoreHeight {
        CoreHeight(self.height)
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

    fn validator_address(&self) -> &CoreValidator {
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
