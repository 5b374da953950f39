//! As signer: gives shares for bytes that this node derived itself from committed state, and for no others.

use crate::api::TraceEvent;
use crate::base::{PublicKey, reached};
use crate::hypermesh::committee::{KeyPurpose, ShareRequest, SignRefusal, first_count, threshold};
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

/// So many shares are given in one turn: a few milliseconds' work, after which votes have theirs.
const SHARE_SLICE_COUNT: usize = 16;

impl Node {
    pub(in crate::node) fn on_share_requests(&mut self, coordinator: PublicKey, mut requests: ShareRequests) {
        if requests.requests.len() > TASK_COUNT_MAX {
            return;
        }
        // A request names a commitment of each signer, and is refused otherwise: it is not kept until then, however long.
        let signers = threshold(self.state.validators().count());
        requests.requests.retain(|(_, request)| request.commitments.len() == signers);
        if requests.requests.is_empty() {
            return;
        }
        self.trace_share_requests(coordinator, &requests);
        if requests.height > self.state.height() {
            reached!(self.marks, "a request for shares waits for its block");
            // What is not kept is asked for again.
            let _kept = self.signing.waiting.keep(self.state.height(), coordinator, requests);
            return;
        }
        for (task, request) in requests.requests {
            self.signing.work.push(self.now.mono, coordinator, task, request);
        }
    }

    /// Gives the next shares that were asked for, a slice of them. How many.
    pub(super) fn give_shares(&mut self) -> usize {
        let mut taken: BTreeMap<PublicKey, Vec<(Task, ShareRequest)>> = BTreeMap::new();
        let mut count = 0;
        while count < SHARE_SLICE_COUNT
            && let Some((coordinator, task, request)) = self.signing.work.pop(self.now.mono)
        {
            taken.entry(coordinator).or_default().push((task, request));
            count += 1;
        }
        for (coordinator, requests) in taken {
            self.give_shares_to(coordinator, requests);
        }
        count
    }

    fn give_shares_to(&mut self, coordinator: PublicKey, requests: Vec<(Task, ShareRequest)>) {
        let spent: Vec<KeyPurpose> = requests.iter().map(|(task, _)| task.purpose()).collect();
        let (signed, unknown) = self.sign_shares(coordinator, requests);
        if coordinator == self.identity.public() {
            self.on_signed_shares(coordinator, signed);
            self.replenish_own(&spent);
        } else if !signed.shares.is_empty() {
            self.send(coordinator, &Message::SignedShares(signed));
        }
        // Any offer says which commitments are void.
        if !unknown.is_empty() && self.may_renew(coordinator) {
            for purpose in &unknown {
                if let Some(signer) = &mut self.signing.signer {
                    signer.make_room(&coordinator, *purpose, 1);
                }
                self.offer(coordinator, &[(*purpose, 1)]);
            }
        }
        self.top_up(coordinator, &spent);
    }

    /// A share of its own that this node could not derive has cost it a commitment, and left the nonce in stock.
    fn replenish_own(&mut self, spent: &[KeyPurpose]) {
        let me = self.identity.public();
        for purpose in spent.iter().copied().collect::<BTreeSet<_>>() {
            if self.signing.stock.held_count(&me, purpose) == 0 {
                reached!(self.marks, "this node's own commitments have run out");
                self.give_more(me, purpose, first_count(purpose));
            }
        }
    }

    /// Shares for the tasks whose bytes this node can derive itself, and cosignatures for the checkpoints; and for which
    /// purposes a request named a commitment that this node does not have.
    fn sign_shares(
        &mut self,
        coordinator: PublicKey,
        requests: Vec<(Task, ShareRequest)>,
    ) -> (SharesSigned, BTreeSet<KeyPurpose>) {
        let mut unknown = BTreeSet::new();
        let mut signed = SharesSigned { shares: Vec::new(), cosignatures: Vec::new() };
        for (task, request) in requests {
            let message = match self.derive(task) {
                Ok(Some(message)) if request.purpose == task.purpose() => message,
                Ok(_) => continue,
                Err(fault) => {
                    self.store_fault(&fault);
                    continue;
                }
            };
            let Some(signer) = &mut self.signing.signer else { continue };
            match signer.sign(&coordinator, &request, &message, &self.identity) {
                Ok(share) => {
                    signed.shares.push(share);
                    if coordinator != self.identity.public() {
                        self.note_signing(task, |on| TraceEvent::ShareGiven { on, to: coordinator });
                    }
                }
                // The request crossed the offer that voided its commitments, or that offer was lost: nobody's fault.
                Err(SignRefusal::UnknownNonce) => {
                    reached!(self.marks, "a request names a commitment that is gone");
                    unknown.insert(task.purpose());
                    continue;
                }
                Err(refusal) => {
                    let reason = refusal.to_string();
                    self.outbox.event(Event::PeerFault { peer: coordinator, reason });
                    continue;
                }
            }
            if let Task::Checkpoint(size) = task {
                signed.cosignatures.extend(self.cosign(size).map(|signature| (size, signature)));
            }
        }
        (signed, unknown)
    }
}
