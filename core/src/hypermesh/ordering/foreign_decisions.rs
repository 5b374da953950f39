//! Heights that this node did not decide itself, and messages of its own that its log may not hold.

use super::certificate::{CommitCertificate, CommitSignature};
use super::engine::{Engine, Phase};
use super::future_messages::FutureMessages;
use super::host::Host;
use super::roster::Roster;
use super::validators::VALIDATORS_MAX;
use super::vote::{SignedVote, VoteKind};
use super::vote_history::{STATEMENTS_PER_VALIDATOR_MAX, SignedStatement};
use super::wal::abstention;
use crate::base::Height;
use alloc::vec::Vec;

/// This many messages of its own are kept until the log is read: every validator may show as many as it keeps.
pub(super) const SHOWN_STATEMENTS_MAX: usize = VALIDATORS_MAX * STATEMENTS_PER_VALIDATOR_MAX;

impl Engine {
    /// Waits to start `height` as a new engine does, which knows nothing but that this node abstains, if it does.
    pub fn restart(&mut self, height: Height, roster: Roster) {
        let fresh = Self::new(self.host.config.clone(), height, roster);
        let before = core::mem::replace(self, fresh);
        if let Some(through) = before.abstains_through() {
            self.host.signer.abstain(through);
        }
        self.host.marks = before.host.marks;
    }

    /// Blocks came another way: waits to start `height`, as a new engine does.
    pub(super) fn advance(&mut self, height: Height, roster: Roster) {
        if height < self.next_height() {
            return;
        }
        if height == self.next_height() && self.phase != Phase::Running {
            self.next_roster = Some(roster);
            return;
        }
        self.phase = Phase::Waiting;
        self.waits_for = Some(height);
        self.roster = roster;
        self.next_roster = None;
        self.awaiting_value = None;
        self.reported.clear();
        self.abstention_logged = None;
        self.seen.retain(|_, seen| *seen > height);
        self.behind.clear();
        self.future_messages = FutureMessages::default();
        self.host.start(height);
    }

    /// A peer shows a message that this node has signed. What its log does not hold makes it abstain.
    pub(super) fn on_own_statement(&mut self, statement: SignedStatement) {
        if statement.validator() != self.host.signer.public() || statement.height() < self.height() {
            return;
        }
        // Before the height is started its log has not been read, so there is nothing to compare with yet.
        let unread = self.phase == Phase::Waiting && statement.height() == self.height();
        if !unread || self.host.shown.len() >= SHOWN_STATEMENTS_MAX {
            // Before its log is read this node knows of no message: it abstains rather than overlook one.
            self.host.check_statement(&statement);
        } else if !self.host.shown.contains(&statement) {
            // Each once: a peer that repeats one message must not take the room of others.
            self.host.shown.push(statement);
        }
    }

    /// Looks at what peers have shown, now that the log has been read.
    pub(super) fn check_shown(&mut self, height: Height) {
        let shown = core::mem::take(&mut self.host.shown);
        shown
            .iter()
            .filter(|statement| statement.height() >= height)
            .for_each(|statement| self.host.check_statement(statement));
        self.state.params.enabled = !self.host.signer.abstains();
    }

    /// The height through which this node signs nothing, if that is not past.
    #[must_use]
    pub fn abstains_through(&self) -> Option<Height> {
        self.host.signer.abstains_through()
    }

    /// The log entry that keeps this node from signing at `height` after a restart, if it may not. The log is
    /// dropped with each block, and this must not be dropped with it.
    #[must_use]
    pub fn abstention_entry(&self, height: Height) -> Option<Vec<u8>> {
        self.abstains_through()
            .filter(|through| *through >= height)
            .map(|through| abstention(height, through))
    }

    /// The certificate of the height that was just decided, with the precommits that came after the decision.
    /// `None` if that adds nothing.
    #[must_use]
    pub fn fuller_certificate(&self, decided: &CommitCertificate) -> Option<CommitCertificate> {
        if self.phase != Phase::Decided || self.height() != decided.height {
            return None;
        }
        let votes = self.state.driver.votes().all_rounds().values().flat_map(|round| round.received_votes());
        let for_it = votes.map(SignedVote::from).filter(|signed| {
            let vote = &signed.vote;
            vote.kind == VoteKind::Precommit
                && (vote.height, vote.round) == (decided.height, decided.round)
                && vote.value_id == Some(decided.value_id)
        });
        let mut signatures: Vec<CommitSignature> = for_it
            .map(|signed| CommitSignature { validator: signed.vote.validator, signature: signed.signature })
            .collect();
        signatures.sort_by_key(|signed| signed.validator);
        signatures.dedup_by_key(|signed| signed.validator);
        let more = signatures.len() > decided.signatures.len();
        more.then(|| CommitCertificate { signatures, ..decided.clone() })
    }
}

impl Host {
    /// Checks a message of this node's own that a peer holds: one that it does not know makes it abstain.
    fn check_statement(&mut self, statement: &SignedStatement) {
        match statement {
            SignedStatement::Vote(vote) => self.check_vote(vote),
            SignedStatement::Proposal(proposal) => self.check_proposal(proposal),
        };
    }
}
