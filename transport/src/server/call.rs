//! One call, as it is served: read within bounds and time, handed to the handler, answered.

use super::call_queue::{CallGuard, CallSlot};
use super::connection::Peer;
use super::handler::{Call, MethodShape};
use super::memory::Memory;
use super::outcomes::answer_once;
use super::request::{CallRejection, Request, read, too_long};
use super::streaming::CallStream;
use crate::close::Abandon;
use crate::endpoint::ipv6;
use crate::frame::{FrameKind, put_prefix, put_value};
use crate::status::{Advice, Status, StatusCode};
use crate::stream::{FrameReader, Sender};
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::timeout;

/// The service that every server has: `stoq/ping` answers with nothing.
pub(crate) const OWN_SERVICE: &str = "stoq";
/// The method that answers with nothing.
pub(crate) const PING_METHOD: &str = "ping";

/// Serves the call on this stream.
pub(super) async fn serve(peer: Arc<Peer>, send: SendStream, receive: RecvStream) {
    let _under_way = UnderWay::begin(&peer);
    let mut send = Sender::new(send, Abandon::Cancelled);
    let mut reader = FrameReader::new(receive);
    let mut _answering = None;
    let result = match read(&peer, &mut reader).await {
        Ok(request) => {
            _answering = Some(peer.activity.answer());
            handle(&peer, &mut send, &mut reader, request).await
        }
        Err(rejection) => Err(rejection),
    };
    let why = result.as_ref().err().map_or(Abandon::Refused, CallRejection::abandon);
    let answer = match result {
        Ok(answer) => answer,
        Err(CallRejection::Answer(status)) => Answer::Status(status),
        Err(CallRejection::Slow) => {
            let limit = peer.shared.limits.request_timeout;
            let message = format!("the request was not received within {limit:?}");
            Answer::Status(Status::new(StatusCode::DeadlineExceeded, message))
        }
        Err(CallRejection::Violation(error)) => return peer.violated(&error.to_string()),
        Err(CallRejection::Gone) => return peer.shared.counters.call(StatusCode::Cancelled),
    };
    // Whatever was not read will not be. After a whole request this does nothing.
    reader.stop(why);
    respond(&peer, &mut send, answer).await;
}

/// A call that is being served.
struct UnderWay(Arc<Peer>);

impl UnderWay {
    fn begin(peer: &Arc<Peer>) -> Self {
        peer.shared.under_way.send_modify(|calls| *calls += 1);
        peer.calls.fetch_add(1, Relaxed);
        Self(Arc::clone(peer))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Relaxed);
        self.0.shared.under_way.send_modify(|calls| *calls -= 1);
    }
}

/// What is left to say when a call was handled.
enum Answer {
    /// A message, and that all is well.
    Body(Bytes),
    /// The status alone: a rejection, or the end of a streaming call.
    Status(Status),
}

/// Lets the handler answer, for as long as the caller waits.
async fn handle(
    peer: &Peer,
    send: &mut Sender,
    reader: &mut FrameReader,
    request: Request,
) -> Result<Answer, CallRejection> {
    let Request { header, shape, early, writes, body, memory } = request;
    let guard = peer.shared.call_queue.enter(peer.connection.key).map_err(CallRejection::Answer)?;
    if header.service == OWN_SERVICE && header.method == PING_METHOD {
        return Ok(Answer::Body(Bytes::new()));
    }
    let deadline_ms = header.deadline_ms;
    let received = peer.shared.endpoint.env().clock.now();
    let call = |allowed, slot| Call {
        received,
        caller: peer.connection.key,
        remote: ipv6(peer.connection.quinn.remote_address()),
        service: header.service,
        method: header.method,
        deadline: received.mono.after(allowed),
        idempotency_key: header.idempotency_key,
        trace_id: header.trace_id,
        early,
        body,
        slot,
    };
    let limits = &peer.shared.limits;
    let longest = match shape {
        MethodShape::Unary => limits.call_timeout_max,
        MethodShape::ServerStreaming | MethodShape::Bidirectional => limits.stream_timeout_max,
    };
    let allowed = Duration::from_millis(deadline_ms.into()).min(longest);
    let stopped = send.stream.stopped();
    let served = async {
        match shape {
            MethodShape::Unary => {
                let call = call(allowed, guard.slot().await.map_err(CallRejection::Answer)?);
                let result = match writes {
                    true => answer_once(peer, &guard, call).await,
                    false => peer.shared.handler.call(call).await,
                };
                drop(memory);
                result.map(Answer::Body).map_err(|status| CallRejection::Answer(refused(status)))
            }
            MethodShape::ServerStreaming | MethodShape::Bidirectional => {
                let ended = stream(peer, |slot| call(allowed, slot), &guard, send, reader).await;
                drop(memory);
                ended
            }
        }
    };
    let result = tokio::select! {
        biased;
        result = timeout(allowed, served) => result,
        // Stopped by the caller, or the connection is lost.
        _ = stopped => return Err(CallRejection::Gone),
    };
    result.unwrap_or_else(|_| {
        let message = format!("not finished within {allowed:?}; the operation may still commit");
        Err(CallRejection::Answer(Status::new(StatusCode::DeadlineExceeded, message)))
    })
}

