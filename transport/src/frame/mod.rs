//! What travels on a stream: frames, each a kind (one byte), a length (four bytes, little-endian) and a payload.
//!
//! A call's stream carries a `Header` and a `Message` one way, a `Message` and a `Status` the other way (or a
//! `Status` alone). A link's stream carries a `Link` and then any number of `Message`s. This file takes bytes
//! apart without reading any; who may send which kind when, and how long, is for the reader to say.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use hypermesh_base::{DecodeError, decode, encode};

/// What a frame holds. The numbers are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// The [`Header`] of a call.
    Header = 1,
    /// Bytes whose meaning the method defines.
    Message = 2,
    /// How the call ended.
    Status = 3,
    /// What a link's stream is for.
    Link = 4,
}

/// Why a peer's bytes were refused. It is always the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FrameError {
    /// No frame begins with this byte.
    #[error("unknown frame kind {kind}")]
    UnknownKind {
        /// The byte.
        kind: u8,
    },
    /// A frame of a kind that may not come here.
    #[error("a frame of kind {kind:?}, expected {expected:?}")]
    Unexpected {
        /// What came.
        kind: FrameKind,
        /// What must come.
        expected: FrameKind,
    },
    /// A frame that is longer than its kind may be.
    #[error("a frame of kind {kind:?} with {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// What came.
        kind: FrameKind,
        /// How long it said that it was.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// The stream ended within a frame, or before one that must come.
    #[error("the stream ended too early")]
    Truncated,
    /// The stream went on after the last frame.
    #[error("bytes after the last frame")]
    Trailing,
    /// A frame's content is not what its kind says.
    #[error("{kind:?} frame: {error}")]
    Content {
        /// Which kind.
        kind: FrameKind,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A header whose names are empty, too long or of other characters than `a-z`, `0-9`, `_`, `-`, `.`, `/`.
    #[error(
        "a header's service and method have 1 to {NAME_BYTES_MAX} characters of a-z, 0-9, '_', '-', '.', '/'"
    )]
    Name,
}

/// What a call's stream begins with.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Header {
    /// [`HEADER_VERSION`]. Another one is answered `unimplemented`.
    pub(crate) version: u8,
    /// Who is asked.
    pub(crate) service: String,
    /// For what.
    pub(crate) method: String,
    /// How long the caller will wait from when this arrives, in milliseconds.
    pub(crate) deadline_ms: u32,
    /// The same for every attempt at one and the same call; `None` if the call must not be repeated.
    pub(crate) idempotency_key: Option<[u8; 16]>,
    /// What the log lines about this call have in common, on every node that it touches.
    pub(crate) trace_id: [u8; 16],
}

impl Header {
    /// The header that these bytes are the encoding of.
    ///
    /// # Errors
    /// If they are not one, or its names are not names.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let content = |error| FrameError::Content { kind: FrameKind::Header, error };
        let header: Self = decode(bytes, HEADER_BYTES_MAX).map_err(content)?;
        if is_name(&header.service) && is_name(&header.method) { Ok(header) } else { Err(FrameError::Name) }
    }
}

/// Whether this can be the name of a service or a method.
pub(crate) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// The start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// What the frame holds.
    pub(crate) kind: FrameKind,
    /// How long its payload is.
    pub(crate) bytes: usize,
}

impl Prefix {
    /// The prefix, if it is of this kind and no longer than this.
    ///
    /// # Errors
    /// If not.
    pub(crate) fn checked(self, expected: FrameKind, bytes_max: usize) -> Result<Self, FrameError> {
        let Self { kind, bytes } = self;
        if kind != expected {
            return Err(FrameError::Unexpected { kind, expected });
        }
        if bytes > bytes_max { Err(FrameError::TooLong { kind, bytes, bytes_max }) } else { Ok(self) }
    }
}

/// Puts frames together from bytes that come in pieces. Holds no more than was pushed: the caller looks at a
/// frame's [`Prefix`] before it pushes the payload.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    buffer: BytesMut,
    prefix: Option<Prefix>,
}

