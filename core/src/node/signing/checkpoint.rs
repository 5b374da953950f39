//! Checkpoints of the log: the validators' cosignatures, and the signed note that they make.

use crate::base::{PublicKey, Signature, SignatureError, reached};
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
use crate::state::{Validator, cosigner_name};
use crate::trustchain::ct::{NoteSignature, SignedCheckpoint};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl Signing {
    pub(super) fn cosign(cx: &Context, size: u64) -> Option<Signature> {
        let checkpoint = cx.checkpoint(size)?;
        let message = checkpoint.cosignature_message(Self::cosignature_seconds(cx));
        Some(cx.identity.sign_bytes(message.as_bytes()))
    }

    /// Cosignatures carry the time at which the committee began: the same on every node, and no promise of when.
    pub(super) fn cosignature_seconds(cx: &Context) -> u64 {
        cx.state.committee().map_or(0, |committee| committee.time.seconds())
    }

    /// Keeps a signer's cosignature on a checkpoint. What is sent again is not verified again.
    pub(super) fn take_cosignature(
        &mut self,
        cx: &mut Context,
        from: PublicKey,
        size: u64,
        signature: Signature,
    ) {
        if self.cosignatures.get(&size).is_some_and(|given| given.contains_key(&from)) {
            return;
        }
        let Some(checkpoint) = cx.checkpoint(size) else { return };
        let message = checkpoint.cosignature_message(Self::cosignature_seconds(cx));
        match from.verify_strict(message.as_bytes(), &signature) {
            Ok(verified) => {
                let given = self.cosignatures.entry(size).or_default();
                given.insert(from, verified);
                if given.len() >= cx.state.validators().quorum() {
                    self.touched.insert(Task::Checkpoint(size));
                }
            }
            Err(SignatureError) => {
                Self::refuse_signature(cx, from, "sent a cosignature that does not hold".to_string());
            }
        }
    }

    /// The signers of a checkpoint who gave a share of its signature and no cosignature, if a quorum of those is lacking.
    pub(super) fn lacking_cosignatures(
        &self,
        cx: &Context,
        task: Task,
        signers: &[PublicKey],
    ) -> Vec<PublicKey> {
        let Task::Checkpoint(size) = task else { return Vec::new() };
        let given = self.cosignatures.get(&size);
        if given.is_some_and(|given| given.len() >= cx.state.validators().quorum()) {
            return Vec::new();
        }
        let lacks = |signer: &&PublicKey| given.is_none_or(|given| !given.contains_key(*signer));
        signers.iter().filter(lacks).copied().collect()
    }

    /// Asks others for a checkpoint, after a while: a share without a cosignature is of no use.
    pub(super) fn cosign_with_others(&mut self, cx: &mut Context, task: Task, lacking: Vec<PublicKey>) {
        reached!(cx.marks, "a share comes without its cosignature");
        for peer in lacking {
            let reason = "gave a share of a checkpoint's signature and no cosignature that holds".to_string();
            cx.outbox.event(Event::PeerFault { peer, reason });
            self.uncosigned.insert((task, peer));
        }
        let due = cx.now.mono.after(self.session_timeout(cx));
        self.pending.start_over(task, due);
        cx.timers.bring_forward(Timer::Signing, due);
    }

    /// The checkpoint at a size as a signed note, once the log key and a quorum have signed it.
    pub(in crate::node) fn checkpoint_note(&self, cx: &Context, size: u64) -> Option<String> {
        let checkpoint = cx.checkpoint(size)?;
        let signature = self.finished.get(&Task::Checkpoint(size))?;
        let cosignatures = self.cosignatures.get(&size)?;
        if cosignatures.len() < cx.state.validators().quorum() {
            return None;
        }
        let zone = cx.state.genesis_document().zone.clone();
        let mut signatures = alloc::vec![NoteSignature::by_log(&checkpoint.origin, signature).ok()?];
        for (validator, signature) in cosignatures {
            let row = cx.state.get::<Validator>(validator)?;
            let name = cosigner_name(&row.name, &zone);
            signatures
                .push(NoteSignature::by_cosigner(&name, Self::cosignature_seconds(cx), signature).ok()?);
        }
        SignedCheckpoint { checkpoint, signatures }.to_note().ok()
    }
}