async fn stream(
    peer: &Peer,
    call: impl FnOnce(CallSlot) -> Call,
    guard: &CallGuard,
    send: &mut Sender,
    reader: &mut FrameReader,
) -> Result<Answer, CallRejection> {
    let limits = &peer.shared.limits;
    let remote = peer.connection.quinn.remote_address();
    let opened = peer.shared.streams.open(peer.connection.key, remote, limits);
    let open = opened.map_err(CallRejection::Answer)?;
    let call = call(guard.slot().await.map_err(CallRejection::Answer)?);
    let mut stream = CallStream::new(peer, guard, send, reader);
    let result = tokio::select! {
        biased;
        result = peer.shared.handler.stream(call, &mut stream) => result,
        status = open.lost() => Err(status),
    };
    match (stream.into_over(), result) {
        (Some(over), _) => Err(over),
        (None, Ok(())) => Ok(Answer::Status(Status::ok())),
        (None, Err(status)) => Err(CallRejection::Answer(refused(status))),
    }
}

/// The status of a failed handler, which must not be `Ok`.
fn refused(status: Status) -> Status {
    match status.code() {
        StatusCode::Ok => Status::new(StatusCode::Internal, "the method failed without a reason"),
        _ => status,
    }
}

/// Sends the answer, within the time and the memory that answers have.
async fn respond(peer: &Peer, send: &mut Sender, answer: Answer) {
    if send.is_within_message() {
        // A status would be read as the rest of the message that the caller has not made room for.
        send.abandon_as(Abandon::Slow);
        return peer.shared.counters.call(StatusCode::Cancelled);
    }
    let bytes_max = peer.message_bytes_max();
    let (body, status) = match answer {
        Answer::Body(body) if body.len() > bytes_max => (None, too_long("answer", body.len(), bytes_max)),
        Answer::Body(body) => match Memory::take(peer, body.len()) {
            Ok(memory) => (Some((body, memory)), Status::ok()),
            Err(reached) => (None, reached.status()),
        },
        Answer::Status(status) => (None, status),
    };
    let (mut head, mut tail) = (BytesMut::new(), BytesMut::new());
    let (body, memory) = body.unzip();
    if let Some(body) = &body {
        put_prefix(&mut head, FrameKind::Message, body.len());
    }
    put_value(&mut tail, FrameKind::Status, &status);
    let mut chunks = [head.freeze(), body.unwrap_or_default(), tail.freeze()];
    let written =
        timeout(peer.shared.limits.response_timeout, send.stream.write_all_chunks(&mut chunks)).await;
    drop(memory);
    match written {
        Ok(Ok(())) => {
            send.finish();
            peer.shared.counters.call(status.code());
            if matches!(status.advice(), Some(Advice::RetryAfter { .. })) {
                peer.shared.counters.sent_away.fetch_add(1, Relaxed);
            }
            // Until the caller has it all: a server that stops waits for that.
            drop(timeout(peer.shared.limits.response_timeout, send.stream.stopped()).await);
        }
        Ok(Err(_)) => peer.shared.counters.call(StatusCode::Cancelled),
        Err(_) => {
            send.abandon_as(Abandon::Slow);
            peer.shared.counters.call(StatusCode::Cancelled);
        }
    }
}
