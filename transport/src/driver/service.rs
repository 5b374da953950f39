//! What callers see of a node: reads from its view, all else through its queue.

use super::audit::{self, Ending};
use super::turn::{Asked, Incoming, stopping};
use crate::{BoxFuture, Call, Class, Clock, Handler, Standing, Status, StatusCode, Turn};
use bytes::Bytes;
use hypermesh_core::api::{ApiFault, FaultKind, Request, View, read};
use hypermesh_core::base::{Mono, PublicKey};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, Span};

/// So long before its deadline a caller is told why there is no answer, where that is known; the answer has to
/// reach it before it gives up by itself. For short deadlines, a tenth of them.
const OVERDUE_BEFORE: Duration = Duration::from_millis(500);

/// The services of a node.
pub(super) struct NodeService {
    incoming: mpsc::Sender<Incoming>,
    requests: mpsc::Sender<Asked>,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    validators: BTreeSet<PublicKey>,
}

impl NodeService {
    pub(super) const fn new(
        incoming: mpsc::Sender<Incoming>,
        requests: mpsc::Sender<Asked>,
        views: watch::Receiver<Arc<View>>,
        clock: Arc<dyn Clock>,
        validators: BTreeSet<PublicKey>,
    ) -> Self {
        Self { incoming, requests, views, clock, validators }
    }

    async fn answer(&self, call: Call) -> Result<Bytes, Status> {
        let request = Request::decode(&call.service, &call.method, &call.body).map_err(status)?;
        let view = self.views.borrow().clone();
        if let Some(answered) = read(&view, &request, self.clock.now().wall) {
            return answered.map(|response| response.encode().into()).map_err(status);
        }
        let span = audit::span(&call, &request);
        let turn = call.turn;
        let asked = async {
            let ending = Ending::new();
            let result = self.ask(request, turn, call.deadline).await;
            ending.told(&result);
            result
        };
        asked.instrument(span).await
    }

    async fn ask(&self, request: Request, turn: Turn, deadline: Mono) -> Result<Bytes, Status> {
        let (respond, mut response) = oneshot::channel();
        let span = Span::current();
        // The turn goes along: no more calls wait here than are worked on at once, each caller's in turn.
        let asked = Asked { request: Box::new(request), respond, turn, span };
        self.requests.send(asked).await.map_err(|_| status(stopping()))?;
        let answered = tokio::select! {
            biased;
            answered = &mut response => answered,
            fault = self.overdue(deadline) => return Err(status(fault)),
        };
        let response = answered.map_err(|_| status(stopping()))?;
        response.map(|response| response.encode().into()).map_err(status)
    }
}

impl NodeService {
    /// What there is to say just before the caller's deadline; nothing, if the node does not know why it waits.
    async fn overdue(&self, deadline: Mono) -> ApiFault {
        let left = deadline.since(self.clock.now().mono);
        tokio::time::sleep(left.saturating_sub((left / 10).min(OVERDUE_BEFORE))).await;
        let fault = self.views.borrow().overdue(self.clock.now().wall);
        match fault {
            Some(fault) => fault,
            None => std::future::pending().await,
        }
    }
}

impl Handler for NodeService {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(self.answer(call))
    }

    fn standing(&self, key: &PublicKey) -> Standing {
        if self.validators.contains(key) { Standing::Validator } else { Standing::Client }
    }

    fn rival(&self, key: PublicKey) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let status = hypermesh_core::node::PeerStatus::Doubled;
            // A node that is stopping takes nothing more.
            let _closed = self.incoming.send(Incoming::Peer { peer: key, status }).await;
        })
    }

    fn message(&self, from: PublicKey, _class: Class, bytes: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // A node that is stopping takes nothing more.
            let _closed = self.incoming.send(Incoming::Message { from, bytes }).await;
        })
    }
}

fn status(fault: ApiFault) -> Status {
    let code = match fault.kind {
        FaultKind::InvalidArgument => StatusCode::InvalidArgument,
        FaultKind::NotFound => StatusCode::NotFound,
        FaultKind::FailedPrecondition => StatusCode::FailedPrecondition,
        FaultKind::PermissionDenied => StatusCode::PermissionDenied,
        FaultKind::ResourceExhausted => StatusCode::ResourceExhausted,
        FaultKind::Unavailable => StatusCode::Unavailable,
        FaultKind::DataLoss => StatusCode::DataLoss,
        FaultKind::Unimplemented => StatusCode::Unimplemented,
        _ => StatusCode::Internal,
    };
    Status::new(code, fault.message)
}
