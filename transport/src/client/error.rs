//! How a call can fail.

use crate::endpoint::DialError;
use crate::status::{Advice, Status, StatusCode};
use std::time::Duration;

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server answered that it did not do it, or not yet.
    #[error("{status}")]
    Refused {
        /// What the server said.
        status: Status,
    },
    /// The deadline passed. The server may yet do what was asked.
    #[error("no answer within the deadline")]
    DeadlineExceeded,
    /// There is no connection. Nothing was asked.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection was lost. The server may have done what was asked.
    #[error("the connection was lost before the answer came: {reason}")]
    Lost {
        /// What ended it.
        reason: String,
    },
    /// The server answered what no server may.
    #[error("the server broke the protocol: {reason}")]
    Protocol {
        /// What it did.
        reason: String,
    },
    /// The request is larger than this client sends. Nothing was asked.
    #[error("a request of {bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// The service's or the method's name is not one. Nothing was asked.
    #[error("invalid method {service:?}/{method:?}: names have a-z, 0-9, '_', '-', '.', '/'")]
    Name {
        /// The service.
        service: String,
        /// The method.
        method: String,
    },
    /// The client has connections to as many peers as it may. Nothing was asked.
    #[error("this client already has connections to {peers_max} peers")]
    TooManyPeers {
        /// How many it may talk to.
        peers_max: usize,
    },
}

impl CallError {
    /// The status that stands for this error where one is counted or passed on.
    #[must_use]
    pub const fn code(&self) -> StatusCode {
        match self {
            Self::Refused { status } => status.code(),
            Self::DeadlineExceeded => StatusCode::DeadlineExceeded,
            Self::Dial(DialError::WrongKey { .. }) => StatusCode::Unauthenticated,
            Self::Dial(_) | Self::Lost { .. } => StatusCode::Unavailable,
            Self::Protocol { .. } => StatusCode::Internal,
            Self::TooLong { .. } | Self::Name { .. } => StatusCode::InvalidArgument,
            Self::TooManyPeers { .. } => StatusCode::ResourceExhausted,
        }
    }

    /// Whether the server wants to be asked again when the handshake is over.
    pub(super) fn is_too_early(&self) -> bool {
        matches!(self, Self::Refused { status } if status.advice() == Some(Advice::TooEarly))
    }

    /// How long the server wants to be left alone, if it said so. Nothing was done then.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { status } => match status.advice()? {
                Advice::RetryAfter { ms } => Some(Duration::from_millis(ms.into())),
                Advice::TooEarly => None,
            },
            _ => None,
        }
    }

    /// Whether trying again may help, if the call may be repeated.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self.code(), StatusCode::Unavailable)
    }
}
