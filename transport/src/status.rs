//! How a call ended: the codes of gRPC with their numbers, a sentence for people, and detail for programs.

use borsh::{BorshDeserialize, BorshSerialize};
use hypermesh_base::{decode, encode};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a call ended. The names and numbers are gRPC's; the numbers are part of the protocol.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum StatusCode {
    /// It was done.
    Ok = 0,
    /// The caller stopped waiting.
    Cancelled = 1,
    /// What was asked makes no sense, in whatever state the server is.
    InvalidArgument = 3,
    /// It was not done in time, and may yet be done.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be made exists.
    AlreadyExists = 6,
    /// This caller may not.
    PermissionDenied = 7,
    /// A limit is reached: a size, a quota, a balance.
    ResourceExhausted = 8,
    /// The server's state does not allow it until something else is done.
    FailedPrecondition = 9,
    /// Something that ran at the same time got in the way: start over.
    Aborted = 10,
    /// The server has no such service or method.
    Unimplemented = 12,
    /// The server, or the connection's other end, broke its own rules.
    Internal = 13,
    /// Not now: ask again, here or elsewhere.
    Unavailable = 14,
    /// Data is lost or damaged beyond repair.
    DataLoss = 15,
    /// The caller is not who it must be.
    Unauthenticated = 16,
}

impl StatusCode {
    /// Every code, in order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Ok,
        Self::Cancelled,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The code's name, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::PermissionDenied => "permission_denied",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::DataLoss => "data_loss",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// What a server advises the caller to do, in the detail of a status that the server itself adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Advice {
    /// To come back after so long, and not before.
    RetryAfter {
        /// How long, in milliseconds.
        ms: u32,
    },
    /// To ask again when the handshake is over: what was asked may not come in a connection's first flight.
    TooEarly,
}

/// An advice as it stands in a status's detail.
#[derive(BorshSerialize, BorshDeserialize)]
struct AdviceDetail {
    /// [`ADVICE_MARK`].
    mark: [u8; 4],
    advice: Advice,
}

/// How a call ended, and why.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Status {
    code: StatusCode,
    message: String,
    detail: Vec<u8>,
}

impl Status {
    /// A status with a sentence that says what happened, to what, and what to do. A sentence of more than
    /// [`STATUS_MESSAGE_BYTES_MAX`] bytes is cut.
    #[must_use]
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(STATUS_MESSAGE_BYTES_MAX));
        Self { code, message, detail: Vec::new() }
    }

    /// The same, with detail for programs. Detail of more than [`STATUS_DETAIL_BYTES_MAX`] bytes is left out,
    /// since half of it would be worse than none.
    #[must_use]
    pub fn with_detail(mut self, detail: Vec<u8>) -> Self {
        self.detail = if detail.len() <= STATUS_DETAIL_BYTES_MAX { detail } else { Vec::new() };
        self
    }

    /// The server has no such method.
    #[must_use]
    pub fn unimplemented(service: &str, method: &str) -> Self {
        Self::new(StatusCode::Unimplemented, format!("this node has no method {service}/{method}"))
    }

    /// How it ended.
    #[must_use]
    pub const fn code(&self) -> StatusCode {
        self.code
    }

    /// What happened, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What happened, for programs: an encoding that the method defines. Often empty.
    #[must_use]
    pub fn detail(&self) -> &[u8] {
        &self.detail
    }

    /// The same, with an advice for its detail.
    #[must_use]
    pub fn with_advice(self, advice: Advice) -> Self {
        self.with_detail(encode(&AdviceDetail { mark: ADVICE_MARK, advice }))
    }

    /// What the server advises the caller to do, if it does.
    #[must_use]
    pub fn advice(&self) -> Option<Advice> {
        let detail: AdviceDetail = decode(&self.detail, ADVICE_BYTES_MAX).ok()?;
        (detail.mark == ADVICE_MARK).then_some(detail.advice)
    }

    pub(crate) fn ok() -> Self {
        Self::new(StatusCode::Ok, "")
    }

    /// Whether a status that came from a peer keeps the bounds that ours keep.
    pub(crate) fn is_bounded(&self) -> bool {
        self.message.len() <= STATUS_MESSAGE_BYTES_MAX && self.detail.len() <= STATUS_DETAIL_BYTES_MAX
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => write!(formatter, "{}", self.code),
            message => write!(formatter, "{}: {message}", self.code),
        }
    }
}

/// What the detail of a server's own status begins with, to tell it from what a method defines.
const ADVICE_MARK: [u8; 4] = *b"stoq";
/// The most bytes of an advice as detail.
const ADVICE_BYTES_MAX: usize = 16;
/// The most bytes of a status's sentence.
pub const STATUS_MESSAGE_BYTES_MAX: usize = 1024;
/// The most bytes of a status's detail.
pub const STATUS_DETAIL_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_bear_the_numbers_of_grpc() {
        let numbers = StatusCode::ALL.map(StatusCode::number);
        assert_eq!(numbers, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16]);
        for code in StatusCode::ALL {
            assert_eq!(encode(&code), [code.number()]);
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.name()));
        }
        assert!(decode::<StatusCode>(&[2], 1).is_err());
    }

    #[test]
    fn a_message_at_its_limit_is_kept_and_one_past_it_is_cut_between_characters() {
        let status = |text: String| Status::new(StatusCode::Internal, text).message().len();
        assert_eq!(status("a".repeat(STATUS_MESSAGE_BYTES_MAX)), STATUS_MESSAGE_BYTES_MAX);
        assert_eq!(status("a".repeat(STATUS_MESSAGE_BYTES_MAX + 1)), STATUS_MESSAGE_BYTES_MAX);
        assert_eq!(
            status(format!("a{}", "ä".repeat(STATUS_MESSAGE_BYTES_MAX))),
            STATUS_MESSAGE_BYTES_MAX - 1
        );
    }

    #[test]
    fn an_advice_is_found_in_the_detail_and_nothing_else_is_taken_for_one() {
        let status = || Status::new(StatusCode::Unavailable, "");
        for advice in [Advice::RetryAfter { ms: 250 }, Advice::TooEarly] {
            assert_eq!(status().with_advice(advice).advice(), Some(advice));
        }
        let detail = status().with_advice(Advice::RetryAfter { ms: 250 }).detail().to_vec();
        assert_eq!(detail, [b's', b't', b'o', b'q', 0, 250, 0, 0, 0], "other clients read it");
        for wrong in [&b"stop"[..], b"", b"stoq", b"stoq\x02", b"stoq\x01\0", b"Stoq\x01"] {
            assert_eq!(status().with_detail(wrong.to_vec()).advice(), None);
        }
    }

    #[test]
    fn detail_at_its_limit_is_kept_and_one_past_it_is_left_out() {
        let status = |bytes| Status::new(StatusCode::Aborted, "").with_detail(vec![7; bytes]);
        assert_eq!(status(STATUS_DETAIL_BYTES_MAX).detail().len(), STATUS_DETAIL_BYTES_MAX);
        assert!(status(STATUS_DETAIL_BYTES_MAX + 1).detail().is_empty());
    }
}
