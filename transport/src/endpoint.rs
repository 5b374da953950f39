//! One UDP socket that serves and dials: a node needs one port.

use crate::close::Close;
use crate::env::{Env, SharedEntropy, WallClock};
use crate::identity::shown_key;
use crate::tls::Tls;
use hypermesh_core::base::{Digest, Domain, PublicKey};
use quinn::{ConnectionError, ConnectionId, ConnectionIdGenerator, IdleTimeout, VarInt};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
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
}

/// How connections behave, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// A connection that hears nothing for this long is lost.
    pub idle_timeout: Duration,
    /// A connection with nothing to say says so this often. Well below the idle timeout.
    pub keep_alive: Duration,
    /// A handshake that takes longer has failed.
    pub dial_timeout: Duration,
    /// The round trip that is assumed until one is measured.
    pub initial_rtt: Duration,
    /// Bytes in flight, each way, of a connection to a server or with a validator.
    pub window_bytes: u32,
    /// Bytes in flight, each way, of a connection that a client opened. Bounds what clients cost in memory.
    pub client_window_bytes: u32,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_millis(1500),
            dial_timeout: Duration::from_secs(2),
            initial_rtt: Duration::from_millis(50),
            window_bytes: 16 << 20,
            client_window_bytes: 1 << 20,
        }
    }
}

/// Whom to dial.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Where.
    pub addr: SocketAddrV6,
    /// Who must answer there.
    pub expect: Expect,
}

/// Which key the peer must prove to hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Expect {
    /// This one.
    Key(PublicKey),
    /// One of these: any validator of a mesh, say.
    AnyOf(Arc<BTreeSet<PublicKey>>),
}

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

/// Why there is no connection to a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// Nobody answered in time.
    #[error("no answer from {addr} within {timeout:?}")]
    Timeout {
        /// Who was dialled.
        addr: SocketAddrV6,
        /// How long an answer was waited for.
        timeout: Duration,
    },
    /// Whoever answers there does not hold the expected key.
    #[error("the node at {addr} does not hold the expected key")]
    WrongKey {
        /// Who was dialled.
        addr: SocketAddrV6,
    },
    /// The peer refused, or what answers does not speak `stoq/1`.
    #[error("{addr} refused the connection: {reason}")]
    Refused {
        /// Who was dialled.
        addr: SocketAddrV6,
        /// What was given as the reason.
        reason: String,
    },
    /// This endpoint cannot dial there: it is closed, or the address is not one to dial.
    #[error("cannot dial {addr} from here: {reason}")]
    Local {
        /// Who was to be dialled.
        addr: SocketAddrV6,
        /// Why not.
        reason: String,
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
        drop(transport.quinn(transport.client_window_bytes)?);

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
        Ok(Self { inner: Arc::new(Inner { env, quinn, tls, transport }) })
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

    pub(crate) fn env(&self) -> &Env {
        &self.inner.env
    }

    pub(crate) fn quinn(&self) -> &quinn::Endpoint {
        &self.inner.quinn
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.inner.tls
    }

    pub(crate) fn transport(&self) -> &TransportConfig {
        &self.inner.transport
    }

    /// Lets clients in from now on, each with at most this many calls at once.
    pub(crate) fn accept_calls(&self, calls_max: u32, handshakes_max: usize) {
        let Inner { env, quinn, tls, transport } = &*self.inner;
        let usable = "was built once when the endpoint was bound";
        let mut flow = transport.quinn(transport.client_window_bytes).expect(usable);
        flow.max_concurrent_bidi_streams(calls_max.into())
            .max_concurrent_uni_streams(LINK_STREAMS_MAX.into());
        let token_key = env.crypto.token_key(&Digest(env.random()));
        let mut config = quinn::ServerConfig::new(tls.server().expect(usable), token_key);
        config
            .transport_config(Arc::new(flow))
            .time_source(Arc::new(WallClock(env.clock.clone())))
            .max_incoming(handshakes_max)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
        quinn.set_server_config(Some(config));
    }

    /// A new connection to this peer, whose key is the expected one.
    pub(crate) async fn dial(&self, peer: &Peer) -> Result<Connection, DialError> {
        let Inner { env, quinn, tls, transport } = &*self.inner;
        let addr = peer.addr;
        let usable = "was built once when the endpoint was bound";
        let mut config = quinn::ClientConfig::new(tls.client(&peer.expect).expect(usable));
        let entropy = env.entropy.clone();
        config
            .transport_config(Arc::new(transport.quinn(transport.window_bytes).expect(usable)))
            .token_store(Arc::new(quinn::NoneTokenStore))
            .initial_dst_cid_provider(Arc::new(move || random_connection_id::<16>(&*entropy)));
        let connecting = quinn.connect_with(config, SocketAddr::V6(addr), SERVER_NAME);
        let connecting = connecting.map_err(|error| DialError::Local { addr, reason: error.to_string() })?;
        let timeout = transport.dial_timeout;
        match tokio::time::timeout(timeout, connecting).await {
            Ok(Ok(connection)) => Connection::identified(connection)
                .ok_or_else(|| DialError::Refused { addr, reason: "it showed no key".into() }),
            Ok(Err(ConnectionError::TimedOut)) | Err(_) => Err(DialError::Timeout { addr, timeout }),
            Ok(Err(ConnectionError::TransportError(error))) if u64::from(error.code) == WRONG_KEY => {
                Err(DialError::WrongKey { addr })
            }
            Ok(Err(error)) => Err(DialError::Refused { addr, reason: error.to_string() }),
        }
    }
}

