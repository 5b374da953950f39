//! Signing and checking signatures.
//!
//! The signer never signs two conflicting messages of one height, whatever the core asks, and abstains for a
//! height once there is reason to think that its log is not whole. The verifier checks each signature once.

use super::certificate::{CertificateFault, check_votes};
use super::validators::ValidatorSet;
use super::vote::{ProposalHeader, Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
use crate::base::{Digest, Domain, Height, PublicKey, SecretKey, Signature};
use alloc::collections::{BTreeMap, BTreeSet};

const VERIFIED: Domain = Domain::new("hypermesh v1 ordering verified signature");

/// The most signatures remembered as verified. Past it they are checked anew, which costs time and nothing else.
pub(super) const VERIFIED_COUNT_MAX: usize = 65_536;

/// One message a round may be signed in each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Vote(VoteKind, Round),
    Proposal(Round),
}

/// A message that conflicts with one already signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WouldEquivocate;

/// Signs for one validator, one message a slot.
#[derive(Debug)]
pub(super) struct Signer {
    genesis: Digest,
    key: SecretKey,
    height: Height,
    signed: BTreeMap<Slot, Digest>,
    abstain_through: Option<Height>,
}

impl Signer {
    pub(super) const fn new(genesis: Digest, key: SecretKey, height: Height) -> Self {
        Self { genesis, key, height, signed: BTreeMap::new(), abstain_through: None }
    }

    pub(super) const fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// Forgets the last height's messages.
    pub(super) fn start(&mut self, height: Height) {
        self.height = height;
        self.signed.clear();
    }

    /// Whether this validator may not sign at the height under way.
    pub(super) fn abstains(&self) -> bool {
        self.abstains_through().is_some()
    }

    /// The last height at which it may not sign, if that is not past.
    pub(super) fn abstains_through(&self) -> Option<Height> {
        self.abstain_through.filter(|through| self.height <= *through)
    }

    /// Signs nothing more up to and including this height.
    pub(super) fn abstain(&mut self, through: Height) {
        self.abstain_through = self.abstain_through.max(Some(through));
    }

    /// Notes a message of this validator that the log holds.
    pub(super) fn remember_vote(&mut self, vote: &Vote) {
        self.signed.entry(vote_slot(vote)).or_insert_with(|| vote.digest(&self.genesis));
    }

    /// As [`Self::remember_vote`].
    pub(super) fn remember_proposal(&mut self, header: &ProposalHeader) {
        self.signed.entry(Slot::Proposal(header.round)).or_insert_with(|| header.digest(&self.genesis));
    }

    /// Signs a vote of the height under way, unless another was signed in its place.
    pub(super) fn sign_vote(&mut self, vote: &Vote) -> Result<Signature, WouldEquivocate> {
        self.sign(vote_slot(vote), vote.digest(&self.genesis))
    }

    /// Signs a proposal of the height under way, unless another was signed in its place.
    pub(super) fn sign_proposal(&mut self, header: &ProposalHeader) -> Result<Signature, WouldEquivocate> {
        self.sign(Slot::Proposal(header.round), header.digest(&self.genesis))
    }

    /// Whether this validator is known to have signed this vote. A vote with its valid signature that it does
    /// not know of means that its log was lost or rolled back.
    pub(super) fn knows_vote(&self, vote: &Vote) -> bool {
        vote.height == self.height && self.signed.get(&vote_slot(vote)) == Some(&vote.digest(&self.genesis))
    }

    /// As [`Self::knows_vote`].
    pub(super) fn knows_proposal(&self, header: &ProposalHeader) -> bool {
        header.height == self.height
            && self.signed.get(&Slot::Proposal(header.round)) == Some(&header.digest(&self.genesis))
    }

    fn sign(&mut self, slot: Slot, digest: Digest) -> Result<Signature, WouldEquivocate> {
        if self.abstains() || *self.signed.entry(slot).or_insert(digest) != digest {
            return Err(WouldEquivocate);
        }
        Ok(self.key.sign(&digest))
    }
}

const fn vote_slot(vote: &Vote) -> Slot {
    Slot::Vote(vote.kind, vote.round)
}

/// Checks signatures, each once.
#[derive(Debug)]
pub(super) struct Verifier {
    genesis: Digest,
    verified: BTreeSet<Digest>,
    checks: u64,
}

impl Verifier {
    pub(super) const fn new(genesis: Digest) -> Self {
        Self { genesis, verified: BTreeSet::new(), checks: 0 }
    }

