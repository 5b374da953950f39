//! What callers see of a node: reads from its view, all else through its queue.

use super::Meters;
use super::audit::{self, AuditedOperations, Ending, SubmittedOperation};
use super::lookups::Lookups;
use super::node_task::{Incoming, NodeRequest, stopping};
use bytes::Bytes;
use hypermesh_core::api::{
    ApiFault, FaultKind, Method, Request, Response, Shape, Subscription, SubscriptionStep, TraceId, View,
    check_exposed, read,
};
use hypermesh_core::base::{Mono, PublicKey};
use hypermesh_core::node::{RequestId, Traced};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use stoq::{
    Advice, BoxFuture, Call, CallSlot, CallStream, Clock, Handler, LinkClass, MethodShape, MethodTraits,
    PeerRole, Status, StatusCode,
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument as _, Span};

/// So long before its deadline a caller is told why there is no answer, where that is known; the answer has to
/// reach it before it gives up by itself. For short deadlines, a tenth of them.
const OVERDUE_BEFORE: Duration = Duration::from_millis(500);

/// The channels to a node: see [`super::node_task::Inbox`].
pub(super) struct NodeChannels {
    pub(super) urgent: mpsc::Sender<Incoming>,
    pub(super) bulk: mpsc::Sender<Incoming>,
    pub(super) requests: mpsc::Sender<NodeRequest>,
    pub(super) cancelled: mpsc::UnboundedSender<RequestId>,
}

/// The services of a node.
pub(super) struct NodeService {
    channels: NodeChannels,
    /// The last request's number.
    last_request: AtomicU64,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    validators: BTreeSet<PublicKey>,
    lookups: Lookups,
    meters: Meters,
    audited: AuditedOperations,
}

impl NodeService {
    pub(super) fn new(
        channels: NodeChannels,
        views: watch::Receiver<Arc<View>>,
        clock: Arc<dyn Clock>,
        validators: BTreeSet<PublicKey>,
        meters: Meters,
    ) -> Self {
        let (lookups, audited) = (Lookups::default(), AuditedOperations::default());
        Self { channels, last_request: AtomicU64::new(0), views, clock, validators, lookups, meters, audited }
    }

    async fn answer(&self, call: Call) -> Result<Bytes, Status> {
        let request = Request::decode(&call.service, &call.method, &call.body).map_err(status)?;
        let view = self.views.borrow().clone();
        exposed(&view, &call)?;
        if let Some(answered) = read(&view, &request, self.clock.now().wall) {
            let mut response = answered.map_err(status)?;
            self.meters.complete(&view, &mut response);
            return Ok(response.encode().into());
        }
        let span = audit::span(&call, &request);
        let submitted = SubmittedOperation::by(&request, &view);
        let traced = Traced { id: TraceId(call.trace_id), received: call.received, deadline: call.deadline };
        // A batch that a validator hands over was let in where its client had sent it.
        let is_handed_over =
            matches!(request, Request::ValidateBatch(_)) && self.validators.contains(&call.caller);
        let admits = (!is_handed_over).then_some(call.caller);
        let (slot, service) = (call.slot, call.service.clone());
        let answer = async {
            let ending = Ending::new(submitted);
            let result = self.ask(request, traced, (admits, &service), slot).await;
            let height = self.views.borrow().state.height();
            ending.log(&result, &self.audited, height);
            result
        };
        answer.instrument(span).await
    }

    /// Puts a request into the node's queue. The turn goes along: no more calls wait there than are worked on at once,
    /// each caller's in turn.
    async fn submit(
        &self,
        request: Request,
        traced: Option<Traced>,
        admits: Option<PublicKey>,
        slot: CallSlot,
    ) -> Result<PendingReply, ApiFault> {
        let (respond, response) = oneshot::channel();
        let id = RequestId(self.last_request.fetch_add(1, Relaxed) + 1);
        let pending = PendingReply { id, response, cancelled: Some(self.channels.cancelled.clone()) };
        let (request, span) = (Box::new(request), Span::current());
        let request = NodeRequest { id, admits, request, traced, respond, slot, span };
        self.channels.requests.send(request).await.map_err(|_| stopping())?;
        Ok(pending)
    }

    async fn ask(
        &self,
        request: Request,
        traced: Traced,
        (admits, service): (Option<PublicKey>, &str),
        slot: CallSlot,
    ) -> Result<Bytes, Status> {
        let pending = self.submit(request, Some(traced), admits, slot).await.map_err(status)?;
        let answered = tokio::select! {
            biased;
            answered = pending.answer() => answered,
            fault = self.overdue(service, traced.deadline) => return Err(status(fault)),
        };
        answered.inspect(audit::note_response).map(|response| response.encode().into()).map_err(status)
    }
}

/// A request that the node has, or is about to get. Dropped before its answer has come, it tells the node that nobody waits.
struct PendingReply {
    id: RequestId,
    response: oneshot::Receiver<Result<Response, ApiFault>>,
    /// `None` once the answer has come.
    cancelled: Option<mpsc::UnboundedSender<RequestId>>,
}

