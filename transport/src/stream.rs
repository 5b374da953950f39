//! Frames on QUIC streams: reading them one by one with their bounds, and giving a stream up when it is dropped.

use crate::close::Abandon;
use crate::frame::{Assembler, FrameError, FrameKind, Prefix};
use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream};

/// Why a frame did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadFailure {
    /// The peer broke the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer gave the stream up, or the connection is lost.
    #[error(transparent)]
    Lost(#[from] ReadError),
}

/// The receiving side of a stream, taken apart into frames.
pub(crate) struct FrameReader {
    stream: RecvStream,
    assembler: Assembler,
    finished: bool,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, assembler: Assembler::default(), finished: false }
    }

    /// Whether the stream came in its connection's first flight, before the handshake was over.
    pub(crate) fn is_early(&self) -> bool {
        self.stream.is_0rtt()
    }

    /// The start of the next frame; `None` if the stream ended before it.
    pub(crate) async fn prefix(&mut self) -> Result<Option<Prefix>, ReadFailure> {
        loop {
            if let Some(prefix) = self.assembler.prefix()? {
                return Ok(Some(prefix));
            }
            if !self.read().await? {
                return if self.assembler.is_between_frames() {
                    Ok(None)
                } else {
                    Err(FrameError::Truncated.into())
                };
            }
        }
    }

    /// The start of the next frame, which must come and be of this kind and no longer than this.
    pub(crate) async fn expect(&mut self, kind: FrameKind, bytes_max: usize) -> Result<Prefix, ReadFailure> {
        let prefix = self.prefix().await?.ok_or(FrameError::Truncated)?;
        Ok(prefix.checked(kind, bytes_max)?)
    }

    /// The payload of the frame whose prefix was read.
    pub(crate) async fn payload(&mut self) -> Result<Bytes, ReadFailure> {
        loop {
            if let Some(payload) = self.assembler.payload() {
                return Ok(payload);
            }
            if !self.read().await? {
                return Err(FrameError::Truncated.into());
            }
        }
    }

    /// Waits for the end of the stream, which must come next.
    pub(crate) async fn end(&mut self) -> Result<(), ReadFailure> {
        match self.prefix().await? {
            None => Ok(()),
            Some(_) => Err(FrameError::Trailing.into()),
        }
    }

    /// Tells the peer that nothing more will be read.
    pub(crate) fn stop(&mut self, why: Abandon) {
        // It fails only on a stream that is over already, which is as good.
        drop(self.stream.stop(why.code()));
    }

    /// Takes what has come, waiting for something. `false` at the end of the stream.
    async fn read(&mut self) -> Result<bool, ReadError> {
        if self.finished {
            return Ok(false);
        }
        match self.stream.read_chunk(CHUNK_BYTES_MAX, true).await? {
            Some(chunk) => self.assembler.push(&chunk.bytes),
            None => self.finished = true,
        }
        Ok(!self.finished)
    }
}

/// The sending side of a stream. Dropped before it is finished, it is reset, so that the peer knows that
/// nobody waits any more. (quinn's own would be finished, as if all had been said.)
pub(crate) struct Sender {
    pub(crate) stream: SendStream,
    why: Abandon,
    finished: bool,
    /// Whether a message was begun that is not all written.
    within_message: bool,
}

impl Sender {
    pub(crate) const fn new(stream: SendStream, why: Abandon) -> Self {
        Self { stream, why, finished: false, within_message: false }
    }

    /// What the peer is told if this is dropped unfinished.
    pub(crate) const fn abandon_as(&mut self, why: Abandon) {
        self.why = why;
    }

    /// A message is about to be written. If that is given up, nothing more may be written.
    pub(crate) const fn begin_message(&mut self) {
        self.within_message = true;
    }

    /// The message that was begun is written whole.
    pub(crate) const fn end_message(&mut self) {
        self.within_message = false;
    }

    /// Whether the peer would take what is written next for the rest of a message.
    pub(crate) const fn is_within_message(&self) -> bool {
        self.within_message
    }

    /// Says that everything was said.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        // It fails only on a stream that the peer has stopped, who then does not care.
        drop(self.stream.finish());
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if !self.finished {
            drop(self.stream.reset(self.why.code()));
        }
    }
}

/// The most bytes that are taken from a stream at once, past what the frame under way may hold.
const CHUNK_BYTES_MAX: usize = 64 << 10;
