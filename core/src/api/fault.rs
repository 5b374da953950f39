//! Why a call failed: a kind that programs go by, and a sentence that people go by.

use crate::base::{DecodeError, ReadError};
use crate::state::Refusal;
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A kind of failure. STOQ carries it as a status code.
///
/// Exhaustive: checkers of runs have to judge each one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request is wrong, whatever the state.
    InvalidArgument,
    /// What the request names is not there.
    NotFound,
    /// The state does not allow it: it may later.
    FailedPrecondition,
    /// The rules do not allow it.
    PermissionDenied,
    /// A limit is reached: it may pass.
    ResourceExhausted,
    /// The node cannot do it now.
    Unavailable,
    /// The node's own store failed.
    DataLoss,
    /// No such method.
    Unimplemented,
}

/// Why a call failed.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize, thiserror::Error,
)]
#[error("{message}")]
pub struct ApiFault {
    /// The kind.
    pub kind: FaultKind,
    /// What happened, to what, and what to do.
    pub message: String,
    /// After how many milliseconds the caller does well to ask again, where the node can say.
    pub retry_after_ms: Option<u32>,
}

impl ApiFault {
    /// A fault of this kind.
    pub fn new(kind: FaultKind, message: impl ToString) -> Self {
        Self { kind, message: message.to_string(), retry_after_ms: None }
    }

    /// The rules do not allow the operation.
    pub fn refused(refusal: &Refusal) -> Self {
        let kind = if refusal.is_absence() { FaultKind::NotFound } else { FaultKind::FailedPrecondition };
        Self::new(kind, refusal)
    }

    /// The request is wrong.
    pub fn invalid(message: impl ToString) -> Self {
        Self::new(FaultKind::InvalidArgument, message)
    }

    /// What the request names is not there.
    pub fn not_found(message: impl ToString) -> Self {
        Self::new(FaultKind::NotFound, message)
    }

    /// The state does not allow it yet.
    pub fn precondition(message: impl ToString) -> Self {
        Self::new(FaultKind::FailedPrecondition, message)
    }

    /// The same, with the time after which the caller does well to ask again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after_ms: Some(u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)), ..self }
    }

    /// The node cannot do it now.
    pub fn unavailable(message: impl ToString) -> Self {
        Self::new(FaultKind::Unavailable, message)
    }
}

impl From<ReadError> for ApiFault {
    fn from(error: ReadError) -> Self {
        Self::new(FaultKind::DataLoss, error)
    }
}

impl From<DecodeError> for ApiFault {
    fn from(error: DecodeError) -> Self {
        Self::invalid(alloc::format!("request: {error}"))
    }
}