    /// How many signatures are remembered.
    pub(super) fn count(&self) -> usize {
        self.verified.len()
    }

    /// Forgets what was verified.
    pub(super) fn clear(&mut self) {
        self.verified.clear();
    }

    /// How many signatures were checked by arithmetic rather than remembered.
    pub(super) const fn checks(&self) -> u64 {
        self.checks
    }

    pub(super) fn vote(&mut self, signed: &SignedVote) -> bool {
        self.check(signed.vote.validator, signed.vote.digest(&self.genesis), signed.signature)
    }

    pub(super) fn proposal(&mut self, signed: &SignedProposalHeader) -> bool {
        self.check(signed.header.proposer, signed.header.digest(&self.genesis), signed.signature)
    }

    /// Takes a vote as verified: one that this node signed itself, or verified before.
    pub(super) fn trust_vote(&mut self, signed: &SignedVote) {
        self.trust(signed.vote.validator, signed.vote.digest(&self.genesis), signed.signature);
    }

    /// As [`Self::trust_vote`].
    pub(super) fn trust_proposal(&mut self, signed: &SignedProposalHeader) {
        self.trust(signed.header.proposer, signed.header.digest(&self.genesis), signed.signature);
    }

    /// Checks a certificate's votes.
    pub(super) fn votes(
        &mut self,
        votes: &[SignedVote],
        validators: &ValidatorSet,
        needed: usize,
    ) -> Result<(), CertificateFault> {
        check_votes(votes, validators, needed, |vote| self.vote(vote))
    }

    fn check(&mut self, key: PublicKey, digest: Digest, signature: Signature) -> bool {
        if self.verified.contains(&remembered(key, digest, signature)) {
            return true;
        }
        self.checks += 1;
        let holds = key.verify(&digest, &signature).is_ok();
        if holds {
            self.trust(key, digest, signature);
        }
        holds
    }

    fn trust(&mut self, key: PublicKey, digest: Digest, signature: Signature) {
        if self.verified.len() < VERIFIED_COUNT_MAX {
            self.verified.insert(remembered(key, digest, signature));
        }
    }
}

fn remembered(key: PublicKey, digest: Digest, signature: Signature) -> Digest {
    VERIFIED.hash(&[&key.0, &digest.0, &signature.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(value: Option<u8>) -> Vote {
        Vote {
            kind: VoteKind::Precommit,
            height: Height(2),
            round: Round(0),
            value_id: value.map(|byte| Digest([byte; 32])),
            validator: SecretKey::from_seed([1; 32]).public(),
        }
    }

    fn signer() -> Signer {
        Signer::new(Digest::ZERO, SecretKey::from_seed([1; 32]), Height(2))
    }

    #[test]
    fn a_second_vote_in_a_slot_is_refused_and_the_same_one_signed_again() {
        let mut signer = signer();
        let first = signer.sign_vote(&vote(Some(1)));
        assert!(first.is_ok());
        assert_eq!(signer.sign_vote(&vote(None)), Err(WouldEquivocate));
        assert_eq!(signer.sign_vote(&vote(Some(1))), first);
        assert!(signer.knows_vote(&vote(Some(1))) && !signer.knows_vote(&vote(None)));
    }

    #[test]
    fn what_the_log_holds_binds_like_what_was_signed() {
        let mut signer = signer();
        signer.remember_vote(&vote(Some(1)));
        assert_eq!(signer.sign_vote(&vote(Some(2))), Err(WouldEquivocate));
    }

    #[test]
    fn an_abstaining_signer_signs_again_past_the_height() {
        let mut signer = signer();
        signer.abstain(Height(2));
        assert_eq!(signer.sign_vote(&vote(None)), Err(WouldEquivocate));
        signer.start(Height(3));
        assert!(signer.sign_vote(&Vote { height: Height(3), ..vote(None) }).is_ok());
    }

    #[test]
    fn a_signature_is_checked_once() {
        let mut verifier = Verifier::new(Digest::ZERO);
        let signed = vote(None).sign(&Digest::ZERO, &SecretKey::from_seed([1; 32]));
        assert!(verifier.vote(&signed) && verifier.vote(&signed));
        assert_eq!(verifier.checks(), 1);
        let forged = SignedVote { vote: vote(Some(1)), ..signed };
        assert!(!verifier.vote(&forged) && !verifier.vote(&forged));
        assert_eq!(verifier.checks(), 3, "what does not hold is not remembered");
    }
}
