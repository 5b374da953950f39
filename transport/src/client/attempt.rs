//! One attempt at a call, on one stream of one connection.

use super::error::CallError;
use crate::close::Abandon;
use crate::frame::{FrameError, FrameKind, Header, put_prefix, put_value};
use crate::status::{STATUS_DETAIL_BYTES_MAX, STATUS_MESSAGE_BYTES_MAX, Status, StatusCode};
use crate::stream::{FrameReader, ReadFailure, Sender};
use bytes::{Bytes, BytesMut};
use hypermesh_base::decode;
use quinn::{ConnectionError, ReadError, WriteError};

/// Asks, and waits for the answer. Dropping the future tells the server that nobody waits any more.
pub(super) async fn attempt(
    connection: &quinn::Connection,
    header: &Header,
    body: Bytes,
    answer_bytes_max: usize,
) -> Result<Bytes, CallError> {
    let mut opened = Opened::open(connection, header, body).await?;
    opened.finish();
    let mut body = None;
    loop {
        match opened.next(answer_bytes_max).await? {
            Frame::Message(message) if body.is_none() => body = Some(message),
            Frame::Message(_) => return Err(unexpected(FrameKind::Message, FrameKind::Status).into()),
            Frame::Status(status) => {
                return match body {
                    Some(body) if status.code() == StatusCode::Ok => Ok(body),
                    None if status.code() != StatusCode::Ok => Err(CallError::Refused { status }),
                    _ => Err(unexpected(FrameKind::Status, FrameKind::Message).into()),
                };
            }
        }
    }
}

/// A call whose first message is on its way. Dropped before its status has come, it tells the server to stop.
pub(super) struct Opened {
    send: Sender,
    frames: FrameReader,
    ended: bool,
}

/// What a server says.
pub(super) enum Frame {
    /// A message.
    Message(Bytes),
    /// How it ended: the last.
    Status(Status),
}

impl Opened {
    /// Opens a stream, and sends header and first message.
    pub(super) async fn open(
        connection: &quinn::Connection,
        header: &Header,
        body: Bytes,
    ) -> Result<Self, CallError> {
        let (send, receive) = connection.open_bi().await?;
        let (send, frames) = (Sender::new(send, Abandon::Cancelled), FrameReader::new(receive));
        let mut opened = Self { send, frames, ended: false };
        let mut head = BytesMut::new();
        put_value(&mut head, FrameKind::Header, header);
        opened.write(head, body).await?;
        Ok(opened)
    }

    /// Sends another message, waiting until there is room for it.
    pub(super) async fn send(&mut self, body: Bytes) -> Result<(), CallError> {
        self.write(BytesMut::new(), body).await
    }

    async fn write(&mut self, mut head: BytesMut, body: Bytes) -> Result<(), CallError> {
        put_prefix(&mut head, FrameKind::Message, body.len());
        match self.send.stream.write_all_chunks(&mut [head.freeze(), body]).await {
            // Stopped, the server has answered without reading all: the answer says why.
            Ok(()) | Err(WriteError::Stopped(_)) => Ok(()),
            Err(WriteError::ConnectionLost(error)) => Err(error.into()),
            Err(error) => Err(CallError::Lost { reason: error.to_string() }),
        }
    }

    /// Says that there are no more messages.
    pub(super) fn finish(&mut self) {
        self.send.finish();
    }

    /// What the server says next. It may be given up at any time, and loses nothing.
    pub(super) async fn next(&mut self, bytes_max: usize) -> Result<Frame, ReadFailure> {
        let prefix = self.frames.prefix().await?.ok_or(FrameError::Truncated)?;
        if prefix.kind == FrameKind::Message {
            prefix.checked(FrameKind::Message, bytes_max)?;
            return Ok(Frame::Message(self.frames.payload().await?));
        }
        prefix.checked(FrameKind::Status, STATUS_BYTES_MAX)?;
        let content = |error| FrameError::Content { kind: FrameKind::Status, error };
        let status: Status = decode(&self.frames.payload().await?, STATUS_BYTES_MAX).map_err(content)?;
        if !status.is_bounded() {
            return Err(unexpected(FrameKind::Status, FrameKind::Message).into());
        }
        self.frames.end().await?;
        self.ended = true;
        Ok(Frame::Status(status))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if !self.ended {
            self.frames.stop(Abandon::Cancelled);
        }
    }
}

const fn unexpected(kind: FrameKind, expected: FrameKind) -> FrameError {
    FrameError::Unexpected { kind, expected }
}

impl From<FrameError> for CallError {
    fn from(error: FrameError) -> Self {
        ReadFailure::Frame(error).into()
    }
}

impl From<ReadFailure> for CallError {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Frame(error) => Self::Protocol { reason: error.to_string() },
            ReadFailure::Lost(ReadError::ConnectionLost(error)) => error.into(),
            ReadFailure::Lost(error) => Self::Lost { reason: error.to_string() },
        }
    }
}

impl From<ConnectionError> for CallError {
    fn from(error: ConnectionError) -> Self {
        Self::Lost { reason: error.to_string() }
    }
}

/// The most bytes of a status's encoding.
pub(crate) const STATUS_BYTES_MAX: usize = STATUS_MESSAGE_BYTES_MAX + STATUS_DETAIL_BYTES_MAX + 9;
