//! Requests that only the node can answer: what has to be ordered, signed or looked up in the store.

use super::stored::stored_proof;
use super::{Node, RequestId, context::Context};
use crate::api::{ApiFault, BlockProof, LogEntry, Request, Response, read};
use crate::base::{Height, Mono};
use crate::state::Action;

impl Context {
    pub(super) fn not_ready(&self) -> ApiFault {
        ApiFault::unavailable(alloc::format!("the mesh cannot sign yet: {}", self.view.status.committee))
    }

    fn block_proof(&self, height: Height) -> Result<BlockProof, ApiFault> {
        let absent = || ApiFault::not_found(alloc::format!("there is no block {height} here"));
        let (header, commit) = stored_proof(&self.store, height)?.ok_or_else(absent)?;
        Ok(BlockProof { header, commit })
    }
}

impl Node {
    pub(super) fn on_request(&mut self, id: RequestId, received: Mono, request: Request) {
        let respond = |node: &mut Self, response| node.cx.outbox.respond(id, response);
        match request {
            Request::Operation(request) => {
                self.submission.submit(&mut self.cx, id, request.operation, received)
            }
            Request::IssueCertificate(request) => match request.operation.body.action {
                Action::IssueCertificate(_) => {
                    self.submission.submit(&mut self.cx, id, request.operation, received)
                }
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
            Request::GetRevocationList(request) => {
                self.signing.await_revocation_lists(&mut self.cx, id, request)
            }
            Request::ValidateBatch(request) => self.pool.submit_foreign(&mut self.cx, id, request.batch),
            Request::GetCertificate(request) => {
                self.signing.await_certificate(
                    &mut self.cx,
                    id,
                    request.serial_number,
                    Response::GetCertificate,
                );
            }
            Request::Trace(request) => {
                let trace = self.cx.trace(request.id);
                respond(self, Ok(Response::Trace(trace)));
            }
            Request::LogCheckpoint(_) => self.signing.await_checkpoint(&mut self.cx, id),
            Request::TrustBundle(_) => {
                let bundle = self.signing.trust_bundle(&self.cx).ok_or_else(|| self.cx.not_ready());
                respond(self, bundle.map(Response::TrustBundle));
            }
            Request::LogEntry(request) => {
                let absent = || ApiFault::not_found(alloc::format!("the log has no entry {}", request.index));
                let entry = self
                    .cx
                    .log_entry(request.index)
                    .map_err(ApiFault::from)
                    .and_then(|entry| entry.ok_or_else(absent));
                respond(
                    self,
                    entry.map(|entry| Response::LogEntry(LogEntry { index: request.index, entry })),
                );
            }
            Request::Header(request) => {
                let proof = self.cx.block_proof(request.height.unwrap_or(self.cx.state.height()));
                respond(self, proof.map(Response::Header));
            }
            other => {
                let view = self.view();
                let unknown = || Err(ApiFault::invalid("this method is not answered here"));
                let response = read(&view, &other, self.cx.wall()).unwrap_or_else(unknown);
                respond(self, response);
            }
        }
    }
}
