//! One UDP socket that serves and dials: a node needs one port.

mod config;
mod congestion;
mod connection_id;
mod peer;

pub use config::TransportConfig;
pub(crate) use peer::{Connection, ipv6};
pub use peer::{DialError, Expect, Peer};

use crate::close::Close;
use crate::env::{Env, WallClock};
use crate::sessions::UnsealFault;
use crate::tickets::SessionTickets;
use crate::tls::Tls;
use connection_id::{RandomConnectionIds, random_connection_id};
use hypermesh_base::{Digest, Domain, PublicKey};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connecting, ConnectionError, VarInt};
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

/// A UDP socket with QUIC on it, for a server, clients and links alike. Clones are the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env,
    quinn: quinn::Endpoint,
    tls: Tls,
    transport: TransportConfig,
    process: ProcessId,
}

/// One life of an endpoint: drawn at random when it is bound, so that a peer can tell two processes that hold the
/// same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub(crate) struct ProcessId(pub(crate) [u8; 16]);

/// Why an endpoint could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The socket could not be bound.
    #[error("cannot bind UDP {addr}: {source}")]
    Socket {
        /// The address that was asked for.
        addr: SocketAddrV6,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The environment's cryptography cannot do TLS 1.3 over QUIC.
    #[error("the crypto suite is unusable: {reason}")]
    Crypto {
        /// What TLS said.
        reason: String,
    },
    /// A duration or window in the configuration is larger than QUIC can express.
    #[error("{field} in the transport configuration is too large for QUIC")]
    Config {
        /// Which one.
        field: &'static str,
    },
}

impl Endpoint {
    /// Binds `addr` (port 0: any free one). Nothing is served until a [`crate::Server`] starts on it.
    ///
    /// Must be called from within a tokio runtime, which it then belongs to.
    ///
    /// # Errors
    /// If the address cannot be bound, or the configuration or the crypto suite is unusable.
    pub fn bind(env: Env, addr: SocketAddrV6, transport: TransportConfig) -> Result<Self, BindError> {
        let unusable = |error: rustls::Error| BindError::Crypto { reason: error.to_string() };
        let socket_failed = |source| BindError::Socket { addr, source };
        let tls = Tls::new(&env).map_err(unusable)?;
        // Both are built here once to find out that they can be built.
        drop((tls.server().map_err(unusable)?, tls.client(&Expect::nobody()).map_err(unusable)?));
        drop(transport.quinn(transport.client_window_bytes, transport.window_bytes)?);

        let secret = RESET_KEY.hash(&[env.identity.secret().seed()]);
        let mut config = quinn::EndpointConfig::new(env.crypto.reset_key(&secret));
        let entropy = env.entropy.clone();
        config
            .rng_seed(Some(env.random()))
            .cid_generator(move || Box::new(RandomConnectionIds { entropy: entropy.clone() }));
        let socket = env.net.bind(addr).map_err(socket_failed)?;
        let runtime = env.net.runtime();
        let quinn = quinn::Endpoint::new_with_abstract_socket(config, None, socket, runtime);
        let quinn = quinn.map_err(socket_failed)?;
        let process = ProcessId(env.random());
        Ok(Self { inner: Arc::new(Inner { env, quinn, tls, transport, process }) })
    }

