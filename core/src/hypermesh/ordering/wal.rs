//! The log of votes of a height under way: everything that a restarted validator needs to be where it was.
//!
//! An entry is written before what it led to is sent. A block is written once: later entries about it name its
//! id. What the core replays are its own inputs, so reading the log gives those back.

use super::context::{CoreHeight, CoreValidator, MeshContext, Value};
use super::convert::{core_round, round};
use super::message::{MESSAGE_EXTRA_BYTES_MAX, PolkaCertificate, Proposal, ValueBytes};
use super::vote::{Round, SignedProposalHeader, SignedVote};
use super::vote_history::SignedStatement;
use crate::base::{Digest, Height, PublicKey, decode, encode};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use malachite_consensus::{Input, ProposedValue};
use malachite_types as mt;
use malachite_types::{Timeout, TimeoutKind, Validity, ValueOrigin};

pub(super) type CoreInput = Input<MeshContext>;

/// One entry of the log, with the height that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct WalRecord {
    pub(super) height: Height,
    pub(super) entry: WalEntry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum WalEntry {
    /// A vote was cast or received.
    Vote(SignedVote),
    /// A proposal was made or received. The block is there unless an earlier entry holds it.
    Proposal { signed: SignedProposalHeader, value: Option<ValueBytes> },
    /// A block was built here, or found valid or not. The block is there unless an earlier entry holds it.
    Verdict {
        round: Round,
        valid_round: Option<Round>,
        proposer: PublicKey,
        value_id: Digest,
        value: Option<ValueBytes>,
        valid: bool,
    },
    /// A quorum's prevotes were received in one piece.
    Polka(PolkaCertificate),
    /// A wait came to its end.
    TimedOut { step: TimeoutStep, round: Round },
    /// The log was found not to be whole: this node signs nothing up to and including that height.
    Abstained { through: Height },
}

/// The waits that the log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum TimeoutStep {
    Propose,
    Prevote,
    Precommit,
}

/// The blocks that the log of a height holds, so that each is written once.
#[derive(Debug, Default)]
pub(super) struct Journal {
    values: BTreeMap<Digest, Arc<[u8]>>,
}

/// What a log holds.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// The inputs, in order.
    pub(super) inputs: Vec<CoreInput>,
    /// The height through which an earlier run abstained.
    pub(super) abstained: Option<Height>,
    /// The position of the first damaged entry; nothing from it on was read.
    pub(super) damaged: Option<usize>,
}

impl Journal {
    /// The entry for an input that the core wants logged; `None` if it is of a kind that is not replayed.
    pub(super) fn write(&mut self, height: Height, input: &CoreInput) -> Option<Vec<u8>> {
        let entry = match input {
            Input::Vote(vote) => WalEntry::Vote(vote.into()),
            Input::Proposal(proposal) => WalEntry::Proposal {
                signed: proposal.into(),
                value: self.write_value(&proposal.message.value),
            },
            Input::ProposedValue(proposed, _) => WalEntry::Verdict {
                round: round(proposed.round),
                valid_round: proposed.valid_round.as_u32().map(Round),
                proposer: proposed.proposer.0,
                value_id: proposed.value.id,
                value: self.write_value(&proposed.value),
                valid: proposed.validity.is_valid(),
            },
            Input::PolkaCertificate(certificate) => WalEntry::Polka(certificate.into()),
            Input::TimeoutElapsed(timeout) => {
                WalEntry::TimedOut { step: logged_step(timeout.kind)?, round: round(timeout.round) }
            }
            Input::StartHeight(..)
            | Input::RoundCertificate(_)
            | Input::Propose(_)
            | Input::SyncValueResponse(_) => return None,
        };
        Some(encode(&WalRecord { height, entry }))
    }

    /// Reads the log of a height, up to the first damaged entry. Entries of other heights are passed over.
    pub(super) fn read(
        &mut self,
        entries: &[Vec<u8>],
        height: Height,
        value_bytes_max: usize,
        identify: fn(&[u8]) -> Option<Digest>,
    ) -> Replay {
        let mut replay = Replay::default();
        let bytes_max = value_bytes_max.saturating_add(MESSAGE_EXTRA_BYTES_MAX);
        for (index, bytes) in entries.iter().enumerate() {
            let Ok(record) = decode::<WalRecord>(bytes, bytes_max) else {
                replay.damaged = Some(index);
                break;
            };
            if let WalEntry::Abstained { through } = record.entry {
                replay.abstained = replay.abstained.max(Some(through));
                continue;
            }
            if record.height != height {
                continue;
            }
            let Some(input) = self.restore(height, record.entry, identify) else {
                replay.damaged = Some(index);
                break;
            };
            replay.inputs.push(input);
        }
        replay
    }

