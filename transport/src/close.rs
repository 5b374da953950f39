//! The codes with which connections and streams are closed. The numbers are part of the protocol.

use quinn::{ConnectionError, VarInt};

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Close {
    /// Nothing is wrong: the endpoint goes away.
    Done = 0,
    /// The peer sent what `stoq/1` does not allow.
    Protocol = 1,
    /// The server has as many connections as it takes.
    Crowded = 2,
    /// The peer opened a link and is not a validator here.
    LinkRefused = 3,
    /// The same peer opened another connection, and has as many as it may.
    Replaced = 4,
    /// Nothing was asked for a long time.
    Silent = 5,
    /// The peer has become a validator or has ceased to be one.
    RoleChanged = 6,
    /// Another process with the same key has a link here, and it still answers.
    Twin = 7,
}

/// Why a stream is ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Abandon {
    /// The caller no longer waits for the answer.
    Cancelled = 1,
    /// The rest of the message will not be read.
    Refused = 2,
    /// The peer took too long to send or to read.
    Slow = 3,
}

impl Close {
    /// Whether a connection was closed by its other end for this reason.
    pub(crate) fn was_received(self, connection: &quinn::Connection) -> bool {
        let code = VarInt::from(self as u8);
        matches!(connection.close_reason(), Some(ConnectionError::ApplicationClosed(close)) if close.error_code == code)
    }

    pub(crate) fn connection(self, connection: &quinn::Connection, reason: &str) {
        connection.close(VarInt::from(self as u8), reason.as_bytes());
    }
}

impl Abandon {
    pub(crate) fn code(self) -> VarInt {
        VarInt::from(self as u8)
    }
}
