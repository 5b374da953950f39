//! What a node asks before it votes for the first time after a start, or after its memory may have become old: "what did I
//! say last?"
//!
//! Its log of votes says so, unless it was lost, or the disk is an old one. Then it would vote again where it has
//! voted before, and be taken for a liar. So it waits until so many validators have told it what they hold of its
//! own votes, with its own signature, that they and it are a quorum; a mesh that starts whole answers one another
//! while all are waiting. What they show and its log does not hold makes it abstain until that height is past. With
//! fewer answers it could decide nothing anyway, so waiting for them costs a round trip.
//!
//! What this does not show: a vote that only such validators hold as did not answer.

use super::message::{Message, RecallNumber, SaidAnswer};
use super::timers::Timer;
use super::{Event, Node};
use crate::base::{PublicKey, Size, reached};
use crate::hypermesh::ordering::{
    ConsensusMessage, Input, LastSaid, SAID_PER_VALIDATOR_MAX, Said, said_in_log,
};
use crate::state::BLOCK_BYTES_MAX;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

/// Who has not answered after this long is asked again: a message may be lost.
const RECALL_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What this node knows of the others' last words, and they of its own.
#[derive(Default)]
pub(super) struct Recall {
    /// What the others said last.
    said: LastSaid,
    /// Who has told this node what it said last.
    answered: BTreeSet<PublicKey>,
    /// Whether enough have.
    done: bool,
    /// Whether the peers have been asked.
    asking: bool,
    /// The number of the question. Answers to an earlier one count for nothing: they may have been on their way since before
    /// this node's memory became old.
    number: RecallNumber,
}

impl Recall {
    pub(super) fn size(&self, validators: usize) -> Size {
        let held = self.said.count();
        Size::limited("last words of validators", held, validators * SAID_PER_VALIDATOR_MAX)
    }
}

impl Node {
    /// Begins to ask, once the log of votes that was found on the disk is there.
    pub(super) fn begin_recall(&mut self) {
        said_in_log(&self.ordering.log, BLOCK_BYTES_MAX).for_each(|said| self.recall.said.note(said));
        if let Some(commit) = &self.commit {
            self.recall.said.note_commit(commit);
        }
        self.begin_asking();
        self.conclude_recall();
    }

    /// Votes no more until the peers have said anew what this node voted for last. They are to be asked next.
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

    /// Whether this node knows what it said last.
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
            self.send(peer, &Message::WantSaid(self.recall.number));
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

    /// Tells a peer what it said last, as far as this node knows.
    pub(super) fn on_want_said(&mut self, from: PublicKey, number: RecallNumber) {
        let said = self.recall.said.of(&from);
        self.send(from, &Message::Said(SaidAnswer { number, said }));
    }

    /// A peer reports this node's own last messages. What it reports is looked at whenever it comes; as an answer it counts
    /// only if it has the number of the question.
    pub(super) fn on_said(&mut self, from: PublicKey, answer: SaidAnswer) {
        let SaidAnswer { number, said } = answer;
        let me = self.identity.public();
        let genesis = self.state.genesis_hash();
        let holds = |said: &Said| said.validator() == me && said.verify(&genesis).is_ok();
        if said.len() > SAID_PER_VALIDATOR_MAX || !said.iter().all(holds) {
            let reason = "told this node of votes that it did not sign".into();
            return self.outbox.event(Event::PeerFault { peer: from, reason });
        }
        if self.recall.done {
            reached!(self.marks, "a node's last votes are told late");
        }
        for said in said {
            self.drive(Input::Own(said));
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

    /// Remembers what a validator says in its own name over its own link.
    pub(super) fn remember_said(&mut self, from: PublicKey, message: &ConsensusMessage) {
        if let Some(said) = Said::of(message).filter(|said| said.validator() == from) {
            self.recall.said.note(said);
        }
    }
}