    /// The block's bytes the first time, nothing after that.
    fn write_value(&mut self, value: &Value) -> Option<ValueBytes> {
        match self.values.insert(value.id, value.bytes.clone()) {
            Some(_) => None,
            None => Some(ValueBytes(value.bytes.clone())),
        }
    }

    fn restore(
        &mut self,
        height: Height,
        entry: WalEntry,
        identify: fn(&[u8]) -> Option<Digest>,
    ) -> Option<CoreInput> {
        Some(match entry {
            WalEntry::Vote(vote) if vote.vote.height == height => Input::Vote((&vote).into()),
            WalEntry::Proposal { signed, value } if signed.header.height == height => {
                let value = self.restore_value(signed.header.value_id, value, identify)?;
                Input::Proposal(Proposal { signed, value: ValueBytes(value.bytes) }.into())
            }
            WalEntry::Verdict { round, valid_round, proposer, value_id, value, valid } => {
                let proposed = ProposedValue {
                    height: CoreHeight(height),
                    round: core_round(round),
                    valid_round: mt::Round::from(valid_round.map(|round| round.0)),
                    proposer: CoreValidator(proposer),
                    value: self.restore_value(value_id, value, identify)?,
                    validity: Validity::from_bool(valid),
                };
                Input::ProposedValue(proposed, ValueOrigin::Consensus)
            }
            WalEntry::Polka(certificate) if certificate.height == height => {
                Input::PolkaCertificate((&certificate).into())
            }
            WalEntry::TimedOut { step, round } => {
                let kind = match step {
                    TimeoutStep::Propose => TimeoutKind::Propose,
                    TimeoutStep::Prevote => TimeoutKind::Prevote,
                    TimeoutStep::Precommit => TimeoutKind::Precommit,
                };
                Input::TimeoutElapsed(Timeout::new(core_round(round), kind))
            }
            WalEntry::Vote(_)
            | WalEntry::Proposal { .. }
            | WalEntry::Polka(_)
            | WalEntry::Abstained { .. } => {
                return None;
            }
        })
    }

    fn restore_value(
        &mut self,
        id: Digest,
        value: Option<ValueBytes>,
        identify: fn(&[u8]) -> Option<Digest>,
    ) -> Option<Value> {
        let bytes = match value {
            Some(ValueBytes(bytes)) if identify(&bytes) == Some(id) => bytes,
            Some(_) => return None,
            None => self.values.get(&id)?.clone(),
        };
        self.values.insert(id, bytes.clone());
        Some(Value { id, bytes })
    }
}

/// How many inputs these entries give back, and where the first damaged one stands, for the fuzzer.
#[cfg(hypermesh_fuzzing)]
#[must_use]
pub fn replay_log(
    entries: &[Vec<u8>],
    height: Height,
    value_bytes_max: usize,
    identify: fn(&[u8]) -> Option<Digest>,
) -> (usize, Option<usize>) {
    let replay = Journal::default().read(entries, height, value_bytes_max, identify);
    (replay.inputs.len(), replay.damaged)
}

/// Signed statements of validators, as far as the entries of a log hold it with their signatures. Damaged entries are passed
/// over: the engine finds those.
pub fn statements_in_log(
    entries: &[Vec<u8>],
    value_bytes_max: usize,
) -> impl Iterator<Item = SignedStatement> + '_ {
    let bytes_max = value_bytes_max.saturating_add(MESSAGE_EXTRA_BYTES_MAX);
    entries.iter().filter_map(move |bytes| match decode::<WalRecord>(bytes, bytes_max).ok()?.entry {
        WalEntry::Vote(vote) => Some(SignedStatement::Vote(vote)),
        WalEntry::Proposal { signed, .. } => Some(SignedStatement::Proposal(signed)),
        _ => None,
    })
}

/// The entry that keeps a restarted node from signing what it must not.
pub(super) fn abstention(height: Height, through: Height) -> Vec<u8> {
    encode(&WalRecord { height, entry: WalEntry::Abstained { through } })
}

/// Waits for the height's end and for repeating votes leave no trace in the log.
const fn logged_step(kind: TimeoutKind) -> Option<TimeoutStep> {
    match kind {
        TimeoutKind::Propose => Some(TimeoutStep::Propose),
        TimeoutKind::Prevote => Some(TimeoutStep::Prevote),
        TimeoutKind::Precommit => Some(TimeoutStep::Precommit),
        TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => None,
    }
}
