//! What the consensus core's effects act on: this node's key, its timers, its log, and what it wants done.
//!
//! It signs through the guard, logs what the core has accepted, and blames the sender of what does not hold.

use super::certificate::CertificateFault;
use super::context::{CoreProposal, CoreVote, MeshContext, Value};
use super::convert::{CoreSignedProposal, CoreSignedVote, round};
use super::engine::EngineConfig;
use super::fault::EngineFault;
use super::message::{ConsensusMessage, Proposal, RoundCertificate, RoundCertificateKind};
use super::outbox::{Outbox, Output};
use super::signer::{Signer, Verifier};
use super::timers::Timers;
use super::validators::ValidatorSet;
use super::values::{Candidate, Values};
use super::vote::{ProposalHeader, Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
use super::vote_history::SignedStatement;
use super::wal::{CoreInput, Journal};
use crate::base::{Digest, Height, Marks, Mono, PublicKey, reached};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use malachite_consensus::{Input, MisbehaviorEvidence};
use malachite_types as mt;
use malachite_types::{SignedMessage, Timeout};

/// An effect that was refused; the core stops at the input that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

/// What the core's effects act on.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) config: EngineConfig,
    pub(super) now: Mono,
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
    pub(super) timers: Timers,
    pub(super) values: Values,
    pub(super) journal: Journal,
    pub(super) outbox: Outbox,
    /// Whose message is being handled.
    pub(super) sender: Option<PublicKey>,
    /// The rounds for which the core wants a block from this node, since this was last looked at.
    pub(super) needs: Vec<(Height, Round)>,
    /// While the log is replayed: the digests of this node's messages that it holds.
    pub(super) replaying: Option<BTreeSet<Digest>>,
    /// Messages of this node's own that peers have shown before the log was read.
    pub(super) shown: Vec<SignedStatement>,
    /// The block that came by sync and is being fed to the core.
    pub(super) synced: Option<Value>,
    /// Set once the height is decided.
    pub(super) decided: Option<mt::CommitCertificate<MeshContext>>,
    /// The evidence that the core let go of when it decided.
    pub(super) evidence: Option<MisbehaviorEvidence<MeshContext>>,
    /// Which rare branches were taken.
    pub(super) marks: Marks,
}

impl Host {
    pub(super) fn new(config: EngineConfig, height: Height) -> Self {
        Self {
            now: Mono::default(),
            signer: Signer::new(config.genesis, config.identity.clone(), height),
            verifier: Verifier::new(config.genesis),
            timers: Timers::default(),
            values: Values::default(),
            journal: Journal::default(),
            outbox: Outbox::default(),
            sender: None,
            needs: Vec::new(),
            replaying: None,
            shown: Vec::new(),
            synced: None,
            decided: None,
            evidence: None,
            marks: Marks::default(),
            config,
        }
    }

    /// Forgets all that belongs to the last height.
    pub(super) fn start(&mut self, height: Height) {
        self.signer.start(height);
        self.verifier.clear();
        self.timers.cancel_all();
        self.values = Values::default();
        self.journal = Journal::default();
        self.needs.clear();
        self.synced = None;
        self.decided = None;
        self.evidence = None;
    }

    pub(super) fn set_timeout(&mut self, timeout: Timeout) {
        if self.decided.is_some() {
            return;
        }
        let (token, at) = self.timers.set(timeout, self.now, &self.config.timeouts);
        self.outbox.push(Output::SetTimeout { token, at });
    }

    pub(super) fn broadcast(&mut self, message: ConsensusMessage) {
        self.outbox.push(Output::Broadcast(message));
    }

    /// Logs an input. What the core logs is what it has accepted, so this is also where proposals are noticed.
    pub(super) fn log(&mut self, height: Height, input: &CoreInput) {
        match input {
            Input::Proposal(proposal) => self.values.propose(candidate(&proposal.message)),
            Input::ProposedValue(proposed, _) => {
                self.values.judged(proposed.value.id, proposed.validity.is_valid());
            }
            _ => (),
        }
        if self.decided.is_some() || self.is_in_the_log(input) {
            return;
        }
        if let Some(entry) = self.journal.write(height, input) {
            self.outbox.push(Output::Wal { entry });
        }
    }

    /// While the log is replayed, what it leads to is in it already: all but the messages of this node that a
    /// crash kept from reaching it, which are signed only now.
    fn is_in_the_log(&self, input: &CoreInput) -> bool {
        let Some(logged) = &self.replaying else { return false };
        let own = self.signer.public();
        let genesis = &self.config.genesis;
        match input {
            Input::Vote(vote) if vote.message.validator.0 == own => {
                logged.contains(&Vote::from(&vote.message).digest(genesis))
            }
            Input::Proposal(proposal) if proposal.message.proposer.0 == own => {
                logged.contains(&ProposalHeader::from(&proposal.message).digest(genesis))
            }
            _ => true,
        }
    }

