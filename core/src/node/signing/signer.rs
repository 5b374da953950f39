//! As signer: gives shares for bytes that this node derived itself from committed state, and for no others.

use super::SIGNER_TIMEOUT;
use crate::api::TraceEvent;
use crate::base::{PublicKey, reached};
use crate::hypermesh::committee::{KeyPurpose, ShareRequest, SignRefusal};
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::string::ToString;
use alloc::vec::Vec;

impl Node {
    pub(in crate::node) fn on_share_requests(&mut self, coordinator: PublicKey, requests: ShareRequests) {
        if requests.requests.len() > TASK_COUNT_MAX {
            return;
        }
        self.trace_share_requests(coordinator, &requests);
        if requests.height > self.state.height() {
            reached!(self.marks, "a request for shares waits for its block");
            // What is not kept is asked for again.
            let _kept = self.signing.waiting.keep(self.state.height(), coordinator, requests);
            return;
        }
        let spent: Vec<KeyPurpose> = requests.requests.iter().map(|(task, _)| task.purpose()).collect();
        let (signed, unknown) = self.sign_shares(coordinator, requests.requests);
        if !signed.shares.is_empty() {
            self.send(coordinator, &Message::SignedShares(signed));
        }
        if unknown && self.may_renew(coordinator) {
            self.offer_anew(coordinator);
        } else {
            self.offer_commitments(coordinator, false, &spent);
        }
    }

    /// Whether a coordinator that names commitments which this node does not have gets new ones in place of all that
    /// it holds. Not each time: requests that crossed the new ones would make them void in turn.
    fn may_renew(&mut self, coordinator: PublicKey) -> bool {
        let now = self.now.mono;
        let last = self.signing.renewed.get(&coordinator);
        let due = last.is_none_or(|last| now.since(*last) >= SIGNER_TIMEOUT);
        if due {
            self.signing.renewed.insert(coordinator, now);
        }
        due
    }

    /// Shares for the tasks whose bytes this node can derive itself, and cosignatures for the checkpoints; and whether
    /// a request named a commitment that this node does not have.
    pub(super) fn sign_shares(
        &mut self,
        coordinator: PublicKey,
        requests: Vec<(Task, ShareRequest)>,
    ) -> (SharesSigned, bool) {
        let mut unknown = false;
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
                    unknown = true;
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
