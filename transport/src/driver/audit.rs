//! What is logged of the requests that no view answers: those that change something, or make the node work.
//!
//! Each gets a span, so that every line that is logged on its way carries its trace id, and one line with the
//! target `audit` when it ends: who asked for what from where, and what became of it. The line is at `info` only where
//! something was changed: a read, a refusal or a caller that goes away costs whoever asks nothing, and must not fill the disk.

use crate::{Call, Status, StatusCode};
use bytes::Bytes;
use hypermesh_core::api::{Request, Response};
use tracing::Span;

/// The span of a request.
pub(super) fn span(call: &Call, request: &Request) -> Span {
    let span = tracing::info_span!(
        "request",
        trace = hexadecimal(&call.trace_id),
        idempotency_key = tracing::field::Empty,
        method = %format_args!("{}/{}", call.service, call.method),
        caller = %call.caller,
        remote = %call.remote,
        operation = tracing::field::Empty,
        action = tracing::field::Empty,
        serial = tracing::field::Empty,
    );
    if let Some(key) = &call.idempotency_key {
        span.record("idempotency_key", hexadecimal(key));
    }
    if let Some(operation) = request.operation() {
        span.record("operation", tracing::field::display(operation.id()));
        span.record("action", operation.body.action.name());
    }
    span
}

/// Adds to the span what only the answer says.
pub(super) fn note_response(response: &Response) {
    if let Response::IssueCertificate(issued) = response {
        Span::current().record("serial", tracing::field::display(issued.serial_number));
    }
}

/// Logs how a request ended. Dropped before that, it logs that nobody waits any more.
pub(super) struct Ending {
    /// Whether the request brought an owner's operation.
    changes: bool,
    ended: bool,
}

impl Ending {
    pub(super) fn new(request: &Request) -> Self {
        Self { changes: request.operation().is_some(), ended: false }
    }

    pub(super) fn log(mut self, result: &Result<Bytes, Status>) {
        self.ended = true;
        match result {
            Ok(_) if self.changes => tracing::info!(target: AUDIT, "done"),
            Ok(_) => tracing::debug!(target: AUDIT, outcome = StatusCode::Ok.name(), "answered"),
            Err(status) => {
                let (outcome, reason) = (status.code().name(), status.message());
                tracing::debug!(target: AUDIT, outcome, reason, "answered");
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.ended {
            tracing::debug!(target: AUDIT, "caller disconnected; the operation may still commit");
        }
    }
}

const AUDIT: &str = "audit";

fn hexadecimal(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}
