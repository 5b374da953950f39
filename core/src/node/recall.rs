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
use super::{Ask, Event, context::Context};
use crate::base::{PublicKey, Size, reached};
use crate::hypermesh::ordering::{
    ConsensusMessage, STATEMENTS_PER_VALIDATOR_MAX, SignedStatement, VoteHistory, statements_in_log,
};
use crate::state::BLOCK_BYTES_MAX;
use alloc::boxed::Box;
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

    /// Begins to ask, once the log of votes that was found on the disk is there.
    pub(super) fn begin(&mut self, cx: &mut Context, log: &[Vec<u8>]) {
        statements_in_log(log, BLOCK_BYTES_MAX).for_each(|statement| self.history.note(statement));
        if let Some(commit) = &cx.commit {
            self.history.note_commit(commit);
        }
        self.begin_asking(cx);
        self.conclude_recall(cx);
    }

    /// Votes no more until the peers have sent this node's last votes again. They are to be asked next.
    pub(super) fn begin_anew(&mut self) {
        self.done = false;
        self.asking = false;
        self.answered.clear();
    }

    /// Asks every peer that is linked; those that are linked later are asked then.
    pub(super) fn begin_asking(&mut self, cx: &mut Context) {
        self.asking = true;
        cx.entropy.as_mut().fill(&mut self.number.0);
        cx.connected.clone().into_iter().for_each(|peer| self.ask(cx, peer));
        cx.timers.set(Timer::Recall, cx.now.mono.after(RECALL_AGAIN_AFTER));
    }

    /// Whether this node knows its own last messages.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// How many answers are still missing.
    pub(super) fn recall_missing(&self, cx: &Context) -> usize {
        let others = cx.state.validators().quorum() - 1;
        if self.done { 0 } else { others.saturating_sub(self.answered.len()) }
    }

    /// Asks a peer that was just linked.
    pub(super) fn ask(&mut self, cx: &mut Context, peer: PublicKey) {
        if self.asking && !self.done {
            cx.send(peer, &Message::FetchVoteHistory(self.number));
        }
    }

    pub(super) fn on_timeout(&mut self, cx: &mut Context) {
        if self.done {
            return;
        }
        if !self.asking {
            return cx.ask(Ask::ReportDiscontinuity);
        }
        let silent = cx.connected.iter().filter(|peer| !self.answered.contains(*peer));
        for peer in silent.copied().collect::<Vec<_>>() {
            reached!(cx.marks, "a peer is asked again for a node's last votes");
            self.ask(cx, peer);
        }
        cx.timers.set(Timer::Recall, cx.now.mono.after(RECALL_AGAIN_AFTER));
    }

    /// Sends a peer its own last messages, as far as this node holds them.
    pub(super) fn on_fetch_vote_history(&mut self, cx: &mut Context, from: PublicKey, number: RecallNumber) {
        let statements = self.history.of(&from);
        cx.send(from, &Message::VoteHistory(VoteHistoryAnswer { number, statements }));
    }

    /// A peer reports this node's own last messages. What it reports is looked at whenever it comes; as an answer it counts
    /// only if it has the number of the request.
    pub(super) fn on_vote_history(&mut self, cx: &mut Context, from: PublicKey, answer: VoteHistoryAnswer) {
        let VoteHistoryAnswer { number, statements } = answer;
        let me = cx.identity.public();
        let genesis = cx.state.genesis_hash();
        let holds =
            |statement: &SignedStatement| statement.validator() == me && statement.verify(&genesis).is_ok();
        if statements.len() > STATEMENTS_PER_VALIDATOR_MAX || !statements.iter().all(holds) {
            let reason = "told this node of votes that it did not sign".into();
            return cx.outbox.event(Event::PeerFault { peer: from, reason });
        }
        if self.done {
            reached!(cx.marks, "a node's last votes are told late");
        }
        for statement in statements {
            cx.ask(Ask::RecordOwn(Box::new(statement)));
        }
        if self.asking && number == self.number {
            self.answered.insert(from);
        }
        self.conclude_recall(cx);
    }

    fn conclude_recall(&mut self, cx: &mut Context) {
        if self.done || !self.asking || self.answered.len() + 1 < cx.state.validators().quorum() {
            return;
        }
        self.done = true;
        cx.timers.cancel(Timer::Recall);
        cx.ask(Ask::BeginVoting);
        cx.publish();
    }

    /// Records what a validator signed itself and sent over its own link.
    pub(super) fn record_statement(&mut self, from: PublicKey, message: &ConsensusMessage) {
        if let Some(statement) =
            SignedStatement::of(message).filter(|statement| statement.validator() == from)
        {
            self.history.note(statement);
        }
    }
}

#[cfg(test)]
#[cfg(not(hypermesh_simulation_crypto))]
mod tests {
    use super::*;
    use crate::node::test_util::{context, mesh, pass, sent};

    #[test]
    fn a_node_votes_only_once_a_quorum_has_said_what_it_voted_for_in_answer_to_this_question() {
        let mesh = mesh();
        let (mut cx, mut recall) = (context(&mesh), Recall::default());
        recall.begin(&mut cx, &[]);
        let asked = sent(&mut cx);
        assert_eq!(asked.len(), 3);
        let Message::FetchVoteHistory(number) = asked[0].1 else { panic!("it asks for its votes") };
        let [one, other, last] = [1, 2, 3].map(|place| mesh.validators[place].public());
        let answer = |number| VoteHistoryAnswer { number, statements: Vec::new() };
        recall.on_vote_history(&mut cx, one, answer(number));
        recall.on_vote_history(&mut cx, one, answer(number));
        recall.on_vote_history(&mut cx, other, answer(RecallNumber([0; 8])));
        assert!(!recall.is_done() && cx.asks.is_empty(), "one peer, and an answer to another question");
        assert_eq!(recall.recall_missing(&cx), 1);
        pass(&mut cx, 1_000);
        recall.on_timeout(&mut cx);
        assert_eq!(sent(&mut cx).iter().map(|(to, _)| *to).collect::<Vec<_>>(), {
            let mut silent = [other, last];
            silent.sort();
            silent
        });
        recall.on_vote_history(&mut cx, last, answer(number));
        assert!(recall.is_done() && matches!(cx.asks.pop_front(), Some(Ask::BeginVoting)));
        recall.begin_anew();
        assert!(!recall.is_done());
    }
}
