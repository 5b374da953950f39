//! STOQ: RPC over QUIC over IPv6, the only way in which nodes, services and clients speak.
//!
//! It carries and decides nothing: a peer is whoever proves to hold an Ed25519 key, a message is bytes. What
//! certificates mean, who may ask for what, and what the bytes say is for the node behind it.
//!
//! The parts: an [`Env`] holds everything that is taken from the surroundings, so that the simulator can put
//! its own there; an [`Endpoint`] is one UDP socket; on it stand a [`Server`] with a [`Handler`], [`Client`]s,
//! and [`Links`] between validators.
//!
//! Of HyperMesh it takes base types alone ([`hypermesh_base`]): services can be built on it without consensus, state or
//! threshold signatures. A node is turned on it by `hypermesh-driver`.
//!
//! # A service and a client
//!
//! ```
//! use std::{net::Ipv6Addr, net::SocketAddrV6, sync::Arc, time::Duration};
//! use hypermesh_base::SecretKey;
//! use stoq::*;
//!
//! /// Answers `greeter/greet` with a greeting.
//! struct Greeter;
//!
//! impl Handler for Greeter {
//!     fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
//!         Box::pin(async move {
//!             match (call.service.as_str(), call.method.as_str()) {
//!                 ("greeter", "greet") => Ok([b"hello, ".as_slice(), &call.body].concat().into()),
//!                 _ => Err(Status::unimplemented(&call.service, &call.method)),
//!             }
//!         })
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let any_port = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
//! let bind = |seed| {
//!     let identity = Identity::new(SecretKey::from_seed([seed; 32]));
//!     Endpoint::bind(Env::real(identity), any_port, TransportConfig::default())
//! };
//!
//! let endpoint = bind(1)?;
//! let server = Server::start(&endpoint, Arc::new(Greeter), ServerLimits::default());
//!
//! // The client knows the server by its key, wherever it is.
//! let peer = Peer { addr: endpoint.local_addr()?, expect: Expect::Key(endpoint.key()) };
//! let client = Client::new(&bind(2)?, ClientConfig::default());
//! let options = CallOptions::repeatable(Duration::from_secs(10));
//! let answer = client.call(&peer, "greeter", "greet", "Ada", options).await?;
//! assert_eq!(answer, "hello, Ada");
//! # drop(server);
//! # Ok(()) }
//! ```
//!
//! Links between validators are made by [`Links::start`].
//!
//! A dropped future of [`Handler::call`] means that nobody waits any more. When the set of validators changes:
//! [`Links::set_peers`] and [`Server::review`].
//!
//! # What it does not do
//!
//! Delivery over links is not guaranteed. Sessions are resumed, and first flights carry calls (0-RTT), as long as a client
//! runs: it keeps its tickets in memory.
//!
//! # Determinism
//!
//! On a paused single-threaded tokio with a seeded [`Env`], the same seed gives the same datagrams: every
//! `select!` is biased, no map has a random order, and no time or randomness comes from elsewhere.
#![forbid(unsafe_code)]

#[cfg(any(hypermesh_simulation_crypto, hypermesh_verification_cache))]
compile_error!(
    "built for simulations, in which signatures are not what they seem: this is not to meet a network"
);

mod backoff;
mod client;
mod close;
mod endpoint;
mod env;
pub mod fair_share;
mod frame;
mod identity;
mod link;
mod lock;
mod real;
mod server;
mod sessions;
mod status;
mod stream;
mod tickets;
mod tls;

#[cfg(test)]
mod tests;

pub use backoff::BackoffConfig;
pub use bytes::Bytes;
pub use client::{
    CallError, CallOptions, Client, ClientConfig, ClientMetrics, EarlyData, Latency, MessageStream, Ping,
};
pub use endpoint::{BindError, DialError, Endpoint, Expect, Peer, TransportConfig};
pub use env::{Clock, CoreEntropy, CryptoSuite, Env, Net, SharedEntropy};
pub use frame::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
#[cfg(hypermesh_fuzzing)]
pub use frame::{content_again, take_frames};
pub use identity::{Identity, NotEd25519};
pub use link::{
    ADDRESS_COUNT_MAX, LinkConfig, LinkError, LinkMetrics, LinkStatus, Links, OnStatus, PeerLocator,
    QueueLimits,
};
pub use server::{
    BoxFuture, CLIENT_MESSAGE_BYTES_MAX, Call, CallSlot, CallStream, Handler, LinkClass, MethodShape,
    MethodTraits, MetricsReader, PeerRole, Server, ServerLimits, ServerMetrics,
};
pub use sessions::{SEALED_SESSIONS_BYTES_MAX, UnsealFault};
pub use status::{Advice, STATUS_DETAIL_BYTES_MAX, STATUS_MESSAGE_BYTES_MAX, Status, StatusCode};
pub use tls::ALPN;
