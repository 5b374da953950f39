//! Messages from other validators: which are taken up now, which are kept for the next height, which are refused.

use super::engine::{Engine, Phase};
use super::fault::EngineFault;
use super::message::{ConsensusMessage, Proposal};
use super::outbox::Output;
use super::roster::Roster;
use crate::base::{Height, PublicKey, reached};
use core::cmp::Ordering;
use malachite_consensus::Input as CoreMessage;

impl Engine {
    /// A message arrived.
    pub(super) fn on_message(&mut self, from: PublicKey, message: ConsensusMessage) {
        if from == self.host.signer.public() {
            return;
        }
        let height = message.height();
        if !self.is_validator(&from) {
            if self.known_roster(height).is_some() {
                self.host.outbox.fault(EngineFault::UnknownSender { peer: from });
            }
            return;
        }
        self.host.sender = Some(from);
        if height > self.height() {
            let seen = self.seen.entry(from).or_insert(height);
            *seen = height.max(*seen);
            self.look_for_own(&message);
        }
        if height == self.next_height() {
            if self.phase == Phase::Running {
                reached!(self.host.marks, "a message comes before its height");
            }
            self.keep(message);
            return;
        }
        match (self.phase, height.cmp(&self.height())) {
            (Phase::Running, Ordering::Equal) => self.take_up(message),
            (Phase::Decided, Ordering::Equal) => {
                self.say_behind(from, &message);
                // Votes that come late decide nothing, but may convict.
                if matches!(message, ConsensusMessage::Vote(_) | ConsensusMessage::RepeatedVote(_)) {
                    self.take_up(message);
                }
            }
            (_, Ordering::Less) => self.say_behind(from, &message),
            // Too far ahead to be kept; the next height, waited for or not, was dealt with above.
            (_, Ordering::Greater) | (Phase::Waiting, Ordering::Equal) => (),
        }
    }

    /// Whether this is a validator of the height under way, or known to be one of the next.
    fn is_validator(&self, key: &PublicKey) -> bool {
        self.roster.contains(key) || self.next_roster.as_ref().is_some_and(|next| next.contains(key))
    }

    /// The roster of this height, if this node can know it: a block may change that of the next.
    fn known_roster(&self, height: Height) -> Option<&Roster> {
        if height == self.height() {
            return Some(&self.roster);
        }
        self.next_roster.as_ref().filter(|_| height == self.next_height())
    }

    /// A message for the height under way.
    pub(super) fn take_up(&mut self, message: ConsensusMessage) {
        match message {
            ConsensusMessage::Vote(vote) | ConsensusMessage::RepeatedVote(vote) => {
                let validator = vote.vote.validator;
                if self.roster.contains(&validator) {
                    self.feed(CoreMessage::Vote((&vote).into()));
                } else {
                    self.host.blame(|peer| EngineFault::UnknownValidator { peer, validator });
                }
            }
            ConsensusMessage::Proposal(proposal) => {
                let roster = self.roster.clone();
                if self.check_proposal(&proposal, Some(&roster)) {
                    self.feed(CoreMessage::Proposal(proposal.into()));
                }
            }
            ConsensusMessage::PolkaCertificate(polka) => {
                self.feed(CoreMessage::PolkaCertificate((&polka).into()));
            }
            ConsensusMessage::RoundCertificate(certificate) => {
                self.feed(CoreMessage::RoundCertificate((&certificate).into()));
            }
        }
    }

    /// A message for the next height. If its roster is not known yet, the validators of this height stand in for
    /// those of the next, anyone's turn may come first, and nobody is blamed for the difference.
    fn keep(&mut self, message: ConsensusMessage) {
        let known = self.known_roster(message.height()).cloned();
        match message {
            ConsensusMessage::Vote(vote) | ConsensusMessage::RepeatedVote(vote) => {
                let signer = vote.vote.validator;
                let counts = self.is_validator(&signer) && signer != self.host.signer.public();
                if counts && self.host.check_vote(&vote) {
                    self.future_messages.add_vote(vote);
                }
            }
            ConsensusMessage::Proposal(proposal) => {
                let header = proposal.signed.header;
                let counts =
                    self.is_validator(&header.proposer) && header.proposer != self.host.signer.public();
                if counts && self.check_proposal(&proposal, known.as_ref()) {
                    self.future_messages.add_proposal(proposal);
                }
            }
            // They justify nothing that has not begun, and are sent again.
            ConsensusMessage::PolkaCertificate(_) | ConsensusMessage::RoundCertificate(_) => (),
        }
    }

    /// Checks a proposal's proposer, if the roster is known, size, signature and block, and blames the sender.
    fn check_proposal(&mut self, proposal: &Proposal, roster: Option<&Roster>) -> bool {
        let header = proposal.signed.header;
        let (validator, height) = (header.proposer, header.height);
        let bytes = proposal.value.0.len();
        if roster.is_some_and(|roster| roster.proposer(height, header.round) != validator) {
            self.host.blame(|peer| EngineFault::NotProposer { peer, validator, height });
            return false;
        }
        if bytes > self.host.config.value_bytes_max {
            self.host.blame(|peer| EngineFault::ValueTooLong { peer, bytes });
            return false;
        }
        if !self.host.check_proposal(&proposal.signed) {
            return false;
        }
        let well_formed = (self.host.config.identify)(&proposal.value.0) == Some(header.value_id);
        if !well_formed {
            self.host.blame(|peer| EngineFault::MalformedValue { peer, height });
        }
        well_formed
    }

    /// A message for a height that is not started, with this node's own signature, means that this node has been
    /// further than it knows. (If it waits for its first height, it has not seen its log yet and cannot tell.)
    fn look_for_own(&mut self, message: &ConsensusMessage) {
        let own = self.host.signer.public();
        match message {
            ConsensusMessage::Vote(vote) | ConsensusMessage::RepeatedVote(vote)
                if vote.vote.validator == own =>
            {
                self.host.check_vote(vote);
            }
            ConsensusMessage::Proposal(proposal) if proposal.signed.header.proposer == own => {
                self.host.check_proposal(&proposal.signed);
            }
            _ => (),
        }
    }

    /// A peer still waits for what this node has decided.
    fn say_behind(&mut self, peer: PublicKey, message: &ConsensusMessage) {
        let height = message.height();
        let pause = self.host.config.timeouts.rebroadcast / 2;
        let said_lately = self
            .behind
            .get(&peer)
            .is_some_and(|(said, at)| *said == height && self.host.now.since(*at) < pause);
        if message.shows_waiting() && !said_lately {
            self.behind.insert(peer, (height, self.host.now));
            self.host.outbox.push(Output::PeerBehind { peer, height });
        }
    }
}
