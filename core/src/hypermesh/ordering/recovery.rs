//! Starting a height, and taking up one that a crash cut short.
//!
//! The order is the core's: index the log, start the height, feed the entries, drop the index. Blocks are not
//! asked for while the log is replayed: one that was built before the crash is proposed again, not a new one.

use super::context::CoreHeight;
use super::convert::round;
use super::engine::{Engine, Phase};
use super::fault::EngineFault;
use super::future_messages::FutureMessages;
use super::host::rebroadcast;
use super::message::ConsensusMessage;
use super::outbox::Output;
use super::roster::Roster;
use super::vote::{ProposalHeader, Round, Vote};
use super::wal::CoreInput;
use crate::base::{Digest, Height, reached};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::mem;
use malachite_consensus::{Input, LocallyProposedValue};
use malachite_types::VoteExtensionPolicy;

impl Engine {
    /// Starts a height; `wal` is what was logged for it before a restart.
    pub(super) fn start_height(&mut self, height: Height, roster: Roster, wal: &[Vec<u8>]) {
        let past = match self.phase {
            Phase::Waiting => height < self.height(),
            Phase::Running | Phase::Decided => height <= self.height(),
        };
        if past {
            self.host.outbox.fault(EngineFault::StartedOutOfOrder { height });
            return;
        }
        let kept = if height == self.next_height() { self.future_messages.take() } else { Vec::new() };
        self.reset(height, roster.clone());
        let inputs = self.read_log(height, wal);
        if !inputs.is_empty() {
            self.state.index_wal_entries(inputs.iter());
            self.host.replaying = Some(self.own_messages(&inputs));
        }
        self.check_shown(height);
        self.feed(Input::StartHeight(
            CoreHeight(height),
            roster.into(),
            false,
            None,
            VoteExtensionPolicy::Disabled,
        ));
        if !inputs.is_empty() {
            self.replay(inputs);
        }
        // Nobody is blamed for these: they were checked when they came, against what was known then.
        for message in kept {
            self.trust(&message);
            self.take_up(message);
        }
    }

    /// What was kept was verified when it came.
    fn trust(&mut self, message: &ConsensusMessage) {
        match message {
            ConsensusMessage::Vote(vote) => self.host.verifier.trust_vote(vote),
            ConsensusMessage::Proposal(proposal) => self.host.verifier.trust_proposal(&proposal.signed),
            _ => (),
        }
    }

    fn reset(&mut self, height: Height, roster: Roster) {
        self.phase = Phase::Running;
        self.roster = roster;
        self.next_roster = None;
        self.waits_for = None;
        self.awaiting_value = None;
        self.reported.clear();
        self.abstention_logged = None;
        self.seen.retain(|_, seen| *seen > height);
        self.behind.clear();
        self.future_messages = FutureMessages::default();
        self.host.start(height);
    }

    fn read_log(&mut self, height: Height, wal: &[Vec<u8>]) -> Vec<CoreInput> {
        let host = &mut self.host;
        let replay = host.journal.read(wal, height, host.config.value_bytes_max, host.config.identify);
        if let Some(through) = replay.abstained {
            host.signer.abstain(through);
            self.abstention_logged = Some(through);
        }
        if let Some(index) = replay.damaged {
            host.outbox.fault(EngineFault::WalDamaged { height, index });
            host.signer.abstain(height);
        }
        self.state.params.enabled = !host.signer.abstains();
        replay.inputs
    }

    /// The digests of this node's messages in the log, each of which the signer is told of.
    fn own_messages(&mut self, inputs: &[CoreInput]) -> BTreeSet<Digest> {
        let own = self.host.signer.public();
        let genesis = self.host.config.genesis;
        let mut digests = BTreeSet::new();
        for input in inputs {
            match input {
                Input::Vote(signed) if signed.message.validator.0 == own => {
                    let vote = Vote::from(&signed.message);
                    self.host.signer.remember_vote(&vote);
                    digests.insert(vote.digest(&genesis));
                }
                Input::Proposal(signed) if signed.message.proposer.0 == own => {
                    let header = ProposalHeader::from(&signed.message);
                    self.host.signer.remember_proposal(&header);
                    digests.insert(header.digest(&genesis));
                }
                _ => (),
            }
        }
        digests
    }

    fn replay(&mut self, inputs: Vec<CoreInput>) {
        reached!(self.host.marks, "a height is taken up from the log of votes");
        for input in &inputs {
            if self.phase == Phase::Decided {
                break;
            }
            if let Input::TimeoutElapsed(timeout) = input {
                self.host.timers.cancel(*timeout);
            }
            self.feed(input.clone());
        }
        self.state.reset_entries_index();
        self.host.replaying = None;
        if self.phase == Phase::Decided {
            return;
        }
        self.send_own_proposal_again(&inputs);
        for (height, in_round) in mem::take(&mut self.host.needs) {
            self.need_after_replay(height, in_round, &inputs);
        }
        self.after_input();
    }

    /// The crash may have come between logging a proposal and sending it.
    fn send_own_proposal_again(&mut self, inputs: &[CoreInput]) {
        let (own, now) = (self.host.signer.public(), self.state.round());
        let made = inputs.iter().find_map(|input| match input {
            Input::Proposal(made) if made.message.proposer.0 == own && made.message.round == now => {
                Some(made)
            }
            _ => None,
        });
        if let Some(made) = made {
            reached!(self.host.marks, "a proposal is sent again after a restart");
            self.host.outbox.push(rebroadcast(made));
        }
    }

    /// The core wanted a block for a round before or during the replay. If that is still the round and nothing
    /// was proposed in it, the block that was built for it is proposed, or one asked for if none was.
    fn need_after_replay(&mut self, height: Height, in_round: Round, inputs: &[CoreInput]) {
        let own = self.host.signer.public();
        let proposed = inputs.iter().any(|input| match input {
            Input::Proposal(made) => made.message.proposer.0 == own && round(made.message.round) == in_round,
            _ => false,
        });
        if proposed || in_round != self.round() {
            return;
        }
        let built = inputs.iter().find_map(|input| match input {
            Input::ProposedValue(built, _) if built.proposer.0 == own && round(built.round) == in_round => {
                Some(built.value.clone())
            }
            _ => None,
        });
        match built {
            Some(value) => {
                let round = self.state.round();
                self.feed(Input::Propose(LocallyProposedValue { height: CoreHeight(height), round, value }));
            }
            None => {
                self.awaiting_value = Some((height, in_round));
                self.host.outbox.push(Output::NeedValue { height, round: in_round });
            }
        }
    }
}
