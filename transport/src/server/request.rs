//! A request as it is read: within bounds and time, or refused.

use super::call::{OWN_SERVICE, PING_METHOD};
use super::connection::Peer;
use super::handler::{MethodShape, MethodTraits};
use super::memory::Memory;
use crate::close::Abandon;
use crate::frame::{FrameError, FrameKind, HEADER_BYTES_MAX, HEADER_VERSION, Header};
use crate::status::{Advice, Status, StatusCode};
use crate::stream::{FrameReader, ReadFailure};
use bytes::Bytes;
use tokio::time::timeout;

/// A whole request, and the memory that it is charged.
pub(super) struct Request {
    pub(super) header: Header,
    pub(super) shape: MethodShape,
    /// Whether it came in the connection's first flight.
    pub(super) early: bool,
    /// Whether its method changes something.
    pub(super) writes: bool,
    pub(super) body: Bytes,
    pub(super) memory: Memory,
}

/// Why a call came to nothing before or while it was handled.
pub(super) enum CallRejection {
    /// The caller is told.
    Answer(Status),
    /// The request came too slowly.
    Slow,
    /// The caller broke the protocol.
    Violation(FrameError),
    /// The caller does not wait any more.
    Gone,
}

impl From<ReadFailure> for CallRejection {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Frame(error) => Self::Violation(error),
            ReadFailure::Lost(_) => Self::Gone,
        }
    }
}

impl CallRejection {
    /// What the caller is told of the rest of its request.
    pub(super) const fn abandon(&self) -> Abandon {
        if matches!(self, Self::Slow) { Abandon::Slow } else { Abandon::Refused }
    }
}

/// Reads a call's request, in the time that a request has.
pub(super) async fn read(peer: &Peer, reader: &mut FrameReader) -> Result<Request, CallRejection> {
    match timeout(peer.shared.limits.request_timeout, read_all(peer, reader)).await {
        Ok(request) => request,
        Err(_) => Err(CallRejection::Slow),
    }
}

async fn read_all(peer: &Peer, reader: &mut FrameReader) -> Result<Request, CallRejection> {
    reader.expect(FrameKind::Header, HEADER_BYTES_MAX).await?;
    let header = Header::parse(&reader.payload().await?).map_err(CallRejection::Violation)?;
    let MethodTraits { shape, early, writes } = traits(peer, &header);
    if reader.is_early() && !early {
        return Err(CallRejection::Answer(too_early(&header)));
    }
    let prefix = reader.expect(FrameKind::Message, peer.message_bytes_max()).await;
    let memory = charge(peer, prefix)?;
    let body = reader.payload().await?;
    if shape != MethodShape::Bidirectional {
        reader.end().await?;
    }
    if header.version != HEADER_VERSION {
        let message = format!("this node reads headers of version {HEADER_VERSION}, not {}", header.version);
        return Err(CallRejection::Answer(Status::new(StatusCode::Unimplemented, message)));
    }
    Ok(Request { header, shape, early: reader.is_early(), writes, body, memory })
}

fn traits(peer: &Peer, header: &Header) -> MethodTraits {
    if header.service == OWN_SERVICE && header.method == PING_METHOD {
        return MethodTraits { early: true, ..MethodTraits::default() };
    }
    peer.shared.handler.traits(&header.service, &header.method)
}

fn too_early(Header { service, method, .. }: &Header) -> Status {
    let message = format!(
        "{service}/{method} is not allowed in a connection's first flight (0-RTT), which can be replayed: \
        send it after the handshake"
    );
    Status::new(StatusCode::Unavailable, message).with_advice(Advice::TooEarly)
}

/// Charges the message that is about to be read, if it is one and not too long.
pub(super) fn charge(
    peer: &Peer,
    prefix: Result<crate::frame::Prefix, ReadFailure>,
) -> Result<Memory, CallRejection> {
    match prefix {
        Err(ReadFailure::Frame(FrameError::TooLong { kind: FrameKind::Message, bytes, bytes_max })) => {
            Err(CallRejection::Answer(too_long("request", bytes, bytes_max)))
        }
        prefix => {
            let memory = Memory::take(peer, prefix?.bytes);
            memory.map_err(|reached| CallRejection::Answer(reached.rejection(peer)))
        }
    }
}

pub(super) fn too_long(what: &str, bytes: usize, bytes_max: usize) -> Status {
    let message = format!("the {what} has {bytes} bytes, and this node allows at most {bytes_max}");
    Status::new(StatusCode::ResourceExhausted, message)
}
