//! Finished signatures as they come to this node: out of its own sessions, from peers, from its store.
//!
//! Whatever they come from, they are kept only once they hold by the rule that other implementations use, because they are
//! shown to others. One that a peer vouches for and that does not hold is evidence against the peer; one in the store that
//! does not hold is dropped, and the task is signed again.

use crate::base::{PublicKey, Signature, SignatureError, StrictSignature, Table, WriteBatch, reached};
use crate::hypermesh::committee::{FalseClaim, SignatureClaim};
use crate::node::Event;
use crate::node::context::Context;
use crate::node::message::{Message, TaskSignature};
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::state::{Offence, SYSTEM_OPERATION_BYTES_MAX};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Evidence over more bytes does not fit a system operation, beside the claim and who brings it: nothing is sent then.
pub(super) const ACCUSED_MESSAGE_BYTES_MAX: usize = SYSTEM_OPERATION_BYTES_MAX - 1024;

impl Signing {
    /// The committee's key for a task, once there is a committee.
    fn task_key(cx: &Context, task: Task) -> Option<PublicKey> {
        cx.committee.as_ref()?.keys().public(task.purpose())
    }

    /// A finished signature with this node's own word for it.
    pub(super) fn vouch(cx: &Context, task: Task, signature: &StrictSignature) -> Option<Message> {
        let committee = cx.committee.as_ref()?;
        let claim = SignatureClaim::sign(committee, task.purpose(), signature, &cx.identity)?;
        Some(Message::Signature(TaskSignature { task, claim }))
    }

    pub(in crate::node) fn on_task_signature(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        given: TaskSignature,
    ) {
        let TaskSignature { task, claim } = &given;
        let task = *task;
        if !task.is_shared() || self.finished.contains_key(&task) {
            return;
        }
        if claim.validator != from || claim.verify().is_err() {
            let reason = "sent a finished signature without its own claim to it".to_string();
            return Self::refuse_signature(cx, from, reason);
        }
        let (Some(key), Ok(Some(message))) = (Self::task_key(cx, task), self.derive(cx, task)) else {
            // Most likely of a block that is on its way here.
            reached!(cx.marks, "a signature comes before its block");
            self.early.insert(from, given);
            return;
        };
        match verify_finished(&key, &message, &claim.signature) {
            Ok(signature) => {
                self.pending.end(&task);
                self.keep_signature(cx, task, signature);
                cx.publish();
            }
            Err(SignatureError) => Self::refute(cx, from, given.claim, message),
        }
    }

    /// A peer vouches for a signature that does not hold over these bytes.
    fn refute(cx: &mut Context, from: PublicKey, claim: SignatureClaim, message: Vec<u8>) {
        reached!(cx.marks, "a finished signature is refused");
        let evidence = FalseClaim { claim, message };
        let is_proved = cx.committee.as_ref().is_some_and(|committee| evidence.verify(committee).is_ok());
        if is_proved {
            let reason = "vouched for a finished signature that does not hold".to_string();
            cx.outbox.event(Event::Culprit { validator: from, reason });
            if evidence.message.len() <= ACCUSED_MESSAGE_BYTES_MAX {
                cx.report_offence(Offence::FalseClaim(evidence));
            }
        }
        Self::refuse_signature(cx, from, "sent a finished signature that does not hold".to_string());
    }

    pub(super) fn refuse_signature(cx: &mut Context, from: PublicKey, reason: String) {
        cx.count("hypermesh", "signatures_refused_total", 1);
        cx.outbox.event(Event::PeerFault { peer: from, reason });
    }

    /// Takes up a signature from the store, if it holds; otherwise it is dropped, and has to be made again.
    pub(in crate::node) fn take_stored(&mut self, cx: &mut Context, task: Task, row: &[u8]) {
        let message = match self.derive(cx, task) {
            Ok(Some(message)) => message,
            // Not needed as long as nothing is known of it; a row that could not be read may be there the next time.
            Ok(None) => return,
            Err(fault) => return cx.store_fault(&fault),
        };
        let Some(key) = Self::task_key(cx, task) else { return };
        let verified = row.try_into().map_err(|_| SignatureError).map(Signature);
        match verified.and_then(|signature| verify_finished(&key, &message, &signature)) {
            Ok(signature) => {
                self.finished.insert(task, signature);
            }
            Err(SignatureError) => Self::drop_stored(cx, task.key(), "signature"),
        }
    }

    /// Deletes a row of the table of signed things, because what it holds does not verify.
    pub(super) fn drop_stored(cx: &mut Context, key: Vec<u8>, what: &str) {
        cx.count("hypermesh", "signatures_dropped_total", 1);
        let mut writes = WriteBatch::default();
        writes.delete(Table::Signed, key);
        let _token = cx.persist(writes);
        let reason = alloc::format!(
            "a stored {what} does not hold by the rule that other implementations use: it is dropped and made again"
        );
        cx.outbox.event(Event::StoreFault { reason });
    }
}

/// Verifies a finished signature that this node did not make itself.
fn verify_finished(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<StrictSignature, SignatureError> {
    #[cfg(hypermesh_planted)]
    if crate::planted::is(crate::planted::Bug::LenientSignature) {
        return StrictSignature::leniently(key, message, signature);
    }
    key.verify_strict(message, signature)
}
