//! What is logged of the requests that no view answers: those that change something, or make the node work.
//!
//! Each gets a span, so that every line that is logged on its way carries its trace id, and one line with the
//! target `audit` when it ends: who asked for what from where, and what became of it. The line is at `info` only where
//! something was changed: a read, a refusal or a caller that goes away costs whoever asks nothing, and must not fill the disk.
//! For the same reason an operation has one such line, however often its owner sends it: only the first time is paid for.

use bytes::Bytes;
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::Height;
use hypermesh_core::state::{OperationId, Receipt};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use stoq::{Call, Status, StatusCode};
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

/// An owner's operation that a request submitted.
#[derive(Clone, Copy)]
pub(super) struct SubmittedOperation {
    operation: OperationId,
    /// The block that had carried it already when the request came.
    carried_by: Option<Height>,
}

impl SubmittedOperation {
    /// The operation of a request that came when the state was that of this view.
    pub(super) fn by(request: &Request, view: &View) -> Option<Self> {
        let operation = request.operation()?.id();
        let carried_by = view.state.get::<Receipt>(&operation).map(|receipt| receipt.height);
        Some(Self { operation, carried_by })
    }
}

/// The operations of which this process has audited that they are committed.
#[derive(Default)]
pub(super) struct AuditedOperations(Mutex<Newest>);

/// The newest of them.
#[derive(Default)]
struct Newest {
    operations: BTreeSet<OperationId>,
    /// The same, oldest first, each with the height of the state when it was audited.
    order: VecDeque<(OperationId, Height)>,
    /// Operations that were dropped from these lists are in blocks up to this height.
    dropped: Option<Height>,
}

impl AuditedOperations {
    /// Takes note of a committed operation, at this height or before. Returns whether its line is still to be audited.
    fn is_first(&self, submitted: SubmittedOperation, height: Height) -> bool {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An old operation that is not in the lists may have been dropped from them: without this, whoever repeats more
        // operations than the lists hold, one after the other, would have all of them audited again and again.
        let may_be_dropped =
            submitted.carried_by.is_some_and(|carried_by| Some(carried_by) <= newest.dropped);
        if may_be_dropped || !newest.operations.insert(submitted.operation) {
            return false;
        }
        newest.order.push_back((submitted.operation, height));
        if newest.order.len() > WRITTEN_COUNT_MAX
            && let Some((operation, height)) = newest.order.pop_front()
        {
            newest.operations.remove(&operation);
            newest.dropped = newest.dropped.max(Some(height));
        }
        true
    }
}

/// Logs how a request ended. Dropped before that, it logs that nobody waits any more.
pub(super) struct Ending {
    /// The owner's operation that the request submitted.
    submitted: Option<SubmittedOperation>,
    ended: bool,
}

impl Ending {
    pub(super) const fn new(submitted: Option<SubmittedOperation>) -> Self {
        Self { submitted, ended: false }
    }

    /// Logs the result. `height` is that of the state, in which what was submitted is committed if it succeeded.
    pub(super) fn log(mut self, result: &Result<Bytes, Status>, audited: &AuditedOperations, height: Height) {
        self.ended = true;
        match result {
            Ok(_) if self.submitted.is_some_and(|submitted| audited.is_first(submitted, height)) => {
                tracing::info!(target: AUDIT, "operation committed");
            }
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
/// The most operations that are remembered as audited. A block holds at most a quarter as many from one member.
const WRITTEN_COUNT_MAX: usize = 4096;

fn hexadecimal(bytes: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::Digest;

    fn operation(number: u64) -> OperationId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        OperationId(Digest(bytes))
    }

    /// Operation N is carried by block N.
    fn fresh(number: u64) -> SubmittedOperation {
        SubmittedOperation { operation: operation(number), carried_by: None }
    }

    fn repeated(number: u64) -> SubmittedOperation {
        SubmittedOperation { carried_by: Some(Height(number)), ..fresh(number) }
    }

    #[test]
    fn an_operation_is_written_once_however_often_it_is_sent() {
        let audited = AuditedOperations::default();
        assert!(audited.is_first(fresh(1), Height(1)));
        assert!(!audited.is_first(fresh(1), Height(1)), "sent twice before it was committed");
        assert!(!audited.is_first(repeated(1), Height(9)));
        // Another node was asked first, and this one answers from the receipt.
        assert!(audited.is_first(repeated(2), Height(9)));
        assert!(!audited.is_first(repeated(2), Height(9)));
    }

    #[test]
    fn operations_are_remembered_up_to_the_limit_and_one_that_was_dropped_is_not_written_again() {
        let audited = AuditedOperations::default();
        let count = WRITTEN_COUNT_MAX as u64;
        for number in 1..=count {
            assert!(audited.is_first(fresh(number), Height(number)));
        }
        assert!(!audited.is_first(fresh(1), Height(count)), "all are remembered");
        assert_eq!(audited.0.lock().unwrap_or_else(PoisonError::into_inner).dropped, None);
        assert!(audited.is_first(fresh(count + 1), Height(count + 1)));
        let newest = audited.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((newest.operations.len(), newest.order.len()), (WRITTEN_COUNT_MAX, WRITTEN_COUNT_MAX));
        assert_eq!(newest.dropped, Some(Height(1)));
        drop(newest);
        for number in 1..=count + 1 {
            assert!(!audited.is_first(repeated(number), Height(count + 1)), "{number}");
        }
    }
}