impl PendingReply {
    async fn answer(mut self) -> Result<Response, ApiFault> {
        let answered = (&mut self.response).await;
        self.cancelled = None;
        answered.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        // The node must see that nobody listens when it learns of this.
        self.response.close();
        if let Some(cancelled) = &self.cancelled {
            // A node that has stopped does nothing for anybody.
            let _stopped = cancelled.send(self.id);
        }
    }
}

impl NodeService {
    /// Tells a subscriber what there is to tell, for as long as it listens.
    async fn tell(&self, call: Call, stream: &mut CallStream<'_>) -> Result<(), Status> {
        let request = Request::decode(&call.service, &call.method, &call.body).map_err(status)?;
        exposed(&self.views.borrow(), &call)?;
        let mut subscription = Subscription::open(request).map_err(status)?;
        let (service, method) = (call.service, call.method);
        // From here on it mostly waits; what it looks up, it waits its turn for.
        drop((call.slot, call.body));
        let mut views = self.views.clone();
        let mut may_change = true;
        loop {
            let view = views.borrow_and_update().clone();
            match subscription.step(&view) {
                SubscriptionStep::Look { request, recent } => {
                    let found = self.look_up(request, recent, stream).await;
                    subscription.take(found).map_err(status)?;
                }
                SubscriptionStep::Tell(response) => stream.send(response.encode().into()).await?,
                SubscriptionStep::Wait => tokio::select! {
                    biased;
                    changed = views.changed() => changed.map_err(|_| status(stopping()))?,
                    further = stream.receive(), if may_change => match further? {
                        Some(bytes) => {
                            let request = Request::decode(&service, &method, &bytes).map_err(status)?;
                            subscription.change(request).map_err(status)?;
                        }
                        None => may_change = false,
                    },
                },
            }
        }
    }

    /// What only the node knows. What many want at once is looked up for all of them; for what one alone wants, it waits
    /// its turn.
    async fn look_up(
        &self,
        request: Request,
        recent: bool,
        stream: &CallStream<'_>,
    ) -> Result<Response, ApiFault> {
        let look = async |request, slot| self.submit(request, None, None, slot).await?.answer().await;
        match recent {
            true => self.lookups.get(request, async |request| look(request, CallSlot::default()).await).await,
            false => {
                let slot = stream.slot().await.map_err(|status| ApiFault::unavailable(status.message()))?;
                look(request, slot).await
            }
        }
    }

    /// What there is to say just before the caller's deadline; nothing, if the node does not know why it waits.
    async fn overdue(&self, service: &str, deadline: Mono) -> ApiFault {
        let left = deadline.since(self.clock.now().mono);
        tokio::time::sleep(left.saturating_sub((left / 10).min(OVERDUE_BEFORE))).await;
        let fault = self.views.borrow().overdue(service, self.clock.now().wall);
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

    fn stream<'a>(&'a self, call: Call, stream: &'a mut CallStream<'_>) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(self.tell(call, stream))
    }

    fn traits(&self, service: &str, method: &str) -> MethodTraits {
        let Some(method) = Method::find(service, method) else { return MethodTraits::default() };
        let shape = match method.shape {
            Shape::Unary => MethodShape::Unary,
            Shape::ServerStreaming => MethodShape::ServerStreaming,
            Shape::Bidirectional => MethodShape::Bidirectional,
        };
        MethodTraits { shape, early: method.early, writes: method.writes }
    }

    fn role(&self, key: &PublicKey) -> PeerRole {
        if self.validators.contains(key) { PeerRole::Validator } else { PeerRole::Client }
    }

    fn rival(&self, key: PublicKey) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let status = hypermesh_core::node::PeerStatus::Doubled;
            // A node that is stopping takes nothing more.
            let _closed = self.channels.urgent.send(Incoming::Peer { peer: key, status }).await;
        })
    }

    // Which stream a message came on is its sender's choice.
    fn message(&self, from: PublicKey, _: LinkClass, bytes: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let way = match hypermesh_core::node::MessageClass::of(&bytes) {
                hypermesh_core::node::MessageClass::Consensus => &self.channels.urgent,
                hypermesh_core::node::MessageClass::Bulk => &self.channels.bulk,
            };
            // A node that is stopping takes nothing more.
            let _closed = way.send(Incoming::Message { from, bytes }).await;
        })
    }
}

/// Refuses a call of a service that this node does not expose.
fn exposed(view: &View, call: &Call) -> Result<(), Status> {
    let (genesis, node) = (view.state.genesis_document(), &view.status.node);
    check_exposed(genesis, node, &call.service, &call.method).map_err(status)
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
    };
    let status = Status::new(code, fault.message);
    match fault.retry_after_ms {
        Some(ms) => status.with_advice(Advice::RetryAfter { ms }),
        None => status,
    }
}
