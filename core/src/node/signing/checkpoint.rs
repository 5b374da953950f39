//! Checkpoints of the log: the validators' cosignatures, and the signed note that they make.

use crate::base::{PublicKey, Signature, SignatureError, reached};
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, Node};
use crate::state::{Validator, cosigner_name};
use crate::trustchain::ct::{NoteSignature, SignedCheckpoint};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Node {
    pub(super) fn cosign(&self, size: u64) -> Option<Signature> {
        let checkpoint = self.checkpoint(size)?;
        let message = checkpoint.cosignature_message(self.cosignature_seconds());
        Some(self.identity.sign_bytes(message.as_bytes()))
    }

    /// Cosignatures carry the time at which the committee began: the same on every node, and no promise of when.
    pub(super) fn cosignature_seconds(&self) -> u64 {
        self.state.committee().map_or(0, |committee| committee.time.seconds())
    }

    /// Keeps a signer's cosignature on a checkpoint. What is sent again is not verified again.
    pub(super) fn take_cosignature(&mut self, from: PublicKey, size: u64, signature: Signature) {
        if self.signing.cosignatures.get(&size).is_some_and(|given| given.contains_key(&from)) {
            return;
        }
        let Some(checkpoint) = self.checkpoint(size) else { return };
        let message = checkpoint.cosignature_message(self.cosignature_seconds());
        match from.verify_strict(message.as_bytes(), &signature) {
            Ok(verified) => {
                let given = self.signing.cosignatures.entry(size).or_default();
                given.insert(from, verified);
                if given.len() >= self.state.validators().quorum() {
                    self.signing.touched.insert(Task::Checkpoint(size));
                }
            }
            Err(SignatureError) => {
                self.refuse_signature(from, "sent a cosignature that does not hold".to_string());
            }
        }
    }

    /// The signers of a checkpoint who gave a share of its signature and no cosignature, if a quorum of those is lacking.
    pub(super) fn lacking_cosignatures(&self, task: Task, signers: &[PublicKey]) -> Vec<PublicKey> {
        let Task::Checkpoint(size) = task else { return Vec::new() };
        let given = self.signing.cosignatures.get(&size);
        if given.is_some_and(|given| given.len() >= self.state.validators().quorum()) {
            return Vec::new();
        }
        let lacks = |signer: &&PublicKey| given.is_none_or(|given| !given.contains_key(*signer));
        signers.iter().filter(lacks).copied().collect()
    }

    /// Asks others for a checkpoint, after a while: a share without a cosignature is of no use.
    pub(super) fn cosign_with_others(&mut self, task: Task, lacking: Vec<PublicKey>) {
        reached!(self.marks, "a share comes without its cosignature");
        for peer in lacking {
            let reason = "gave a share of a checkpoint's signature and no cosignature that holds".to_string();
            self.outbox.event(Event::PeerFault { peer, reason });
            self.signing.uncosigned.insert((task, peer));
        }
        let due = self.now.mono.after(self.session_timeout());
        self.signing.pending.start_over(task, due);
        self.timers.bring_forward(Timer::Signing, due);
    }

    /// The checkpoint at a size as a signed note, once the log key and a quorum have signed it.
    pub(in crate::node) fn checkpoint_note(&self, size: u64) -> Option<String> {
        let checkpoint = self.checkpoint(size)?;
        let signature = self.signing.finished.get(&Task::Checkpoint(size))?;
        let cosignatures = self.signing.cosignatures.get(&size)?;
        if cosignatures.len() < self.state.validators().quorum() {
            return None;
        }
        let zone = self.state.genesis_document().zone.clone();
        let mut signatures = alloc::vec![NoteSignature::by_log(&checkpoint.origin, signature).ok()?];
        for (validator, signature) in cosignatures {
            let row = self.state.get::<Validator>(validator)?;
            let name = cosigner_name(&row.name, &zone);
            signatures.push(NoteSignature::by_cosigner(&name, self.cosignature_seconds(), signature).ok()?);
        }
        SignedCheckpoint { checkpoint, signatures }.to_note().ok()
    }
}
