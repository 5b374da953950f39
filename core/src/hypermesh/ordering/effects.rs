//! What Malachite's core asks of its host, answered at once.
//!
//! The core runs until it needs something: a signature, a check, a timeout, a message sent, an entry logged. Each
//! such effect is answered here without leaving the step; what the outside has to do goes into the outbox.

use super::certificate::{CertificateFault, CommitCertificate};
use super::context::MeshContext;
use super::convert::{CoreSignedProposal, CoreSignedVote, round};
use super::fault::EngineFault;
use super::host::{Host, Refused};
use super::message::{ConsensusMessage, PolkaCertificate};
use super::values::Candidate;
use alloc::string::ToString;
use malachite_consensus::{ConsensusMsg, Effect, LivenessMsg, Resumable, Resume, SignedConsensusMsg};
use malachite_types::{CertificateError, Round};

type Effects = Effect<MeshContext>;
type Answer = Resume<MeshContext>;

impl Host {
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
                self.log(height.0, &input);
                answer.resume_with(())
            }
            Effect::GetValue(height, in_round, _, answer) => {
                self.needs.push((height.0, round(in_round)));
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
                let ours = CommitCertificate::from(&certificate);
                answer.resume_with(
                    self.check_votes(ours.votes(), &validators, validators.quorum()).map_err(refusal),
                )
            }
            Effect::VerifyExtendedCommitCertificate(certificate, validators, _, _, answer) => {
                let ours = CommitCertificate::from(&certificate.trim_vote_extensions());
                answer.resume_with(
                    self.check_votes(ours.votes(), &validators, validators.quorum()).map_err(refusal),
                )
            }
            Effect::VerifyPolkaCertificate(certificate, validators, _, answer) => {
                let ours = PolkaCertificate::from(&certificate);
                answer.resume_with(
                    self.check_votes(ours.votes(), &validators, validators.quorum()).map_err(refusal),
                )
            }
            Effect::VerifyRoundCertificate(certificate, validators, _, answer) => answer.resume_with(
                self.check_round_certificate(&(&certificate).into(), &validators).map_err(refusal),
            ),
            Effect::CertVerifiedSyncValue(response, proposer, answer) => {
                if let Some(value) = self.synced.take() {
                    self.values.certify(Candidate {
                        height: response.certificate.height.0,
                        round: response.certificate.round,
                        valid_round: Round::Nil,
                        proposer: proposer.0,
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
}

/// The engine has named the fault already; the core needs to know only that there is one.
fn refusal(_: CertificateFault) -> CertificateError<MeshContext> {
    CertificateError::VerificationError(None)
}