    /// The address that peers reach this endpoint at.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddrV6> {
        self.inner.quinn.local_addr().map(ipv6)
    }

    /// The key that peers know this endpoint by.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.inner.env.identity.key()
    }

    /// Closes every connection, tells the peers, and accepts and dials no more.
    pub async fn close(&self) {
        self.inner.quinn.close(VarInt::from(Close::Done as u8), b"the endpoint closes");
        self.inner.quinn.wait_idle().await;
    }

    pub(crate) fn process(&self) -> ProcessId {
        self.inner.process
    }

    pub(crate) fn env(&self) -> &Env {
        &self.inner.env
    }

    pub(crate) fn quinn(&self) -> &quinn::Endpoint {
        &self.inner.quinn
    }

    /// The sessions that callers may resume, sealed so that only this node's next life can read them. To be asked when the
    /// endpoint is closed, and to be given to [`Self::restore_sessions`] once: a session that is there twice lets an
    /// overheard first flight be sent again.
    #[must_use]
    pub fn sealed_sessions(&self) -> Vec<u8> {
        self.inner.tls.sessions.seal(&self.inner.env)
    }

    /// Takes the sessions of the node's life before, so that callers who come back need no round trip to set up their
    /// connections.
    ///
    /// # Errors
    /// If they were not sealed by this node.
    pub fn restore_sessions(&self, sealed: &[u8]) -> Result<(), UnsealFault> {
        self.inner.tls.sessions.restore(&self.inner.env, sealed)
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.inner.tls
    }

    pub(crate) fn transport(&self) -> &TransportConfig {
        &self.inner.transport
    }

    /// Lets clients in from now on, each with at most this many calls at once.
    pub(crate) fn accept_calls(&self, calls_max: u32) {
        let Inner { env, quinn, tls, transport, .. } = &*self.inner;
        let usable = "was built once when the endpoint was bound";
        let flow = transport.quinn(transport.client_window_bytes, transport.window_bytes);
        let mut flow = flow.expect(usable);
        flow.max_concurrent_bidi_streams(calls_max.into())
            .max_concurrent_uni_streams(LINK_STREAMS_MAX.into());
        let token_key = env.crypto.token_key(&Digest(env.random()));
        let mut config = quinn::ServerConfig::new(tls.server().expect(usable), token_key);
        config
            .transport_config(Arc::new(flow))
            .time_source(Arc::new(WallClock(env.clock.clone())))
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
        quinn.set_server_config(Some(config));
    }

    /// How to dial a peer and resume sessions with it. SessionTickets are good for connections that are dialled with what this
    /// gives, and for no others.
    pub(crate) fn resumption(&self, peer: &Peer) -> Resumption {
        let tickets = Arc::<SessionTickets>::default();
        let tls = self.inner.tls.resuming_client(&peer.expect, tickets.clone());
        Resumption { tls: tls.expect("was built once when the endpoint was bound"), tickets }
    }

    /// A new connection to this peer, whose key is the expected one. Nothing is resumed.
    pub(crate) async fn dial(&self, peer: &Peer) -> Result<Connection, DialError> {
        let tls = self.inner.tls.client(&peer.expect).expect("was built once when the endpoint was bound");
        self.established(peer, self.connect(peer, tls)?).await
    }

    /// As [`Self::dial`], resuming a session if there is one.
    pub(crate) async fn dial_again(
        &self,
        peer: &Peer,
        resumption: &Resumption,
    ) -> Result<Connection, DialError> {
        self.established(peer, self.connect(peer, resumption.tls.clone())?).await
    }

    /// A connection that can be used at once, before its handshake is over, if there is a session to resume.
    pub(crate) fn dial_early(&self, peer: &Peer, resumption: &Resumption) -> Option<EarlyConnection> {
        if resumption.tickets.is_empty() {
            return None;
        }
        let connecting = self.connect(peer, resumption.tls.clone()).ok()?;
        let (quinn, accepted) = connecting.into_0rtt().ok()?;
        Some(EarlyConnection { quinn, accepted })
    }

    /// Waits until an early connection's handshake is over: who is there, and whether what was sent before was accepted.
    pub(crate) async fn complete(
        &self,
        peer: &Peer,
        early: EarlyConnection,
    ) -> Result<(Connection, bool), DialError> {
        let EarlyConnection { quinn, accepted } = early;
        let (addr, timeout) = (peer.addr, self.inner.transport.dial_timeout);
        let Ok(accepted) = tokio::time::timeout(timeout, accepted).await else {
            Close::Done.connection(&quinn, "the handshake took too long");
            return Err(DialError::Timeout { addr, timeout });
        };
        match quinn.close_reason() {
            Some(error) => Err(dial_error(addr, timeout, error)),
            None => Ok((identified(peer, quinn)?, accepted)),
        }
    }

    async fn established(&self, peer: &Peer, connecting: Connecting) -> Result<Connection, DialError> {
        let (addr, timeout) = (peer.addr, self.inner.transport.dial_timeout);
        match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok(connection)) => identified(peer, connection),
            Ok(Err(error)) => Err(dial_error(addr, timeout, error)),
            Err(_) => Err(DialError::Timeout { addr, timeout }),
        }
    }

    fn connect(&self, peer: &Peer, tls: Arc<QuicClientConfig>) -> Result<Connecting, DialError> {
        let Inner { env, quinn, transport, .. } = &*self.inner;
        let addr = peer.addr;
        let flow = transport.quinn(transport.window_bytes, transport.stream_window_bytes);
        let flow = flow.expect("was built once when the endpoint was bound");
        let mut config = quinn::ClientConfig::new(tls);
        let entropy = env.entropy.clone();
        config
            .transport_config(Arc::new(flow))
            .token_store(Arc::new(quinn::NoneTokenStore))
            .initial_dst_cid_provider(Arc::new(move || random_connection_id::<16>(&*entropy)));
        let connecting = quinn.connect_with(config, SocketAddr::V6(addr), SERVER_NAME);
        connecting.map_err(|error| DialError::Local { addr, reason: error.to_string() })
    }
}

