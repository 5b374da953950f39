//! What callers see of a node: reads from its view, all else through its queue.

use super::audit::{self, Ending};
use super::turn::Incoming;
use crate::{BoxFuture, Call, Class, Clock, Handler, Standing, Status, StatusCode};
use bytes::Bytes;
use hypermesh_core::api::{ApiFault, FaultKind, Request, View, read};
use hypermesh_core::base::PublicKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, Span};

/// The services of a node.
pub(super) struct NodeService {
    incoming: mpsc::Sender<Incoming>,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    validators: BTreeSet<PublicKey>,
}

impl NodeService {
    pub(super) const fn new(
        incoming: mpsc::Sender<Incoming>,
        views: watch::Receiver<Arc<View>>,
        clock: Arc<dyn Clock>,
        validators: BTreeSet<PublicKey>,
    ) -> Self {
        Self { incoming, views, clock, validators }
    }

    async fn answer(&self, call: Call) -> Result<Bytes, Status> {
        let request = Request::decode(&call.service, &call.method, &call.body).map_err(status)?;
        let view = self.views.borrow().clone();
        if let Some(answered) = read(&view, &request, self.clock.now().wall) {
            return answered.map(|response| response.encode().into()).map_err(status);
        }
        let span = audit::span(&call, &request);
        let asked = async {
            let ending = Ending::new();
            let result = self.ask(request).await;
            ending.told(&result);
            result
        };
        asked.instrument(span).await
    }

    async fn ask(&self, request: Request) -> Result<Bytes, Status> {
        let (respond, response) = oneshot::channel();
        let span = Span::current();
        let stopping = || Status::new(StatusCode::Unavailable, "the node is stopping");
        self.incoming
            .send(Incoming::Request { request: Box::new(request), respond, span })
            .await
            .map_err(|_| stopping())?;
        let response = response.await.map_err(|_| stopping())?;
        response.map(|response| response.encode().into()).map_err(status)
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