    pub(super) fn sign_vote(&mut self, core: CoreVote) -> Result<CoreSignedVote, Refused> {
        let vote = Vote::from(&core);
        let Ok(signature) = self.signer.sign_vote(&vote) else {
            return self.refuse_to_sign(vote.height, vote.round);
        };
        if vote.value_id.is_none() {
            reached!(self.marks, "a vote for nothing is signed");
        }
        self.verifier.trust_vote(&SignedVote { vote, signature });
        Ok(SignedMessage::new(core, signature))
    }

    pub(super) fn sign_proposal(&mut self, core: CoreProposal) -> Result<CoreSignedProposal, Refused> {
        let header = ProposalHeader::from(&core);
        let Ok(signature) = self.signer.sign_proposal(&header) else {
            return self.refuse_to_sign(header.height, header.round);
        };
        if core.valid_round.is_defined() {
            reached!(self.marks, "a block is proposed again with its prevotes");
        }
        self.verifier.trust_proposal(&SignedProposalHeader { header, signature });
        Ok(SignedMessage::new(core, signature))
    }

    fn refuse_to_sign<T>(&mut self, height: Height, round: Round) -> Result<T, Refused> {
        if !self.signer.abstains() {
            self.outbox.fault(EngineFault::RefusedToEquivocate { height, round });
        }
        Err(Refused)
    }

    /// Checks a vote's signature, and blames the sender if it does not hold.
    pub(super) fn check_vote(&mut self, signed: &SignedVote) -> bool {
        let validator = signed.vote.validator;
        if !self.verifier.vote(signed) {
            self.blame(|peer| EngineFault::BadSignature { peer, validator });
            return false;
        }
        if validator == self.signer.public() && !self.signer.knows_vote(&signed.vote) {
            self.abstain(signed.vote.height);
        }
        true
    }

    /// As [`Self::check_vote`], for a proposal.
    pub(super) fn check_proposal(&mut self, signed: &SignedProposalHeader) -> bool {
        let validator = signed.header.proposer;
        if !self.verifier.proposal(signed) {
            self.blame(|peer| EngineFault::BadSignature { peer, validator });
            return false;
        }
        if validator == self.signer.public() && !self.signer.knows_proposal(&signed.header) {
            self.abstain(signed.header.height);
        }
        true
    }

    pub(super) fn check_round_certificate(
        &mut self,
        ours: &RoundCertificate,
        validators: &ValidatorSet,
    ) -> Result<(), CertificateFault> {
        let needed = match ours.kind {
            RoundCertificateKind::Skip => validators.skip_threshold(),
            RoundCertificateKind::Precommit => {
                if let Some(prevote) = ours.votes.iter().find(|vote| vote.kind == VoteKind::Prevote) {
                    let fault = CertificateFault::WrongVoteKind { validator: prevote.validator };
                    self.blame(|peer| EngineFault::BadCertificate { peer, fault });
                    return Err(fault);
                }
                validators.quorum()
            }
        };
        self.check_votes(ours.votes(), validators, needed)
    }

    pub(super) fn check_votes(
        &mut self,
        votes: impl Iterator<Item = SignedVote>,
        validators: &ValidatorSet,
        needed: usize,
    ) -> Result<(), CertificateFault> {
        let votes: Vec<SignedVote> = votes.collect();
        if let Err(fault) = self.verifier.votes(&votes, validators, needed) {
            self.blame(|peer| EngineFault::BadCertificate { peer, fault });
            return Err(fault);
        }
        let own = self.signer.public();
        let unknown =
            |signed: &&SignedVote| signed.vote.validator == own && !self.signer.knows_vote(&signed.vote);
        if let Some(unknown) = votes.iter().find(unknown) {
            self.abstain(unknown.vote.height);
        }
        Ok(())
    }

    /// Someone holds a message of this node that its log does not: whatever else it signed is unknown too.
    fn abstain(&mut self, through: Height) {
        if !self.signer.abstains() {
            self.outbox.fault(EngineFault::OwnMessageUnknown { height: through });
        }
        self.signer.abstain(through);
    }

    /// A fault of the peer whose message is being handled. Messages of this node's own log have no sender.
    pub(super) fn blame(&mut self, fault: impl FnOnce(PublicKey) -> EngineFault) {
        if let Some(peer) = self.sender {
            reached!(self.marks, "an ordering message of a peer is refused");
            self.outbox.fault(fault(peer));
        }
    }
}

fn candidate(proposal: &CoreProposal) -> Candidate {
    Candidate {
        height: proposal.height,
        round: proposal.round,
        valid_round: proposal.valid_round,
        proposer: proposal.proposer.0,
        value: proposal.value.clone(),
        certified: false,
    }
}

impl From<&Candidate> for Output {
    fn from(candidate: &Candidate) -> Self {
        Self::Validate {
            height: candidate.height,
            round: round(candidate.round),
            proposer: candidate.proposer,
            value_id: candidate.value.id,
            value: candidate.value.bytes.clone(),
        }
    }
}

/// Our wire form of a proposal that the core holds, for sending again.
pub(super) fn rebroadcast(proposal: &CoreSignedProposal) -> Output {
    Output::Broadcast(ConsensusMessage::Proposal(Proposal::from(proposal)))
}
