//! Checkpoints of the log: the validators' cosignatures, and the signed note that they make.

use crate::base::{PublicKey, Signature};
use crate::hypermesh::committee::KeyPurpose;
use crate::node::Node;
use crate::node::task::Task;
use crate::state::{Validator, cosigner_name};
use crate::trustchain::ct::{Cosigner, NoteSignature, SignedCheckpoint};
use alloc::string::String;

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

    pub(super) fn take_cosignature(&mut self, from: PublicKey, size: u64, signature: Signature) {
        let Some(checkpoint) = self.checkpoint(size) else { return };
        let message = checkpoint.cosignature_message(self.cosignature_seconds());
        if from.verify_bytes(message.as_bytes(), &signature).is_ok() {
            self.signing.cosignatures.entry(size).or_default().insert(from, signature);
        }
    }

    /// The checkpoint at a size as a signed note, once the log key and a quorum have signed it.
    pub(in crate::node) fn checkpoint_note(&self, size: u64) -> Option<String> {
        let checkpoint = self.checkpoint(size)?;
        let signature = self.signing.finished.get(&Task::Checkpoint(size))?;
        let cosignatures = self.signing.cosignatures.get(&size)?;
        if cosignatures.len() < self.state.validators().quorum() {
            return None;
        }
        let log_key = self.signing.committee.as_ref()?.keys().public(KeyPurpose::Log)?;
        let zone = self.state.genesis_document().zone.clone();
        let mut signatures =
            alloc::vec![NoteSignature::by_log(&checkpoint.origin, &log_key, signature).ok()?];
        for (validator, signature) in cosignatures {
            let row = self.state.get::<Validator>(validator)?;
            let cosigner = Cosigner { name: cosigner_name(&row.name, &zone), key: *validator };
            signatures
                .push(NoteSignature::by_cosigner(&cosigner, self.cosignature_seconds(), signature).ok()?);
        }
        SignedCheckpoint { checkpoint, signatures }.to_note().ok()
    }
}
