//! One call, as it is served: read within bounds and time, handed to the handler, answered.

use super::connection::Peer;
use super::door::Turn;
use super::handler::Call;
use crate::close::Abandon;
use crate::endpoint::ipv6;
use crate::frame::{FrameError, HEADER_BYTES_MAX, HEADER_VERSION, Header, Kind, put_prefix, put_value};
use crate::status::{Status, StatusCode};
use crate::stream::{FrameReader, ReadFailure, Sender};
use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
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
    let limits = &peer.shared.limits;
    let result = match timeout(limits.request_timeout, read(&peer, &mut reader)).await {
        Ok(Ok(request)) => handle(&peer, &send, request).await,
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::Slow),
    };
    let why = if matches!(result, Err(Refusal::Slow)) { Abandon::Slow } else { Abandon::Refused };
    let result = match result {
        Ok(body) => Ok(body),
        Err(Refusal::Answer(status)) => Err(status),
        Err(Refusal::Slow) => {
            let message = format!("the request was not here within {:?}", limits.request_timeout);
            Err(Status::new(StatusCode::DeadlineExceeded, message))
        }
        Err(Refusal::Violation(error)) => return peer.violated(&error.to_string()),
        Err(Refusal::Gone) => return peer.shared.counters.call(StatusCode::Cancelled),
    };
    // Whatever was not read will not be. After a whole request this does nothing.
    reader.stop(why);
    answer(&peer, &mut send, result).await;
}

/// A call that is being served.
struct UnderWay(Arc<Peer>);

impl UnderWay {
    fn begin(peer: &Arc<Peer>) -> Self {
        peer.shared.under_way.send_modify(|calls| *calls += 1);
        Self(Arc::clone(peer))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.shared.under_way.send_modify(|calls| *calls -= 1);
    }
}

/// Why a call came to nothing before or while it was handled.
enum Refusal {
    /// The caller is told.
    Answer(Status),
    /// The request came too slowly.
    Slow,
    /// The caller broke the protocol.
    Violation(FrameError),
    /// The caller does not wait any more.
    Gone,
}

impl From<ReadFailure> for Refusal {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Frame(error) => Self::Violation(error),
            ReadFailure::Lost(_) => Self::Gone,
        }
    }
}

/// A whole request, and the memory that it is charged.
struct Request {
    header: Header,
    body: Bytes,
    memory: Memory,
}

async fn read(peer: &Peer, reader: &mut FrameReader) -> Result<Request, Refusal> {
    reader.expect(Kind::Header, HEADER_BYTES_MAX).await?;
    let header = Header::parse(&reader.payload().await?).map_err(Refusal::Violation)?;
    let bytes_max = peer.message_bytes_max();
    let prefix = match reader.expect(Kind::Message, bytes_max).await {
        Err(ReadFailure::Frame(FrameError::TooLong { kind: Kind::Message, bytes, .. })) => {
            return Err(Refusal::Answer(too_long("request", bytes, bytes_max)));
        }
        prefix => prefix?,
    };
    let memory = Memory::take(peer, prefix.bytes).map_err(Refusal::Answer)?;
    let body = reader.payload().await?;
    reader.end().await?;
    if header.version != HEADER_VERSION {
        let message = format!("this node reads headers of version {HEADER_VERSION}, not {}", header.version);
        return Err(Refusal::Answer(Status::new(StatusCode::Unimplemented, message)));
    }
    Ok(Request { header, body, memory })
}

/// Lets the handler answer, for as long as the caller waits.
async fn handle(peer: &Peer, send: &Sender, request: Request) -> Result<Bytes, Refusal> {
    let Request { header, body, memory } = request;
    let visit = peer.shared.door.enter(peer.connection.key).map_err(Refusal::Answer)?;
    if header.service == OWN_SERVICE && header.method == PING_METHOD {
        return Ok(Bytes::new());
    }
    let allowed = Duration::from_millis(header.deadline_ms.into()).min(peer.shared.limits.call_timeout_max);
    let call = |turn: Turn| Call {
        caller: peer.connection.key,
        remote: ipv6(peer.connection.quinn.remote_address()),
        service: header.service,
        method: header.method,
        deadline: peer.shared.endpoint.env().clock.now().mono.after(allowed),
        idempotency_key: header.idempotency_key,
        trace_id: header.trace_id,
        body,
        turn,
    };
    let served = async {
        let turn = visit.turn().await;
        peer.shared.handler.call(call(turn)).await
    };
    let result = tokio::select! {
        biased;
        result = timeout(allowed, served) => result,
        // Stopped by the caller, or the connection is lost.
        _ = send.stream.stopped() => return Err(Refusal::Gone),
    };
    drop(memory);
    match result {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(status)) if status.code() == StatusCode::Ok => {
            Err(Refusal::Answer(Status::new(StatusCode::Internal, "the method failed and did not say how")))
        }
        Ok(Err(status)) => Err(Refusal::Answer(status)),
        Err(_) => {
            let message = format!("not done within {allowed:?}; it may yet be done");
            Err(Refusal::Answer(Status::new(StatusCode::DeadlineExceeded, message)))
        }
    }
}

/// Sends the answer, within the time and the memory that answers have.
async fn answer(peer: &Peer, send: &mut Sender, result: Result<Bytes, Status>) {
    let bytes_max = peer.message_bytes_max();
    let result = match result {
        Ok(body) if body.len() > bytes_max => Err(too_long("answer", body.len(), bytes_max)),
        result => result,
    };
    let memory = result.as_ref().map_or(Ok(None), |body| Memory::take(peer, body.len()).map(Some));
    let (result, memory) = match memory {
        Ok(memory) => (result, memory),
        Err(status) => (Err(status), None),
    };
    let (mut head, mut tail) = (BytesMut::new(), BytesMut::new());
    let (status, body) = match result {
        Ok(body) => (Status::ok(), Some(body)),
        Err(status) => (status, None),
    };
    if let Some(body) = &body {
        put_prefix(&mut head, Kind::Message, body.len());
    }
    put_value(&mut tail, Kind::Status, &status);
    let mut chunks = [head.freeze(), body.unwrap_or_default(), tail.freeze()];
    let written =
        timeout(peer.shared.limits.response_timeout, send.stream.write_all_chunks(&mut chunks)).await;
    drop(memory);
    match written {
        Ok(Ok(())) => {
            send.finish();
            peer.shared.counters.call(status.code());
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

fn too_long(what: &str, bytes: usize, bytes_max: usize) -> Status {
    let message = format!("the {what} has {bytes} bytes where this node allows {bytes_max}");
    Status::new(StatusCode::ResourceExhausted, message)
}

/// What a message is charged while it is held: of the caller's share, and of the server's whole.
struct Memory {
    _caller: OwnedSemaphorePermit,
    _server: OwnedSemaphorePermit,
}

impl Memory {
    /// Charges that many bytes, or refuses: it does not wait, since what would be waited for is the same
    /// peers' doing.
    fn take(peer: &Peer, bytes: usize) -> Result<Self, Status> {
        let take = |memory: &Arc<Semaphore>| {
            memory.clone().try_acquire_many_owned(kibibytes(bytes)).map_err(|_| {
                Status::new(StatusCode::Unavailable, "this node holds as many bytes as it may: try again")
            })
        };
        Ok(Self { _caller: take(&peer.memory)?, _server: take(&peer.shared.memory)? })
    }
}

/// Bytes in KiB, rounded up, as the memory's semaphores count them.
pub(super) fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}
