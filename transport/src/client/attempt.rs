//! One attempt at a call, on one stream of one connection.

use super::error::CallError;
use crate::close::Abandon;
use crate::frame::{FrameError, Header, Kind, put_prefix, put_value};
use crate::status::{STATUS_DETAIL_BYTES_MAX, STATUS_MESSAGE_BYTES_MAX, Status, StatusCode};
use crate::stream::{FrameReader, ReadFailure, Sender};
use bytes::{Bytes, BytesMut};
use hypermesh_core::base::decode;
use quinn::{ConnectionError, ReadError, WriteError};

/// Asks, and waits for the answer. Dropping the future tells the server that nobody waits any more.
pub(super) async fn attempt(
    connection: &quinn::Connection,
    header: &Header,
    body: Bytes,
    answer_bytes_max: usize,
) -> Result<Bytes, CallError> {
    let (send, receive) = connection.open_bi().await?;
    let mut send = Sender::new(send, Abandon::Cancelled);
    let mut reader = Reader { frames: FrameReader::new(receive), done: false };
    let mut head = BytesMut::new();
    put_value(&mut head, Kind::Header, header);
    put_prefix(&mut head, Kind::Message, body.len());
    match send.stream.write_all_chunks(&mut [head.freeze(), body]).await {
        Ok(()) => send.finish(),
        // The server has answered without reading all: the answer says why.
        Err(WriteError::Stopped(_)) => {}
        Err(WriteError::ConnectionLost(error)) => return Err(error.into()),
        Err(error) => return Err(CallError::Lost { reason: error.to_string() }),
    }
    let answer = reader.answer(answer_bytes_max).await?;
    reader.done = true;
    answer.map_err(|status| CallError::Refused { status })
}

/// The receiving side. Dropped before the answer is complete, it tells the server to stop.
struct Reader {
    frames: FrameReader,
    done: bool,
}

impl Reader {
    async fn answer(&mut self, bytes_max: usize) -> Result<Result<Bytes, Status>, ReadFailure> {
        let mut body = None;
        loop {
            let prefix = self.frames.prefix().await?.ok_or(FrameError::Truncated)?;
            if prefix.kind == Kind::Message && body.is_none() {
                prefix.checked(Kind::Message, bytes_max)?;
                body = Some(self.frames.payload().await?);
                continue;
            }
            prefix.checked(Kind::Status, STATUS_BYTES_MAX)?;
            let content = |error| FrameError::Content { kind: Kind::Status, error };
            let status: Status = decode(&self.frames.payload().await?, STATUS_BYTES_MAX).map_err(content)?;
            self.frames.end().await?;
            return match body {
                Some(body) if status.code() == StatusCode::Ok => Ok(Ok(body)),
                None if status.code() != StatusCode::Ok && status.is_bounded() => Ok(Err(status)),
                _ => Err(FrameError::Unexpected { kind: Kind::Status, expected: Kind::Message }.into()),
            };
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.done {
            self.frames.stop(Abandon::Cancelled);
        }
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
