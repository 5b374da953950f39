//! As signer: gives shares for bytes that this node derived itself from committed state, and for no others.

use crate::api::TraceEvent;
use crate::base::{PublicKey, reached};
use crate::hypermesh::committee::{KeyPurpose, ShareRequest, SignRefusal, first_count, threshold};
use crate::node::message::{Message, ShareRequests, SharesSigned, TASK_COUNT_MAX};
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::node::{Event, context::Context};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

/// So many shares are given in one turn: a few milliseconds' work, after which votes have theirs.
const SHARE_SLICE_COUNT: usize = 16;

impl Signing {
    pub(in crate::node) fn on_share_requests(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        mut requests: ShareRequests,
    ) {
        if requests.requests.len() > TASK_COUNT_MAX {
            return;
        }
        // A request names a commitment of each signer, and is refused otherwise: it is not kept until then, however long.
        let signers = threshold(cx.state.validators().count());
        requests.requests.retain(|(_, request)| request.commitments.len() == signers);
        if requests.requests.is_empty() {
            return;
        }
        cx.trace_share_requests(coordinator, &requests);
        if requests.height > cx.state.height() {
            reached!(cx.marks, "a request for shares waits for its block");
            // What is not kept is asked for again.
            let _kept = self.waiting.keep(cx.state.height(), coordinator, requests);
            return;
        }
        for (task, request) in requests.requests {
            self.work.push(cx.now.mono, coordinator, task, request);
        }
    }

    /// Gives the next shares that were asked for, a slice of them. How many.
    pub(super) fn give_shares(&mut self, cx: &mut Context) -> usize {
        let mut taken: BTreeMap<PublicKey, Vec<(Task, ShareRequest)>> = BTreeMap::new();
        let mut count = 0;
        while count < SHARE_SLICE_COUNT
            && let Some((coordinator, task, request)) = self.work.pop(cx.now.mono)
        {
            taken.entry(coordinator).or_default().push((task, request));
            count += 1;
        }
        for (coordinator, requests) in taken {
            self.give_shares_to(cx, coordinator, requests);
        }
        count
    }

    fn give_shares_to(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        requests: Vec<(Task, ShareRequest)>,
    ) {
        let spent: Vec<KeyPurpose> = requests.iter().map(|(task, _)| task.purpose()).collect();
        let (signed, unknown) = self.sign_shares(cx, coordinator, requests);
        if coordinator == cx.identity.public() {
            self.on_signed_shares(cx, coordinator, signed);
            self.replenish_own(cx, &spent);
        } else if !signed.shares.is_empty() {
            cx.send(coordinator, &Message::SignedShares(signed));
        }
        // Any offer says which commitments are void.
        if !unknown.is_empty() && self.may_renew(cx, coordinator) {
            for purpose in &unknown {
                if let Some(signer) = &mut self.signer {
                    signer.make_room(&coordinator, *purpose, 1);
                }
                self.offer(cx, coordinator, &[(*purpose, 1)]);
            }
        }
        self.top_up(cx, coordinator, &spent);
    }

    /// A share of its own that this node could not derive has cost it a commitment, and left the nonce in stock.
    fn replenish_own(&mut self, cx: &mut Context, spent: &[KeyPurpose]) {
        let me = cx.identity.public();
        for purpose in spent.iter().copied().collect::<BTreeSet<_>>() {
            if self.stock.held_count(&me, purpose) == 0 {
                reached!(cx.marks, "this node's own commitments have run out");
                self.give_more(cx, me, purpose, first_count(purpose));
            }
        }
    }

    /// Shares for the tasks whose bytes this node can derive itself, and cosignatures for the checkpoints; and for which
    /// purposes a request named a commitment that this node does not have.
    fn sign_shares(
        &mut self,
        cx: &mut Context,
        coordinator: PublicKey,
        requests: Vec<(Task, ShareRequest)>,
    ) -> (SharesSigned, BTreeSet<KeyPurpose>) {
        let mut unknown = BTreeSet::new();
        let mut signed = SharesSigned { shares: Vec::new(), cosignatures: Vec::new() };
        for (task, request) in requests {
            let message = match self.derive(cx, task) {
                Ok(Some(message)) if request.purpose == task.purpose() => message,
                Ok(_) => continue,
                Err(fault) => {
                    cx.store_fault(&fault);
                    continue;
                }
            };
            let Some(signer) = &mut self.signer else { continue };
            match signer.sign(&coordinator, &request, &message, &cx.identity) {
                Ok(share) => {
                    signed.shares.push(share);
                    if coordinator != cx.identity.public() {
                        cx.note_signing(task, |on| TraceEvent::ShareGiven { on, to: coordinator });
                    }
                }
                // The request crossed the offer that voided its commitments, or that offer was lost: nobody's fault.
                Err(SignRefusal::UnknownNonce) => {
                    reached!(cx.marks, "a request names a commitment that is gone");
                    unknown.insert(task.purpose());
                    continue;
                }
                Err(refusal) => {
                    let reason = refusal.to_string();
                    cx.outbox.event(Event::PeerFault { peer: coordinator, reason });
                    continue;
                }
            }
            if let Task::Checkpoint(size) = task {
                signed.cosignatures.extend(Self::cosign(cx, size).map(|signature| (size, signature)));
            }
        }
        (signed, unknown)
    }
}