impl Assembler {
    /// Takes the next bytes of the stream.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The start of the frame that comes next, once its five bytes are here.
    ///
    /// # Errors
    /// If no frame starts like this.
    pub(crate) fn prefix(&mut self) -> Result<Option<Prefix>, FrameError> {
        if self.prefix.is_none() && self.buffer.len() >= PREFIX_BYTES {
            let kind = match self.buffer.get_u8() {
                1 => FrameKind::Header,
                2 => FrameKind::Message,
                3 => FrameKind::Status,
                4 => FrameKind::Link,
                kind => return Err(FrameError::UnknownKind { kind }),
            };
            let bytes = usize::try_from(self.buffer.get_u32_le()).unwrap_or(usize::MAX);
            self.prefix = Some(Prefix { kind, bytes });
        }
        Ok(self.prefix)
    }

    /// The payload of the frame whose prefix was seen, once all of it is here.
    pub(crate) fn payload(&mut self) -> Option<Bytes> {
        let Prefix { bytes, .. } = self.prefix?;
        if self.buffer.len() < bytes {
            return None;
        }
        self.prefix = None;
        Some(self.buffer.split_to(bytes).freeze())
    }

    /// Whether the stream may end here: no frame is under way.
    #[must_use]
    pub(crate) fn is_between_frames(&self) -> bool {
        self.prefix.is_none() && self.buffer.is_empty()
    }
}

/// Appends the start of a frame with a payload of this many bytes.
pub(crate) fn put_prefix(buffer: &mut BytesMut, kind: FrameKind, bytes: usize) {
    let bytes = u32::try_from(bytes).expect("every bound on a payload is below 4 GiB");
    buffer.reserve(PREFIX_BYTES);
    buffer.put_u8(kind as u8);
    buffer.put_u32_le(bytes);
}

/// Appends a frame that holds a value's encoding.
pub(crate) fn put_value<T: BorshSerialize>(buffer: &mut BytesMut, kind: FrameKind, value: &T) {
    let bytes = encode(value);
    put_prefix(buffer, kind, bytes.len());
    buffer.extend_from_slice(&bytes);
}

/// Takes these pieces of a stream apart, for the fuzzer: the frames' kinds and payloads, and whether the stream
/// may end there; `None` where the peer would be cut off.
#[cfg(hypermesh_fuzzing)]
#[must_use]
pub fn take_frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<(Vec<(u8, Bytes)>, bool)> {
    let mut assembler = Assembler::default();
    let mut frames = Vec::new();
    for piece in pieces {
        assembler.push(piece);
        while let Some(prefix) = assembler.prefix().ok()? {
            prefix.checked(prefix.kind, MESSAGE_BYTES_MAX).ok()?;
            let Some(payload) = assembler.payload() else { break };
            frames.push((prefix.kind as u8, payload));
        }
    }
    Some((frames, assembler.is_between_frames()))
}

/// The content of a frame of this kind decoded and encoded again, for the fuzzer.
#[cfg(hypermesh_fuzzing)]
#[must_use]
pub fn content_again(kind: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    match kind {
        1 => Header::parse(bytes).ok().map(|header| encode(&header)),
        3 => {
            let status = decode::<crate::Status>(bytes, crate::client::STATUS_BYTES_MAX).ok()?;
            status.is_bounded().then(|| encode(&status))
        }
        4 => crate::link::LinkHeader::parse(bytes).ok().map(|header| encode(&header)),
        _ => None,
    }
}

/// The version that every header bears.
pub(crate) const HEADER_VERSION: u8 = 1;
/// The most bytes of a header: two names, and what has a fixed length.
pub const HEADER_BYTES_MAX: usize = 256;
/// The most characters of a service's or a method's name.
pub const NAME_BYTES_MAX: usize = 64;
/// The most bytes of a message, unless a configuration says less.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// Bytes before a frame's payload.
pub(crate) const PREFIX_BYTES: usize = 5;

const _: () = assert!(2 * (4 + NAME_BYTES_MAX) + 1 + 4 + 17 + 16 <= HEADER_BYTES_MAX);

#[cfg(test)]
mod tests;
