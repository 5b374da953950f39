//! Recall: before a node votes for the first time after a start, or after its memory may have become old, it asks its peers
//! for its own last signed messages.
//!
//! Its log of votes holds them, unless it was lost, or the disk is an old one. Then the node would vote again where it has
//! voted before, and equivocate. So it waits until so many validators have sent it what they hold of its own votes, with
//! its own signature, that they and it are a quorum; validators that start together answer one another while all are
//! waiting. What they show and its log does not hold makes it abstain until that height is past. With fewer answers it
//! could decide nothing anyway, so waiting for them costs a round trip.
//!
//! What this does not show: a vote that only such validators hold as did not answer.

use super::message::{Message, RecallNumber, VoteHistoryAnswer};
use super::timers::Timer;
use super::{Event, Node};
use crate::base::{PublicKey, Size, reached};
use crate::hypermesh::ordering::{
    ConsensusMessage, Input, STATEMENTS_PER_VALIDATOR_MAX, SignedStatement, VoteHistory, statements_in_log,
};
use crate::state::BLOCK_BYTES_MAX;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// Who has not answered after this long is asked again: a message may be lost.
const RECALL_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The last signed messages of the other validators, and which of them have answered for this node's own.
#[derive(Default)]
pub(super) struct Recall {
    /// The last signed messages of the others.
    history: VoteHistory,
    /// Who has sent this node its own last messages.
    answered: BTreeSet<PublicKey>,
    /// Whether enough have.
    done: bool,
    /// Whether the peers have been asked.
    asking: bool,
    /// The number of the request. Answers to an earlier one count for nothing: they may have been on their way since before
    /// this node's memory became old.
    number: RecallNumber,
}

impl Recall {
    pub(super) fn size(&self, validators: usize) -> Size {
        let held = self.history.count();
        Size::limited("last words of validators", held, validators * STATEMENTS_PER_VALIDATOR_MAX)
    }
}

impl Node {
    /// Begins to ask, once the log of votes that was found on the disk is there.
    pub(super) fn begin_recall(&mut self) {
        statements_in_log(&self.ordering.log, BLOCK_BYTES_MAX)
            .for_each(|statement| self.recall.history.note(statement));
        if let Some(commit) = &self.commit {
            self.recall.history.note_commit(commit);
        }
        self.begin_asking();
        self.conclude_recall();
    }

    /// Votes no more until the peers have sent this node's last votes again. They are to be asked next.
    pub(super) fn recall_again(&mut self) {
        if self.recall.done {
            self.suspend_height();
        }
        self.recall.done = false;
        self.recall.asking = false;
        self.recall.answered.clear();
    }

    /// Asks every peer that is linked; those that are linked later are asked then.
    pub(super) fn begin_asking(&mut self) {
        self.recall.asking = true;
        self.entropy.as_mut().fill(&mut self.recall.number.0);
        self.connected.clone().into_iter().for_each(|peer| self.ask_recall(peer));
        self.timers.set(Timer::Recall, self.now.mono.after(RECALL_AGAIN_AFTER));
    }

    /// Whether this node knows its own last messages.
    pub(super) const fn has_recalled(&self) -> bool {
        self.recall.done
    }

    /// How many answers are still missing.
    pub(super) fn recall_missing(&self) -> usize {
        let others = self.state.validators().quorum() - 1;
        if self.recall.done { 0 } else { others.saturating_sub(self.recall.answered.len()) }
    }

    /// Asks a peer that was just linked.
    pub(super) fn ask_recall(&mut self, peer: PublicKey) {
        if self.recall.asking && !self.recall.done {
            self.send(peer, &Message::FetchVoteHistory(self.recall.number));
        }
    }

    pub(super) fn on_recall_timeout(&mut self) {
        if self.recall.done {
            return;
        }
        if !self.recall.asking {
            return self.ask_after_discontinuity();
        }
        let silent = self.connected.iter().filter(|peer| !self.recall.answered.contains(*peer));
        for peer in silent.copied().collect::<Vec<_>>() {
            reached!(self.marks, "a peer is asked again for a node's last votes");
            self.ask_recall(peer);
        }
        self.timers.set(Timer::Recall, self.now.mono.after(RECALL_AGAIN_AFTER));
    }

    /// Sends a peer its own last messages, as far as this node holds them.
    pub(super) fn on_fetch_vote_history(&mut self, from: PublicKey, number: RecallNumber) {
        let statements = self.recall.history.of(&from);
        self.send(from, &Message::VoteHistory(VoteHistoryAnswer { number, statements }));
    }

    /// A peer reports this node's own last messages. What it reports is looked at whenever it comes; as an answer it counts
    /// only if it has the number of the request.
    pub(super) fn on_vote_history(&mut self, from: PublicKey, answer: VoteHistoryAnswer) {
        let VoteHistoryAnswer { number, statements } = answer;
        let me = self.identity.public();
        let genesis = self.state.genesis_hash();
        let holds =
            |statement: &SignedStatement| statement.validator() == me && statement.verify(&genesis).is_ok();
        if statements.len() > STATEMENTS_PER_VALIDATOR_MAX || !statements.iter().all(holds) {
            let reason = "told this node of votes that it did not sign".into();
            return self.outbox.event(Event::PeerFault { peer: from, reason });
        }
        if self.recall.done {
            reached!(self.marks, "a node's last votes are told late");
        }
        for statement in statements {
            self.drive(Input::Own(statement));
        }
        if self.recall.asking && number == self.recall.number {
            self.recall.answered.insert(from);
        }
        self.conclude_recall();
    }

    fn conclude_recall(&mut self) {
        if self.recall.done
            || !self.recall.asking
            || self.recall.answered.len() + 1 < self.state.validators().quorum()
        {
            return;
        }
        self.recall.done = true;
        self.timers.cancel(Timer::Recall);
        self.go_on_from_log();
        self.publish();
    }

    /// Records what a validator signed itself and sent over its own link.
    pub(super) fn record_statement(&mut self, from: PublicKey, message: &ConsensusMessage) {
        if let Some(statement) =
            SignedStatement::of(message).filter(|statement| statement.validator() == from)
        {
            self.recall.history.note(statement);
        }
    }
}
