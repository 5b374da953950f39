//! As signer: gives shares for bytes that this node derived itself from committed state, and for no others.

use crate::base::PublicKey;
use crate::hypermesh::committee::{ShareRequest, SignRefusal};
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::string::ToString;
use alloc::vec::Vec;

/// The most messages that wait for blocks that this node has not applied yet, of one coordinator.
const WAITING_PER_COORDINATOR_MAX: usize = 64;

impl Node {
    pub(in crate::node) fn on_share_requests(&mut self, coordinator: PublicKey, requests: ShareRequests) {
        if requests.requests.len() > TASK_COUNT_MAX {
            return;
        }
        if requests.height > self.state.height() {
            let held = self.signing.waiting.iter().filter(|(from, _)| *from == coordinator).count();
            if held < WAITING_PER_COORDINATOR_MAX {
                self.signing.waiting.push((coordinator, requests));
            }
            return;
        }
        let spent = requests.requests.len();
        let signed = self.sign_shares(coordinator, requests.requests);
        if !signed.shares.is_empty() {
            self.send(coordinator, &Message::SignedShares(signed));
        }
        self.offer_commitments(coordinator, false, spent);
    }

    /// Shares for the tasks whose bytes this node can derive itself, and cosignatures for the checkpoints.
    pub(super) fn sign_shares(
        &mut self,
        coordinator: PublicKey,
        requests: Vec<(Task, ShareRequest)>,
    ) -> SharesSigned {
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
                Ok(share) => signed.shares.push(share),
                // The request crossed the offer that voided its commitments: nobody's fault.
                Err(SignRefusal::UnknownNonce) => continue,
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
        signed
    }
}
