//! Requests that only the node can answer: what has to be ordered, signed or looked up in the store.

use super::open::stored_proof;
use super::signing::CertificateResponse;
use super::task::Task;
use super::timers::Timer;
use super::{Node, RequestId};
use crate::api::{
    ApiFault, BlockProof, CheckpointNote, FaultKind, IssuedCertificate, LogEntry, Request, Response, read,
};
use crate::base::{Height, Mono, Reader as _, UnixMillis, reached};
use crate::state::{Action, Certificate, Receipt};
use crate::trust::{CertificateProof, IssuingDer, TrustBundle};
use crate::trustchain::ca::{PemLabel, SerialNumber, certificate_der, pem};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// Certificates that could not be put together are looked at again after this long.
const INCOMPLETE_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl Node {
    pub(super) fn on_request(&mut self, id: RequestId, received: Mono, request: Request) {
        let respond = |node: &mut Self, response| node.outbox.respond(id, response);
        match request {
            Request::Operation(request) => self.submit(id, request.operation, received),
            Request::IssueCertificate(request) => match request.operation.body.action {
                Action::IssueCertificate(_) => self.submit(id, request.operation, received),
                _ => respond(self, Err(ApiFault::invalid("the operation asks for no certificate"))),
            },
            Request::History(request) => {
                let history = self.history(&request);
                respond(self, history.map(Response::History));
            }
            Request::Movements(request) => {
                let movements = self.block_movements(&request);
                respond(self, movements.map(Response::Movements));
            }
            Request::GetRevocationList(request) => self.await_revocation_lists(id, request),
            Request::ValidateBatch(request) => self.submit_foreign(id, request.batch),
            Request::GetCertificate(request) => {
                self.await_certificate(id, request.serial_number, Response::GetCertificate);
            }
            Request::Trace(request) => {
                let trace = self.trace(request.id);
                respond(self, Ok(Response::Trace(trace)));
            }
            Request::LogCheckpoint(_) => self.await_checkpoint(id),
            Request::TrustBundle(_) => {
                let bundle = self.trust_bundle().ok_or_else(|| self.not_ready());
                respond(self, bundle.map(Response::TrustBundle));
            }
            Request::LogEntry(request) => {
                let absent = || ApiFault::not_found(alloc::format!("the log has no entry {}", request.index));
                let entry = self
                    .log_entry(request.index)
                    .map_err(ApiFault::from)
                    .and_then(|entry| entry.ok_or_else(absent));
                respond(
                    self,
                    entry.map(|entry| Response::LogEntry(LogEntry { index: request.index, entry })),
                );
            }
            Request::Header(request) => {
                let proof = self.block_proof(request.height.unwrap_or(self.state.height()));
                respond(self, proof.map(Response::Header));
            }
            other => {
                let view = self.view();
                let unknown = || Err(ApiFault::invalid("this method is not answered here"));
                let response = read(&view, &other, self.wall()).unwrap_or_else(unknown);
                respond(self, response);
            }
        }
    }

    pub(super) fn not_ready(&self) -> ApiFault {
        ApiFault::unavailable(alloc::format!("the mesh cannot sign yet: {}", self.committee_status()))
    }

    fn block_proof(&self, height: Height) -> Result<BlockProof, ApiFault> {
        let absent = || ApiFault::not_found(alloc::format!("there is no block {height} here"));
        let (header, commit) = stored_proof(&self.store, height)?.ok_or_else(absent)?;
        Ok(BlockProof { header, commit })
    }

    /// Refuses those who wait for signatures, which take a quorum too.
    pub(super) fn refuse_unsigned(&mut self, fault: &ApiFault) {
        if self.signing.certificates.thing_count() == 0 && self.signing.checkpoints.thing_count() == 0 {
            return;
        }
        let certificates = core::mem::take(&mut self.signing.certificates).dismiss();
        let checkpoints = core::mem::take(&mut self.signing.checkpoints).dismiss();
        self.signing.needed_checkpoints.clear();
        let certificates = certificates.into_iter().map(|(request, _)| request);
        let checkpoints = checkpoints.into_iter().map(|(request, ())| request);
        for request in certificates.chain(checkpoints) {
            self.outbox.respond(request, Err(fault.clone()));
        }
        self.end_unwanted();
    }

    // --- certificates ---

    /// Answers with a certificate once it is signed. Any node can be asked: it then coordinates.
    pub(super) fn await_certificate(
        &mut self,
        id: RequestId,
        serial: SerialNumber,
        response: CertificateResponse,
    ) {
        let Some(certificate) = self.state.get::<Certificate>(&serial) else {
            let fault = if self.may_be_behind() {
                reached!(self.marks, "a node that may be behind does not refuse for good");
                self.unsure()
            } else {
                ApiFault::not_found(alloc::format!("no certificate has the serial number {serial}"))
            };
            return self.outbox.respond(id, Err(fault));
        };
        let proof = match stored_proof(&self.store, certificate.height) {
            Ok(proof) => proof,
            Err(fault) => {
                self.store_fault(&fault);
                let fault = "the proof of the certificate cannot be read from the store now: ask again in a moment, or ask \
                             another node";
                return self.outbox.respond(id, Err(ApiFault::unavailable(fault)));
            }
        };
        if let Err(crowded) = self.signing.certificates.push(serial, id, response) {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
            return self.outbox.respond(id, Err(fault));
        }
        let mut tasks = alloc::vec![Task::Leaf(serial)];
        if let Some((header, _)) = proof {
            self.signing.needed_checkpoints.insert(serial, header.log_size);
            self.follow_checkpoint(serial, header.log_size);
            tasks.push(Task::Checkpoint(header.log_size));
        }
        self.recall(Task::Leaf(serial));
        self.signing.fresh.extend(tasks);
    }

    /// A signature that was finished before is taken from the store.
    fn recall(&mut self, task: Task) {
        match self.store.get(crate::base::Table::Signed, &task.key()) {
            Ok(Some(row)) => {
                reached!(self.marks, "a signature is found in the store");
                self.take_stored(task, &row);
            }
            Ok(None) => {}
            Err(fault) => self.store_fault(&fault),
        }
    }

    fn await_checkpoint(&mut self, id: RequestId) {
        let size = self.state.log().size();
        if self.signing.committee.is_none() || size == 0 {
            let fault = self.not_ready();
            return self.outbox.respond(id, Err(fault));
        }
        if let Err(crowded) = self.signing.checkpoints.push(size, id, ()) {
            let fault = ApiFault::new(FaultKind::ResourceExhausted, crowded);
            return self.outbox.respond(id, Err(fault));
        }
        self.follow_request(id, size);
        self.signing.fresh.push(Task::Checkpoint(size));
    }

    /// Answers those whose certificates, checkpoints and lists have become complete in this step.
    pub(super) fn answer_touched(&mut self) {
        if self.signing.touched.is_empty() {
            return;
        }
        let mut serials: BTreeSet<SerialNumber> = BTreeSet::new();
        for task in core::mem::take(&mut self.signing.touched) {
            match task {
                Task::Leaf(serial) => _ = serials.insert(serial),
                Task::Checkpoint(size) => {
                    self.answer_checkpoint(size);
                    serials.extend(self.signing.needed_checkpoints.certificates_at(size));
                }
                Task::Root | Task::Issuing(_) => serials.extend(self.signing.certificates.things()),
                Task::RevocationList(_) | Task::RootRevocationList(_) => self.answer_revocation_lists(),
            }
        }
        self.answer_certificates(serials);
        self.forget_finished();
    }

    fn answer_checkpoint(&mut self, size: u64) {
        if !self.signing.checkpoints.has(&size) {
            return;
        }
        let Some(note) = self.checkpoint_note(size) else { return };
        let Some(root) = self.state.log().root_at(size).ok() else { return };
        for (id, ()) in self.signing.checkpoints.take(&size) {
            let note = CheckpointNote { note: note.clone(), size, root };
            self.respond_durably(id, Ok(Response::LogCheckpoint(note)));
        }
    }

    fn answer_certificates(&mut self, serials: BTreeSet<SerialNumber>) {
        let signing = &self.signing;
        let complete = |serial: &SerialNumber| {
            signing.certificates.has(serial) && signing.finished.contains_key(&Task::Leaf(*serial))
        };
        let ready: Vec<SerialNumber> = serials.into_iter().filter(complete).collect();
        if ready.is_empty() {
            return;
        }
        let Some(root) = self.authority_pem(Task::Root) else { return };
        let chains = self.signed_issuing();
        for serial in ready {
            let Some(issued) = self.issued(serial, &root, &chains) else {
                self.signing.incomplete.insert(serial);
                let due = self.now.mono.after(INCOMPLETE_AGAIN_AFTER);
                let due = *self.signing.incomplete_due.get_or_insert(due);
                self.timers.bring_forward(Timer::Signing, due);
                continue;
            };
            self.signing.incomplete.remove(&serial);
            self.signing.needed_checkpoints.remove(&serial);
            for (id, response) in self.signing.certificates.take(&serial) {
                self.respond_durably(id, Ok(response(issued.clone())));
            }
        }
    }

    /// Looks again at certificates that could not be put together: a row that could not be read may be there by now.
    pub(super) fn complete_again(&mut self) {
        if self.signing.incomplete_due.take_if(|due| *due <= self.now.mono).is_some() {
            let again = core::mem::take(&mut self.signing.incomplete);
            self.answer_certificates(again);
        }
    }

    /// The last moments of the issuing certificates that are signed, and their DER, oldest first.
    fn signed_issuing(&self) -> Vec<(UnixMillis, Vec<u8>)> {
        let newest = self.state.newest_issuing();
        let signed = |number| {
            let der = self.authority_der(Task::Issuing(number))?;
            Some((self.state.issuer_at(number)?.issuing_validity.not_after, der))
        };
        newest.into_iter().flat_map(|newest| 0..=newest).filter_map(signed).collect()
    }

    /// A certificate with all that proves it, once all of that is there: also an issuing certificate that does not
    /// end before it.
    fn issued(
        &self,
        serial: SerialNumber,
        root_pem: &str,
        issuing: &[(UnixMillis, Vec<u8>)],
    ) -> Option<IssuedCertificate> {
        let signature = self.signing.finished.get(&Task::Leaf(serial))?;
        let certificate = self.state.get::<Certificate>(&serial)?;
        let (_, chain) = issuing.iter().rev().find(|(ends, _)| *ends >= certificate.not_after)?;
        let (header, commit) = stored_proof(&self.store, certificate.height).ok()??;
        let checkpoint = self.checkpoint_note(header.log_size)?;
        let tbs = self.derive(Task::Leaf(serial)).ok()??;
        let der = certificate_der(&tbs, signature).ok()?;
        let proof = CertificateProof { serial_number: serial, commit, checkpoint };
        let fee =
            self.state.get::<Receipt>(&certificate.operation).map(|receipt| receipt.fee).unwrap_or_default();
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

    fn authority_pem(&self, task: Task) -> Option<String> {
        Some(pem(PemLabel::Certificate, &self.authority_der(task)?))
    }

    fn authority_der(&self, task: Task) -> Option<Vec<u8>> {
        let tbs = self.derive(task).ok()??;
        certificate_der(&tbs, self.signing.finished.get(&task)?).ok()
    }

    fn trust_bundle(&self) -> Option<TrustBundle> {
        let attempt = self.state.committee()?.attempt;
        let confirms = |operation: &&crate::state::SystemOperation| matches!(&operation.action, crate::state::SystemAction::GenerationConfirm { attempt: of, .. } if *of == attempt);
        Some(TrustBundle {
            genesis: self.state.genesis_document().as_ref().clone(),
            confirmations: self.signing.confirmations.values().filter(confirms).cloned().collect(),
            root_der: self.authority_der(Task::Root)?,
            issuing_ders: self.signed_issuing().into_iter().map(|(_, der)| IssuingDer(der)).collect(),
        })
    }
}
