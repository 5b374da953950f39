//! Certificates for those who wait: once a leaf is signed, it is put together with its chain and its proofs, and answered.

use crate::api::{ApiFault, CheckpointNote, FaultKind, IssuedCertificate, Response};
use crate::base::{Reader as _, UnixMillis, reached};
use crate::node::signing::CertificateResponse;
use crate::node::signing::Signing;
use crate::node::stored::stored_proof;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{RequestId, context::Context};
use crate::state::{Certificate, Receipt};
use crate::trust::{CertificateProof, IssuingDer, TrustBundle};
use crate::trustchain::ca::{PemLabel, SerialNumber, certificate_der, pem};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Certificates that could not be put together are looked at again after this long.
const INCOMPLETE_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Signing {
    /// Refuses those who wait for signatures, which take a quorum too.
    pub(in crate::node) fn refuse_unsigned(&mut self, cx: &mut Context, fault: &ApiFault) {
        if self.certificates.thing_count() == 0 && self.checkpoints.thing_count() == 0 {
            return;
        }
        let certificates = core::mem::take(&mut self.certificates).dismiss();
        let checkpoints = core::mem::take(&mut self.checkpoints).dismiss();
        self.needed_checkpoints.clear();
        let certificates = certificates.into_iter().map(|(request, _)| request);
        let checkpoints = checkpoints.into_iter().map(|(request, ())| request);
        for request in certificates.chain(checkpoints) {
            cx.outbox.respond(request, Err(fault.clone()));
        }
        self.end_unwanted();
    }

    // --- certificates ---

    /// Answers with a certificate once it is signed. Any node can be asked: it then coordinates.
    pub(in crate::node) fn await_certificate(
        &mut self,
        cx: &mut Context,
        id: RequestId,
        serial: SerialNumber,
        response: CertificateResponse,
    ) {
        let Some(certificate) = cx.state.get::<Certificate>(&serial) else {
            let fault = if cx.may_be_behind() {
                reached!(cx.marks, "a node that may be behind does not refuse for good");
                cx.unsure()
            } else {
                ApiFault::not_found(alloc::format!("no certificate has the serial number {serial}"))
            };
            return cx.outbox.respond(id, Err(fault));
        };
        let proof = match stored_proof(&cx.store, certificate.height) {
            Ok(proof) => proof,
            Err(fault) => {
                cx.store_fault(&fault);
                let fault = "the proof of the certificate cannot be read from the store now: ask again in a moment, or ask \
                             another node";
                return cx.outbox.respond(id, Err(ApiFault::unavailable(fault)));
            }
        };
        if let Err(crowded) = self.certificates.push(serial, id, response) {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
            return cx.outbox.respond(id, Err(fault));
        }
        let mut tasks = alloc::vec![Task::Leaf(serial)];
        if let Some((header, _)) = proof {
            self.needed_checkpoints.insert(serial, header.log_size);
            cx.follow_checkpoint(serial, header.log_size);
            tasks.push(Task::Checkpoint(header.log_size));
        }
        self.recall(cx, Task::Leaf(serial));
        self.fresh.extend(tasks);
    }

    /// A signature that was finished before is taken from the store.
    fn recall(&mut self, cx: &mut Context, task: Task) {
        match cx.store.get(crate::base::Table::Signed, &task.key()) {
            Ok(Some(row)) => {
                reached!(cx.marks, "a signature is found in the store");
                self.take_stored(cx, task, &row);
            }
            Ok(None) => {}
            Err(fault) => cx.store_fault(&fault),
        }
    }

    pub(in crate::node) fn await_checkpoint(&mut self, cx: &mut Context, id: RequestId) {
        let size = cx.state.log().size();
        if cx.committee.is_none() || size == 0 {
            let fault = cx.not_ready();
            return cx.outbox.respond(id, Err(fault));
        }
        if let Err(crowded) = self.checkpoints.push(size, id, ()) {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
            return cx.outbox.respond(id, Err(fault));
        }
        cx.follow_request(id, size);
        self.fresh.push(Task::Checkpoint(size));
    }

    /// Answers those whose certificates, checkpoints and lists have become complete in this step.
    pub(in crate::node) fn answer_touched(&mut self, cx: &mut Context) {
        if self.touched.is_empty() {
            return;
        }
        let mut serials: BTreeSet<SerialNumber> = BTreeSet::new();
        for task in core::mem::take(&mut self.touched) {
            match task {
                Task::Leaf(serial) => _ = serials.insert(serial),
                Task::Checkpoint(size) => {
                    self.answer_checkpoint(cx, size);
                    serials.extend(self.needed_checkpoints.certificates_at(size));
                }
                Task::Root | Task::Issuing(_) => serials.extend(self.certificates.things()),
                Task::RevocationList(_) | Task::RootRevocationList(_) => self.answer_revocation_lists(cx),
            }
        }
        self.answer_certificates(cx, serials);
        self.forget_finished(cx);
    }

    fn answer_checkpoint(&mut self, cx: &mut Context, size: u64) {
        if !self.checkpoints.has(&size) {
            return;
        }
        let Some(note) = self.checkpoint_note(cx, size) else { return };
        let Some(root) = cx.state.log().root_at(size).ok() else { return };
        for (id, ()) in self.checkpoints.take(&size) {
            let note = CheckpointNote { note: note.clone(), size, root };
            cx.respond_durably(id, Ok(Response::LogCheckpoint(note)));
        }
    }

    fn answer_certificates(&mut self, cx: &mut Context, serials: BTreeSet<SerialNumber>) {
        let signing = &*self;
        let complete = |serial: &SerialNumber| {
            signing.certificates.has(serial) && signing.finished.contains_key(&Task::Leaf(*serial))
        };
        let ready: Vec<SerialNumber> = serials.into_iter().filter(complete).collect();
        if ready.is_empty() {
            return;
        }
        let Some(root) = self.authority_pem(cx, Task::Root) else { return };
        let chains = self.signed_issuing(cx);
        for serial in ready {
            let Some(issued) = self.issued(cx, serial, &root, &chains) else {
                self.incomplete.insert(serial);
                let due = cx.now.mono.after(INCOMPLETE_AGAIN_AFTER);
                let due = *self.incomplete_due.get_or_insert(due);
                cx.timers.bring_forward(Timer::Signing, due);
                continue;
            };
            self.incomplete.remove(&serial);
            self.needed_checkpoints.remove(&serial);
            for (id, response) in self.certificates.take(&serial) {
                cx.respond_durably(id, Ok(response(issued.clone())));
            }
        }
    }

    /// Looks again at certificates that could not be put together: a row that could not be read may be there by now.
    pub(in crate::node) fn complete_again(&mut self, cx: &mut Context) {
        if self.incomplete_due.take_if(|due| *due <= cx.now.mono).is_some() {
            let again = core::mem::take(&mut self.incomplete);
            self.answer_certificates(cx, again);
        }
    }

    /// The last moments of the issuing certificates that are signed, and their DER, oldest first.
    fn signed_issuing(&self, cx: &Context) -> Vec<(UnixMillis, Vec<u8>)> {
        let newest = cx.state.newest_issuing();
        let signed = |number| {
            let der = self.authority_der(cx, Task::Issuing(number))?;
            Some((cx.state.issuer_at(number)?.issuing_validity.not_after, der))
        };
        newest.into_iter().flat_map(|newest| 0..=newest).filter_map(signed).collect()
    }

    /// A certificate with all that proves it, once all of that is there: also an issuing certificate that does not
    /// end before it.
    fn issued(
        &self,
        cx: &Context,
        serial: SerialNumber,
        root_pem: &str,
        issuing: &[(UnixMillis, Vec<u8>)],
    ) -> Option<IssuedCertificate> {
        let signature = self.finished.get(&Task::Leaf(serial))?;
        let certificate = cx.state.get::<Certificate>(&serial)?;
        let (_, chain) = issuing.iter().rev().find(|(ends, _)| *ends >= certificate.not_after)?;
        let (header, commit) = stored_proof(&cx.store, certificate.height).ok()??;
        let checkpoint = self.checkpoint_note(cx, header.log_size)?;
        let tbs = self.derive(cx, Task::Leaf(serial)).ok()??;
        let der = certificate_der(&tbs, signature).ok()?;
        let proof = CertificateProof { serial_number: serial, commit, checkpoint };
        let fee =
            cx.state.get::<Receipt>(&certificate.operation).map(|receipt| receipt.fee).unwrap_or_default();
        Some(IssuedCertificate {
            serial_number: serial,
            certificate_pem: pem(PemLabel::Certificate, &der),
            certificate_der: der,
            chain_pem: pem(PemLabel::Certificate, chain),
            root_pem: root_pem.into(),
            proof_pem: proof.to_pem(),
            height: certificate.height,
            leaf_index: certificate.leaf_index,
            not_after: certificate.not_after,
            fee,
        })
    }

    fn authority_pem(&self, cx: &Context, task: Task) -> Option<String> {
        Some(pem(PemLabel::Certificate, &self.authority_der(cx, task)?))
    }

    fn authority_der(&self, cx: &Context, task: Task) -> Option<Vec<u8>> {
        let tbs = self.derive(cx, task).ok()??;
        certificate_der(&tbs, self.finished.get(&task)?).ok()
    }

    pub(in crate::node) fn trust_bundle(&self, cx: &Context) -> Option<TrustBundle> {
        let attempt = cx.state.committee()?.attempt;
        let confirms = |operation: &&crate::state::SystemOperation| matches!(&operation.action, crate::state::SystemAction::GenerationConfirm { attempt: of, .. } if *of == attempt);
        Some(TrustBundle {
            genesis: cx.state.genesis_document().as_ref().clone(),
            confirmations: self.confirmations.values().filter(confirms).cloned().collect(),
            root_der: self.authority_der(cx, Task::Root)?,
            issuing_ders: self.signed_issuing(cx).into_iter().map(|(_, der)| IssuingDer(der)).collect(),
        })
    }
}
