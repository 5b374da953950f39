//! The root and issuing certificates: one signature for the whole mesh, coordinated by one validator in turn.

use crate::base::{PublicKey, Table, WriteBatch};
use crate::node::message::{Message, TaskSignature};
use crate::node::task::Task;
use crate::node::{Event, Node};
use alloc::string::ToString;
use core::time::Duration;

/// The first validator coordinates; each next one steps in after this.
const AUTHORITY_STEP: Duration = Duration::from_millis(1500);

impl Node {
    /// Whether both are signed.
    pub(in crate::node) fn has_authority(&self) -> bool {
        [Task::Root, Task::Issuing].iter().all(|task| self.signing.finished.contains_key(task))
    }

    /// One validator coordinates, so that the whole mesh shows the same bytes; the next steps in if it does not.
    pub(super) fn consider_authority(&mut self) {
        if self.signing.committee.is_none() || self.has_authority() {
            return;
        }
        let rank = self.state.validators().position(&self.identity.public()).unwrap_or_default();
        let turn = AUTHORITY_STEP.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        if self.now.mono.since(self.signing.active_since) >= turn {
            self.start_tasks(&[Task::Root, Task::Issuing]);
        }
    }

    pub(in crate::node) fn send_authority(&mut self, peer: PublicKey) {
        for task in [Task::Root, Task::Issuing] {
            if let Some(signature) = self.signing.finished.get(&task).copied() {
                self.send(peer, &Message::Signature(TaskSignature { task, signature }));
            }
        }
    }

    pub(in crate::node) fn on_task_signature(&mut self, from: PublicKey, given: TaskSignature) {
        let TaskSignature { task, signature } = given;
        let wanted = matches!(task, Task::Root | Task::Issuing) && !self.signing.finished.contains_key(&task);
        let key =
            self.signing.committee.as_ref().and_then(|committee| committee.keys().public(task.purpose()));
        let (true, Some(key), Ok(Some(message))) = (wanted, key, self.derive(task)) else { return };
        if key.verify_bytes(&message, &signature).is_err() {
            let reason = "sent a signature that does not hold".to_string();
            return self.outbox.event(Event::PeerFault { peer: from, reason });
        }
        self.end_session(task);
        self.signing.starved.remove(&task);
        self.signing.finished.insert(task, signature);
        let mut writes = WriteBatch::default();
        writes.put(Table::Signed, task.key(), signature.0);
        let _token = self.persist(writes);
        self.publish();
        self.answer_waiting();
    }
}
