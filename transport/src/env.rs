//! Everything that a node takes from its surroundings, as trait objects: the only difference between the real
//! node and the simulated one. What is not in [`Env`] is not ambient: time passes by tokio's clock, which the
//! simulator pauses, and tasks run on the tokio runtime that they are spawned from.

use crate::identity::Identity;
use hypermesh_base::{Digest, Entropy, Now};
use quinn::crypto::{HandshakeTokenKey, HmacKey};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::quic::Suite;
use std::fmt;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a node takes from its surroundings.
#[derive(Clone)]
pub struct Env {
    /// Where datagrams go.
    pub net: Arc<dyn Net>,
    /// Where random bytes come from.
    pub entropy: Arc<dyn SharedEntropy>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How packets are protected.
    pub crypto: Arc<dyn CryptoSuite>,
    /// Who this node is.
    pub identity: Identity,
}

/// Binds UDP sockets.
pub trait Net: Send + Sync + 'static {
    /// A socket bound to `addr`; port 0 asks for any free port.
    ///
    /// # Errors
    /// If the address is taken or is not this machine's.
    fn bind(&self, addr: SocketAddrV6) -> std::io::Result<Arc<dyn AsyncUdpSocket>>;

    /// The runtime on which QUIC's own tasks and timers run.
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }
}

/// Random bytes for many tasks at once.
pub trait SharedEntropy: Send + Sync + 'static {
    /// Fills `buffer` with bytes that nobody else can predict.
    fn fill(&self, buffer: &mut [u8]);
}

/// The node's two clocks.
pub trait Clock: Send + Sync + 'static {
    /// What both clocks show.
    fn now(&self) -> Now;
}

/// The cryptography of a connection. A suite draws its own randomness; the one of the simulator draws it from
/// the seed.
///
/// `stoq/1` negotiates nothing: a provider lists one cipher suite and one key exchange group, so there is
/// nothing to be talked down to.
pub trait CryptoSuite: Send + Sync + 'static {
    /// What TLS is made of. Both ends must list one cipher suite and one group, the same ones.
    fn provider(&self) -> Arc<CryptoProvider>;

    /// The suite that QUIC fixes for its first packets, AES-128-GCM with SHA-256 (RFC 9001 §5.2).
    fn initial_suite(&self) -> Suite;

    /// The key that stateless resets are made with (RFC 9000 §10.3). The secret is the same after a restart.
    fn reset_key(&self, secret: &Digest) -> Arc<dyn HmacKey>;

    /// The key that address validation tokens are made with (RFC 9000 §8.1).
    fn token_key(&self, secret: &Digest) -> Arc<dyn HandshakeTokenKey>;
}

impl Env {
    /// `N` random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// A duration drawn evenly from the upper half of `duration`, so that peers that failed together do not
    /// try again together.
    pub(crate) fn jittered(&self, duration: Duration) -> Duration {
        let half = duration / 2;
        let drawn = u64::from(u32::from_le_bytes(self.random()));
        let micros = u64::try_from(half.as_micros()).unwrap_or(u64::MAX >> 32).min(u64::MAX >> 32);
        half + Duration::from_micros((micros * drawn) >> 32)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Env").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A [`SharedEntropy`] as the [`Entropy`] that the core asks for.
pub struct CoreEntropy(pub Arc<dyn SharedEntropy>);

impl Entropy for CoreEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }
}

/// The wall clock as TLS and QUIC ask for it.
pub(crate) struct WallClock(pub(crate) Arc<dyn Clock>);

impl WallClock {
    fn since_epoch(&self) -> Duration {
        Duration::from_millis(self.0.now().wall.0)
    }
}

impl rustls::time_provider::TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.since_epoch()))
    }
}

impl quinn::TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.since_epoch()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WallClock")
    }
}