impl TransportConfig {
    fn quinn(&self, window_bytes: u32) -> Result<quinn::TransportConfig, BindError> {
        let idle_timeout = IdleTimeout::try_from(self.idle_timeout);
        let idle_timeout = idle_timeout.map_err(|_| BindError::Config { field: "idle_timeout" })?;
        let mut config = quinn::TransportConfig::default();
        config
            .max_idle_timeout(Some(idle_timeout))
            .keep_alive_interval(Some(self.keep_alive))
            .initial_rtt(self.initial_rtt)
            .stream_receive_window(self.window_bytes.into())
            .receive_window(window_bytes.into())
            .send_window(u64::from(window_bytes))
            .datagram_receive_buffer_size(None)
            // Whoever we dial has no call to open streams towards us.
            .max_concurrent_bidi_streams(0_u32.into())
            .max_concurrent_uni_streams(0_u32.into());
        Ok(config)
    }
}

impl Expect {
    /// Whether a peer with this key may answer.
    #[must_use]
    pub fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::Key(expected) => expected == key,
            Self::AnyOf(expected) => expected.contains(key),
        }
    }

    fn nobody() -> Self {
        Self::AnyOf(Arc::default())
    }
}

/// A connection, and who is at its other end.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) quinn: quinn::Connection,
    pub(crate) key: PublicKey,
}

impl Connection {
    /// The connection with the key that its peer proved to hold; `None` if it showed none.
    pub(crate) fn identified(quinn: quinn::Connection) -> Option<Self> {
        let certificates = quinn.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        let key = shown_key(&certificates).ok()?;
        Some(Self { quinn, key })
    }
}

/// An address as IPv6; an IPv4 one in its mapped form (RFC 4291 §2.5.5.2).
pub(crate) fn ipv6(addr: SocketAddr) -> SocketAddrV6 {
    match addr {
        SocketAddr::V6(addr) => addr,
        SocketAddr::V4(addr) => SocketAddrV6::new(addr.ip().to_ipv6_mapped(), addr.port(), 0, 0),
    }
}

/// Connection ids that are nothing but random (RFC 9000 §5.1 wants no more).
struct RandomConnectionIds {
    entropy: Arc<dyn SharedEntropy>,
}

impl ConnectionIdGenerator for RandomConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        random_connection_id::<8>(&*self.entropy)
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn random_connection_id<const N: usize>(entropy: &dyn SharedEntropy) -> ConnectionId {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    ConnectionId::new(&bytes)
}

/// The name that clients put where TLS wants one. It is never sent and never checked.
const SERVER_NAME: &str = "stoq";
/// The reset key stays the same over restarts, so that peers learn at once that a connection is gone.
const RESET_KEY: Domain = Domain::new("hypermesh v1 stoq stateless reset key");
/// A validator has one stream for each class of message.
const LINK_STREAMS_MAX: u32 = 2;
/// Bytes kept of a handshake that was not looked at yet.
const INCOMING_BYTES_MAX: u64 = 16 << 10;
/// Bytes kept of all handshakes that were not looked at yet.
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;
/// QUIC's code for the TLS alert `access_denied` (RFC 9001 §4.8, RFC 8446 §6), with which our own verifier
/// refuses a key that is not the expected one.
const WRONG_KEY: u64 = 0x100 + 49;
