//! The answers of a streaming call, as its caller sees them.

use super::CallMeter;
use super::attempt::{Frame, Opened};
use super::error::CallError;
use crate::status::StatusCode;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

/// A streaming call: its answers, one after the other, and how it ended.
///
/// Answers that nobody takes hold the server back, so a slow reader costs neither end more than QUIC's windows.
/// Dropped, it cancels the call: the server stops what it does for it.
pub struct MessageStream {
    opened: Opened,
    deadline: Instant,
    bytes_max: usize,
    meter: CallMeter,
    /// How it ended, once it has.
    end: Option<Result<(), CallError>>,
}

impl MessageStream {
    pub(super) fn new(opened: Opened, deadline: Instant, meter: CallMeter) -> Self {
        let bytes_max = meter.client.config.message_bytes_max;
        Self { opened, deadline, bytes_max, meter, end: None }
    }

    /// The next answer; `None` when there are no more, and all is well. Given up, it loses nothing.
    ///
    /// # Errors
    /// With how the call ended, if it did not end well; again, however often it is asked.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        if let Some(end) = &self.end {
            return end.clone().map(|()| None);
        }
        let frame = timeout_at(self.deadline, self.opened.next(self.bytes_max)).await;
        let end = match frame {
            Ok(Ok(Frame::Message(message))) => return Ok(Some(message)),
            Ok(Ok(Frame::Status(status))) if status.code() == StatusCode::Ok => Ok(()),
            Ok(Ok(Frame::Status(status))) => Err(CallError::Refused { status }),
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(CallError::DeadlineExceeded),
        };
        self.meter.code = end.as_ref().map_or_else(CallError::code, |()| StatusCode::Ok);
        self.end = Some(end.clone());
        end.map(|()| None)
    }

    /// Sends a further message, waiting until there is room for it. Only a method that takes several reads it, and only
    /// until [`Self::finish`].
    ///
    /// # Errors
    /// If the message is too long, or the connection is lost.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), CallError> {
        let message = message.into();
        let (bytes, bytes_max) = (message.len(), self.bytes_max);
        if bytes > bytes_max {
            return Err(CallError::TooLong { bytes, bytes_max });
        }
        let sending = timeout_at(self.deadline, self.opened.send(message));
        sending.await.unwrap_or(Err(CallError::DeadlineExceeded))
    }

    /// Says that no further messages come. The answers go on.
    pub fn finish(&mut self) {
        self.opened.finish();
    }
}
