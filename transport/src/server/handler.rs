//! What a server asks of the node behind it.

use super::call_queue::CallSlot;
use super::streaming::CallStream;
use crate::client::CallOptions;
use crate::status::Status;
use bytes::Bytes;
use hypermesh_base::{Mono, Now, PublicKey};
use std::future::Future;
use std::net::SocketAddrV6;
use std::pin::Pin;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Call {
    /// How a call is to be made that this one makes necessary, at another service: in what is left of its caller's time at
    /// `now`, and under the same trace id.
    #[must_use]
    pub fn onward(&self, now: Mono) -> CallOptions {
        let left = self.deadline.since(now);
        CallOptions { trace_id: Some(self.trace_id), ..CallOptions::repeatable(left) }
    }
}

/// A call that came in. Its sizes and names were checked, its caller proved to hold the key; nothing else was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The key that the caller proved to hold.
    pub caller: PublicKey,
    /// Where the call came from.
    pub remote: SocketAddrV6,
    /// Who is asked.
    pub service: String,
    /// For what.
    pub method: String,
    /// When the whole request was here, before it waited for its turn.
    pub received: Now,
    /// When the caller stops waiting, by the environment's clock. The server drops the call's future then.
    pub deadline: Mono,
    /// The same for every attempt at one and the same call; `None` if the caller never repeats it.
    pub idempotency_key: Option<[u8; 16]>,
    /// What the log lines about this call have in common, on every node that it touches.
    pub trace_id: [u8; 16],
    /// Whether it came in the connection's first flight, before the caller proved to be there: anybody may have sent it
    /// again who overheard it. Only methods that allow it are called so.
    pub early: bool,
    /// The message.
    pub body: Bytes,
    /// The call's slot. Dropped before waiting for something that takes long, it lets others be
    /// worked on meanwhile.
    pub slot: CallSlot,
}

/// How many messages a method takes and gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MethodShape {
    /// One message each way: [`Handler::call`] answers.
    #[default]
    Unary,
    /// One message of the caller's, and any number of the server's: [`Handler::stream`] answers.
    ServerStreaming,
    /// Any number of messages each way, but at least one of the caller's: [`Handler::stream`] answers.
    Bidirectional,
}

/// What a server has to know of a method before it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodTraits {
    /// How many messages go each way.
    pub shape: MethodShape,
    /// Whether it may be asked in a connection's first flight, which whoever overhears it can send again: for reads that
    /// change nothing and that anybody may make.
    pub early: bool,
    /// Whether it changes something: then the outcome is kept for a while, and a repeat under the same idempotency key is
    /// answered with it. Unary methods only.
    pub writes: bool,
}

/// What a peer is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerRole {
    /// Anyone: may call, within the limits for clients.
    Client,
    /// One of the validators: may also open links, has larger windows, and is never crowded out by clients.
    Validator,
}

/// Which of a link's two streams a message comes on. Each keeps its own order.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LinkClass {
    /// Small and urgent.
    Consensus,
    /// Large, and first to be left out when there is too much.
    Bulk,
}

/// The node behind a server.
pub trait Handler: Send + Sync + 'static {
    /// Answers a call. Whether the service and the method exist is for the handler to say
    /// ([`Status::unimplemented`]).
    ///
    /// The future is dropped when the caller cancels, the connection is lost, or the deadline has passed.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>>;

    /// Answers a streaming call: sends messages on the stream, and returns when there are no more, or with why there are
    /// no more. The first message of the caller's is in the call.
    ///
    /// The future is dropped when the caller cancels, the connection is lost, or the deadline has passed: what it does
    /// ends there.
    fn stream<'a>(
        &'a self,
        call: Call,
        _stream: &'a mut CallStream<'_>,
    ) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(async move { Err(Status::unimplemented(&call.service, &call.method)) })
    }

    /// What kind of a method this is. What is no method is as good as unary, and not for first flights.
    fn traits(&self, _service: &str, _method: &str) -> MethodTraits {
        MethodTraits::default()
    }

    /// What the holder of this key is to this node. Asked once for each connection, and again by
    /// [`crate::Server::review`].
    fn role(&self, _key: &PublicKey) -> PeerRole {
        PeerRole::Client
    }

    /// Takes note that another process with this validator's key asked for a link and was refused, since the first one
    /// still answers.
    fn rival(&self, _key: PublicKey) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Takes a message from a validator's link. The messages of one class come one after the other, in the
    /// order they were sent; while the future runs, no further one is read, and a sender that outruns the
    /// node is slowed down. Messages may be lost when a connection is, never doubled.
    fn message(&self, _from: PublicKey, _class: LinkClass, _bytes: Bytes) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
