//! Commitments to nonces, handed out ahead of time: to each coordinator its own, with a quota.

use crate::base::PublicKey;
use crate::hypermesh::committee::{KeyPurpose, first_count, outstanding_count_max};
use crate::node::message::{CommitmentsOffered, Message};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::string::ToString;
use alloc::vec::Vec;

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

    pub(in crate::node) fn on_commitments(&mut self, from: PublicKey, offered: CommitmentsOffered) {
        let Some(committee) = self.signing.committee.clone() else { return };
        if offered.anew {
            self.signing.stock.forget(&from);
        }
        for offer in offered.offers {
            if let Err(fault) = self.signing.stock.accept_offer(&committee, from, offer) {
                self.outbox.event(Event::PeerFault { peer: from, reason: fault.to_string() });
            }
        }
        let starved: Vec<Task> = core::mem::take(&mut self.signing.starved).into_iter().collect();
        self.start_tasks(&starved);
    }
}