/// How to dial one peer, with the tickets that it has given.
pub(crate) struct Resumption {
    tls: Arc<QuicClientConfig>,
    pub(crate) tickets: Arc<SessionTickets>,
}

/// A connection whose handshake is not over.
pub(crate) struct EarlyConnection {
    pub(crate) quinn: quinn::Connection,
    accepted: quinn::ZeroRttAccepted,
}

/// The connection, with who is there, who must be the one who was expected. TLS has checked that, of this or of the
/// resumed connection; this is the second time.
fn identified(peer: &Peer, quinn: quinn::Connection) -> Result<Connection, DialError> {
    let addr = peer.addr;
    let Some(connection) = Connection::identified(quinn) else {
        return Err(DialError::Refused { addr, reason: "it presented no key".into() });
    };
    if peer.expect.admits(&connection.key) {
        return Ok(connection);
    }
    Close::Done.connection(&connection.quinn, "not the key that was expected");
    Err(DialError::WrongKey { addr })
}

fn dial_error(addr: SocketAddrV6, timeout: Duration, error: ConnectionError) -> DialError {
    match error {
        ConnectionError::TimedOut => DialError::Timeout { addr, timeout },
        ConnectionError::TransportError(error) if u64::from(error.code) == WRONG_KEY => {
            DialError::WrongKey { addr }
        }
        error => DialError::Refused { addr, reason: error.to_string() },
    }
}

/// The name that clients put where TLS wants one. It is never sent and never checked.
const SERVER_NAME: &str = "stoq";
/// The reset key stays the same over restarts, so that peers learn at once that a connection is gone.
const RESET_KEY: Domain = Domain::new("hypermesh v1 stoq stateless reset key");
/// A validator has one stream for each class of message.
const LINK_STREAMS_MAX: u32 = 2;
/// Handshakes that were not looked at yet; past it, attempts go unanswered.
const INCOMING_MAX: usize = 1024;
/// Bytes kept of a handshake that was not looked at yet.
const INCOMING_BYTES_MAX: u64 = 16 << 10;
/// Bytes kept of all handshakes that were not looked at yet.
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;
/// QUIC's code for the TLS alert `access_denied` (RFC 9001 §4.8, RFC 8446 §6), with which our own verifier
/// refuses a key that is not the expected one.
const WRONG_KEY: u64 = 0x100 + 49;
