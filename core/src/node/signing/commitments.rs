//! Commitments to nonces, handed out ahead of time: to each coordinator its own, with a quota.

use crate::base::PublicKey;
use crate::hypermesh::committee::{KeyPurpose, first_count, outstanding_count_max};
use crate::node::message::{CommitmentsOffered, Message};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// Peers that have offered no commitments are asked again after this long: a message may be lost, or they had no shares.
const OFFERS_AGAIN_AFTER: Duration = Duration::from_secs(4);

impl Node {
    /// Tells a peer that this node holds none of its commitments any more.
    pub(in crate::node) fn ask_for_commitments(&mut self, peer: PublicKey) {
        self.signing.stock.forget(&peer);
        self.send(peer, &Message::WantCommitments);
    }

    pub(in crate::node) fn on_want_commitments(&mut self, coordinator: PublicKey) {
        self.offer_anew(coordinator);
    }

    /// Voids what a coordinator holds of this node's commitments, and gives it others.
    pub(super) fn offer_anew(&mut self, coordinator: PublicKey) {
        let Some(signer) = &mut self.signing.signer else { return };
        signer.forget(&coordinator);
        self.offer_commitments(coordinator, true, &[]);
    }

    /// Destroys all nonces of this node, those for its own use included.
    pub(in crate::node) fn destroy_nonces(&mut self) {
        if let Some(signer) = &mut self.signing.signer {
            signer.begin_anew(self.entropy.as_mut());
        }
    }

    /// Offers commitments in place of those that are void, and asks for others of every peer: what is held of theirs was
    /// perhaps spent.
    pub(in crate::node) fn offer_all_anew(&mut self) {
        for peer in self.connected.clone() {
            self.ask_for_commitments(peer);
            self.offer_anew(peer);
        }
        let me = self.identity.public();
        self.offer_commitments(me, true, &[]);
    }

    /// Fills up what a coordinator holds of this node's commitments, if it is running low, the more the more it
    /// has just spent, one for each purpose named: making them takes long, and most coordinators need few.
    pub(super) fn offer_commitments(&mut self, coordinator: PublicKey, anew: bool, spent: &[KeyPurpose]) {
        let Some(signer) = &mut self.signing.signer else { return };
        let mut offers = Vec::new();
        for purpose in KeyPurpose::ALL {
            let spent = spent.iter().filter(|one| **one == purpose).count();
            let wanted = outstanding_count_max(purpose).min(first_count(purpose) + 2 * spent);
            if signer.outstanding_count(&coordinator, purpose) * 2 > wanted {
                continue;
            }
            while let lacking = wanted.saturating_sub(signer.outstanding_count(&coordinator, purpose))
                && let Some(offer) = signer.offer_some(coordinator, purpose, lacking, self.entropy.as_mut())
            {
                offers.push(offer);
            }
        }
        if offers.is_empty() {
            return;
        }
        let offered = CommitmentsOffered { anew, offers };
        if coordinator == self.identity.public() {
            self.on_commitments(coordinator, offered);
        } else {
            self.send(coordinator, &Message::Commitments(offered));
        }
    }

    /// Why no signature can be made, if none can: too few of those who are linked hold key shares.
    pub(in crate::node) fn signers_fault(&self) -> Option<String> {
        let committee = self.signing.committee.as_ref()?;
        let own = usize::from(self.holds_shares());
        let (able, needed) = (self.signing.offered.len() + own, committee.threshold());
        (able < needed).then(|| {
            let lacking = self.connected.difference(&self.signing.offered);
            let mut lacking: Vec<String> = lacking.map(|peer| self.name_of(peer)).collect();
            lacking.sort();
            alloc::format!(
                "{able} of the {needed} validators that a signature takes are linked and hold key shares; linked without \
                 shares: {}",
                if lacking.is_empty() { "none of the others".to_string() } else { lacking.join(", ") }
            )
        })
    }

    /// Asks those again who are linked and have offered nothing.
    pub(super) fn ask_for_offers(&mut self) {
        if self.signing.committee.is_none()
            || self.now.mono.since(self.signing.offers_asked) < OFFERS_AGAIN_AFTER
        {
            return;
        }
        self.signing.offers_asked = self.now.mono;
        for peer in self.connected.difference(&self.signing.offered).copied().collect::<Vec<_>>() {
            self.ask_for_commitments(peer);
        }
    }

    fn note_offer(&mut self, peer: PublicKey) {
        let news = peer != self.identity.public() && self.signing.offered.insert(peer);
        // Whoever waits until this node can sign waits for that.
        if news && self.signers_fault().is_none() {
            self.publish();
        }
    }

    /// A link was lost: what its peer offered is void.
    pub(in crate::node) fn forget_offers(&mut self, peer: &PublicKey) {
        self.signing.offered.remove(peer);
    }

    pub(in crate::node) fn on_commitments(&mut self, from: PublicKey, offered: CommitmentsOffered) {
        let Some(committee) = self.signing.committee.clone() else { return };
        if offered.anew {
            self.signing.stock.forget(&from);
        }
        for offer in offered.offers {
            match self.signing.stock.accept_offer(&committee, from, offer) {
                Ok(_) => self.note_offer(from),
                Err(fault) => {
                    self.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() });
                }
            }
        }
        let starved: Vec<Task> = core::mem::take(&mut self.signing.starved).into_iter().collect();
        self.start_tasks(&starved);
    }
}
