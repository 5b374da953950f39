//! What Malachite's core asks of its host, answered at once.
//!
//! The core runs until it needs something: a signature, a check, a timeout, a message sent, an entry logged. Each
//! such effect is answered here without leaving the step; what the outside has to do goes into the outbox.

use super::certificate::CertificateFault;
use super::context::{CoreProposal, CoreVote, MeshContext, Value};
use super::convert::{CoreSignedProposal, CoreSignedVote, round};
use super::engine::EngineConfig;
use super::fault::EngineFault;
use super::message::{ConsensusMessage, PolkaCertificate, Proposal, RoundCertificate, RoundCertificateKind};
use super::outbox::{Outbox, Output};
use super::signer::{Signer, Verifier};
use super::timers::Timers;
use super::validators::ValidatorSet;
use super::values::{Candidate, Values};
use super::vote::{ProposalHeader, Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
use super::wal::{CoreInput, Journal};
use crate::base::{Digest, Height, Mono, PublicKey};
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;
use malachite_consensus::{
    ConsensusMsg, Effect, Input, LivenessMsg, MisbehaviorEvidence, Resumable, Resume, SignedConsensusMsg,
};
use malachite_types as mt;
use malachite_types::{CertificateError, SignedMessage, Timeout};

type Effects = Effect<MeshContext>;
type Answer = Resume<MeshContext>;
type Checked = Result<(), CertificateError<MeshContext>>;

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
    /// The block that came by sync and is being fed to the core.
    pub(super) synced: Option<Value>,
    /// Set once the height is decided.
    pub(super) decided: Option<mt::CommitCertificate<MeshContext>>,
    /// The evidence that the core let go of when it decided.
    pub(super) evidence: Option<MisbehaviorEvidence<MeshContext>>,
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
            synced: None,
            decided: None,
            evidence: None,
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

    /// Answers one effect.
    pub(super) fn perform(&mut self, effect: Effects) -> Result<Answer, Refused> {
        Ok(match effect {
            Effect::StartRound(_, _, _, _, answer) => answer.resume_with(()),
            Effect::CancelAllTimeouts(answer) => {
                self.timers.cancel_all();
                answer.resume_with(())
            }
            Effect::CancelTimeout(timeout, answer) => {
                self.timers.cancel(timeout);
                answer.resume_with(())
            }
            Effect::ScheduleTimeout(timeout, answer) => {
                self.set_timeout(timeout);
                answer.resume_with(())
            }
            Effect::WalAppend(height, input, answer) => {
                self.log(height, &input);
                answer.resume_with(())
            }
            Effect::GetValue(height, in_round, _, answer) => {
                self.needs.push((height, round(in_round)));
                answer.resume_with(())
            }
            Effect::Decide(certificate, _, answer) => {
                self.timers.cancel_all();
                self.decided = Some(certificate);
                answer.resume_with(())
            }
            Effect::Finalize(_, _, evidence, answer) => {
                self.evidence = Some(evidence);
                answer.resume_with(())
            }
            effect => return self.perform_message(effect),
        })
    }

    /// Effects that send or sign.
    fn perform_message(&mut self, effect: Effects) -> Result<Answer, Refused> {
        Ok(match effect {
            Effect::PublishConsensusMsg(message, answer) => {
                self.broadcast(match message {
                    SignedConsensusMsg::Vote(vote) => ConsensusMessage::Vote((&vote).into()),
                    SignedConsensusMsg::Proposal(proposal) => ConsensusMessage::Proposal((&proposal).into()),
                });
                answer.resume_with(())
            }
            Effect::PublishLivenessMsg(message, answer) => {
                self.broadcast(match message {
                    LivenessMsg::Vote(vote) => ConsensusMessage::RepeatedVote((&vote).into()),
                    LivenessMsg::PolkaCertificate(polka) => {
                        ConsensusMessage::PolkaCertificate((&polka).into())
                    }
                    LivenessMsg::SkipRoundCertificate(skip) => {
                        ConsensusMessage::RoundCertificate((&skip).into())
                    }
                });
                answer.resume_with(())
            }
            Effect::RepublishVote(vote, answer) => {
                self.broadcast(ConsensusMessage::RepeatedVote((&vote).into()));
                answer.resume_with(())
            }
            Effect::RepublishRoundCertificate(certificate, answer) => {
                self.broadcast(ConsensusMessage::RoundCertificate((&certificate).into()));
                answer.resume_with(())
            }
            // The whole block rides in the proposal, so there are no parts to send again.
            Effect::RestreamProposal(.., answer) => answer.resume_with(()),
            Effect::SignVote(vote, answer) => answer.resume_with(self.sign_vote(vote)?),
            Effect::SignProposal(proposal, answer) => answer.resume_with(self.sign_proposal(proposal)?),
            effect => return self.perform_check(effect),
        })
    }

    /// Effects that check signatures and synced blocks.
    fn perform_check(&mut self, effect: Effects) -> Result<Answer, Refused> {
        Ok(match effect {
            Effect::VerifySignature(signed, _, answer) => answer.resume_with(match signed.message {
                ConsensusMsg::Vote(vote) => {
                    self.check_vote(&(&CoreSignedVote::new(vote, signed.signature)).into())
                }
                ConsensusMsg::Proposal(proposal) => {
                    self.check_proposal(&(&CoreSignedProposal::new(proposal, signed.signature)).into())
                }
            }),
            Effect::VerifyCommitCertificate(certificate, validators, _, answer) => {
                let ours = super::CommitCertificate::from(&certificate);
                answer.resume_with(self.check_votes(ours.votes(), &validators, validators.quorum()))
            }
            Effect::VerifyExtendedCommitCertificate(certificate, validators, _, _, answer) => {
                let ours = super::CommitCertificate::from(&certificate.trim_vote_extensions());
                answer.resume_with(self.check_votes(ours.votes(), &validators, validators.quorum()))
            }
            Effect::VerifyPolkaCertificate(certificate, validators, _, answer) => {
                let ours = PolkaCertificate::from(&certificate);
                answer.resume_with(self.check_votes(ours.votes(), &validators, validators.quorum()))
            }
            Effect::VerifyRoundCertificate(certificate, validators, _, answer) => {
                answer.resume_with(self.check_round_certificate(&(&certificate).into(), &validators))
            }
            Effect::CertVerifiedSyncValue(response, proposer, answer) => {
                if let Some(value) = self.synced.take() {
                    self.values.certify(Candidate {
                        height: response.certificate.height,
                        round: response.certificate.round,
                        valid_round: mt::Round::Nil,
                        proposer,
                        value,
                        certified: true,
                    });
                }
                answer.resume_with(())
            }
            Effect::CertRejectedSyncValue(_, _, error, answer) => {
                self.outbox.fault(EngineFault::Core { reason: error.to_string() });
                answer.resume_with(())
            }
            Effect::ExtendVote(.., answer) => answer.resume_with(None),
            Effect::VerifyVoteExtension(.., answer) => answer.resume_with(Ok(())),
            // Answered in `perform` and `perform_message`.
            _ => return Err(Refused),
        })
    }

    fn set_timeout(&mut self, timeout: Timeout) {
        if self.decided.is_some() {
            return;
        }
        let (token, at) = self.timers.set(timeout, self.now, &self.config.timeouts);
        self.outbox.push(Output::SetTimeout { token, at });
    }

    fn broadcast(&mut self, message: ConsensusMessage) {
        self.outbox.push(Output::Broadcast(message));
    }

    /// Logs an input. What the core logs is what it has accepted, so this is also where proposals are noticed.
    fn log(&mut self, height: Height, input: &CoreInput) {
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
            Input::Vote(vote) if vote.message.validator == own => {
                logged.contains(&Vote::from(&vote.message).digest(genesis))
            }
            Input::Proposal(proposal) if proposal.message.proposer == own => {
                logged.contains(&ProposalHeader::from(&proposal.message).digest(genesis))
            }
            _ => true,
        }
    }

    fn sign_vote(&mut self, core: CoreVote) -> Result<CoreSignedVote, Refused> {
        let vote = Vote::from(&core);
        let Ok(signature) = self.signer.sign_vote(&vote) else {
            return self.refuse_to_sign(vote.height, vote.round);
        };
        self.verifier.trust_vote(&SignedVote { vote, signature });
        Ok(SignedMessage::new(core, signature))
    }

    fn sign_proposal(&mut self, core: CoreProposal) -> Result<CoreSignedProposal, Refused> {
        let header = ProposalHeader::from(&core);
        let Ok(signature) = self.signer.sign_proposal(&header) else {
            return self.refuse_to_sign(header.height, header.round);
        };
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

    fn check_round_certificate(&mut self, ours: &RoundCertificate, validators: &ValidatorSet) -> Checked {
        let needed = match ours.kind {
            RoundCertificateKind::Skip => validators.skip_threshold(),
            RoundCertificateKind::Precommit => {
                if let Some(prevote) = ours.votes.iter().find(|vote| vote.kind == VoteKind::Prevote) {
                    let fault = CertificateFault::WrongVoteKind { validator: prevote.validator };
                    self.blame(|peer| EngineFault::BadCertificate { peer, fault });
                    return Err(CertificateError::InvalidVoteType(prevote.validator));
                }
                validators.quorum()
            }
        };
        self.check_votes(ours.votes(), validators, needed)
    }

    fn check_votes(
        &mut self,
        votes: impl Iterator<Item = SignedVote>,
        validators: &ValidatorSet,
        needed: usize,
    ) -> Checked {
        let votes: Vec<SignedVote> = votes.collect();
        if let Err(fault) = self.verifier.votes(&votes, validators, needed) {
            self.blame(|peer| EngineFault::BadCertificate { peer, fault });
            return Err(CertificateError::VerificationError(None));
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
            self.outbox.fault(fault(peer));
        }
    }
}

fn candidate(proposal: &CoreProposal) -> Candidate {
    Candidate {
        height: proposal.height,
        round: proposal.round,
        valid_round: proposal.valid_round,
        proposer: proposal.proposer,
        value: proposal.value.clone(),
        certified: false,
    }
}

/// The proposal as it is sent.
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
