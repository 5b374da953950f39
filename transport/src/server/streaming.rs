//! A streaming call, from the server's side: messages go out one by one, each when the caller has made room for it.
//!
//! QUIC's flow control reaches through to the handler: [`CallStream::send`] waits until QUIC has taken the message, which
//! it does as far as the caller has room, so a caller that reads slowly slows the work down, and one message of the call
//! is held here at a time.

use super::call_queue::{CallGuard, CallSlot};
use super::connection::Peer;
use super::limits::ServerLimits;
use super::memory::{LimitReached, Memory};
use super::request::{CallRejection, charge, too_long};
use super::slots::{Slot, SlotTable};
use crate::close::Abandon;
use crate::fair_share::NoSlot;
use crate::frame::{FrameKind, put_prefix};
use crate::lock::lock;
use crate::status::{Advice, Status, StatusCode};
use crate::stream::{FrameReader, Sender};
use bytes::{Bytes, BytesMut};
use hypermesh_base::PublicKey;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::time::timeout;

/// A handler's end of a streaming call.
pub struct CallStream<'a> {
    peer: &'a Peer,
    guard: &'a CallGuard,
    send: &'a mut Sender,
    reader: &'a mut FrameReader,
    /// The memory of the message that is being read.
    reading: Option<Memory>,
    /// Why the call is over, once it is.
    over: Option<CallRejection>,
}

impl<'a> CallStream<'a> {
    pub(super) const fn new(
        peer: &'a Peer,
        guard: &'a CallGuard,
        send: &'a mut Sender,
        reader: &'a mut FrameReader,
    ) -> Self {
        Self { peer, guard, send, reader, reading: None, over: None }
    }

    /// Sends a message to the caller, waiting until there is room for it.
    ///
    /// # Errors
    /// If the message is larger than messages may be, the memory is full, or the caller reads nothing for too long or not
    /// any more. The handler does well to return the status: the call is over.
    pub async fn send(&mut self, message: Bytes) -> Result<(), Status> {
        let (bytes, bytes_max) = (message.len(), self.peer.message_bytes_max());
        if bytes > bytes_max {
            return Err(too_long("answer", bytes, bytes_max));
        }
        let memory = Memory::take(self.peer, bytes).map_err(LimitReached::status)?;
        let mut head = BytesMut::new();
        put_prefix(&mut head, FrameKind::Message, bytes);
        let mut chunks = [head.freeze(), message];
        let patience = self.peer.shared.limits.stall_timeout;
        self.send.begin_message();
        let written = timeout(patience, self.send.stream.write_all_chunks(&mut chunks)).await;
        drop(memory);
        match written {
            Ok(Ok(())) => {
                self.send.end_message();
                Ok(())
            }
            Ok(Err(_)) => {
                self.over = Some(CallRejection::Gone);
                Err(Status::new(StatusCode::Cancelled, "the caller disconnected"))
            }
            Err(_) => {
                self.send.abandon_as(Abandon::Slow);
                self.over = Some(CallRejection::Gone);
                Err(Status::new(StatusCode::Cancelled, format!("the caller read nothing for {patience:?}")))
            }
        }
    }

    /// The caller's next message; `None` when it has said that there are no more. For a method that takes one message
    /// only, there are none. It may be given up at any time, and loses nothing.
    ///
    /// # Errors
    /// If the caller breaks the protocol, or a limit. The handler does well to return the status: the call is over.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, Status> {
        let received = self.receive_one().await;
        received.map_err(|rejection| {
            let status = match &rejection {
                CallRejection::Answer(status) => status.clone(),
                _ => Status::new(StatusCode::Cancelled, "the caller cancelled the call"),
            };
            self.over = Some(rejection);
            status
        })
    }

    async fn receive_one(&mut self) -> Result<Option<Bytes>, CallRejection> {
        let Some(prefix) = self.reader.prefix().await? else { return Ok(None) };
        if self.reading.is_none() {
            let checked = prefix.checked(FrameKind::Message, self.peer.message_bytes_max());
            self.reading = Some(charge(self.peer, checked.map_err(Into::into))?);
        }
        let body = self.reader.payload().await?;
        self.reading = None;
        Ok(Some(body))
    }

    /// Waits for a slot, as a call of its own would. Drop the slot when the work is done.
    ///
    /// # Errors
    /// If too many wait. The handler does well to return the status: the caller may come back.
    pub async fn slot(&self) -> Result<CallSlot, Status> {
        self.guard.slot().await
    }

    /// Why the call is over, if the caller ended it.
    pub(super) fn into_over(self) -> Option<CallRejection> {
        self.over
    }
}

/// When one does well to come back who was refused a streaming call: they last.
const STREAM_RETRY_MS: u32 = 1000;

/// Streaming calls under way, of each key, from each part of the network and of all.
#[derive(Clone, Default)]
pub(super) struct Streams {
    slots: SlotTable,
    open: Arc<Mutex<BTreeMap<PublicKey, usize>>>,
}

/// That a streaming call is under way. It is counted until this is dropped.
pub(super) struct Open {
    slot: Slot,
    streams: Streams,
    key: PublicKey,
}

impl Streams {
    /// Counts one more for this key at this address, unless it has as many as may be, or its part of the network or all together
    /// have and nobody gives way.
    pub(super) fn open(
        &self,
        key: PublicKey,
        remote: SocketAddr,
        limits: &ServerLimits,
    ) -> Result<Open, Status> {
        let mut open = lock(&self.open);
        let own = open.get(&key).copied().unwrap_or_default();
        if own >= limits.streams_per_caller_max {
            return Err(refused(format!("{own} streaming calls of this key are in progress: end one first")));
        }
        let slot = self.slots.take(remote, limits.streams(), None).map_err(|full| {
            refused(match full {
                NoSlot::Prefix => {
                    let share_max = limits.streams_per_prefix_max;
                    format!(
                        "{share_max} streaming calls from your /56 of the network are in progress: end one \
                        first"
                    )
                }
                NoSlot::All => format!(
                    "{} streaming calls are in progress, and no /56 of the network has more than yours: \
                    end one first, or use another node",
                    limits.streams_max
                ),
            })
        })?;
        open.insert(key, own + 1);
        drop(open);
        Ok(Open { slot, streams: self.clone(), key })
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

impl Open {
    /// Waits until the call has to end for one from a part of the network that has fewer, and gives what its caller is told.
    pub(super) async fn lost(&self) -> Status {
        self.slot.lost().await;
        let message = "all streaming calls are in use, your /56 of the network has the most, and a /56 \
            with fewer opened one: subscribe again from your last position, or use another node";
        refused(message.into())
    }
}

fn refused(message: String) -> Status {
    let advice = Advice::RetryAfter { ms: STREAM_RETRY_MS };
    Status::new(StatusCode::ResourceExhausted, message).with_advice(advice)
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = lock(&self.streams.open);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}
