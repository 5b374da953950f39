//! The real surroundings: UDP sockets of the operating system, its random numbers, its clocks, and aws-lc-rs.

use crate::env::{Clock, CryptoSuite, Env, Net, SharedEntropy};
use crate::identity::Identity;
use aws_lc_rs::{hkdf, hmac};
use hypermesh_base::{Digest, Mono, Now, UnixMillis};
use quinn::AsyncUdpSocket;
use quinn::crypto::{HandshakeTokenKey, HmacKey};
use quinn::udp::UdpSocketState;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::quic::Suite;
use std::net::{SocketAddrV6, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

impl Env {
    /// The operating system's network, random numbers and clocks, and aws-lc-rs, for a node with this identity.
    ///
    /// Must be called from within a tokio runtime with time and input/output enabled.
    #[must_use]
    pub fn real(identity: Identity) -> Self {
        Self {
            net: Arc::new(UdpNet),
            entropy: Arc::new(SystemEntropy),
            clock: Arc::new(SystemClock { start: Instant::now() }),
            crypto: Arc::new(AwsLc),
            identity,
        }
    }
}

/// The operating system's UDP.
struct UdpNet;

impl Net for UdpNet {
    fn bind(&self, addr: SocketAddrV6) -> std::io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = UdpSocket::bind(addr)?;
        let state = UdpSocketState::new((&socket).into())?;
        // The kernel's default holds some hundred datagrams, less than one large block. Where the kernel
        // allows less than this, the transport is slower and still right.
        for result in [
            state.set_recv_buffer_size((&socket).into(), SOCKET_BYTES),
            state.set_send_buffer_size((&socket).into(), SOCKET_BYTES),
        ] {
            if let Err(error) = result {
                tracing::debug!(%error, "the kernel refuses larger socket buffers");
            }
        }
        self.runtime().wrap_udp_socket(socket)
    }
}

/// The operating system's random numbers.
struct SystemEntropy;

impl SharedEntropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the operating system gives random bytes");
    }
}

/// The operating system's clocks.
struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Both clocks, read so close to each other that what lies between is no jump. A thread may be held up there.
    fn read(&self) -> (Duration, Duration) {
        let mut mono = self.start.elapsed();
        for _ in 0..READ_COUNT_MAX {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let after = self.start.elapsed();
            if after.saturating_sub(mono) <= READING_APART_MAX {
                return (mono, wall);
            }
            mono = after;
        }
        (mono, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let (mono, wall) = self.read();
        let (mono, wall) = (mono.as_micros(), wall.as_millis());
        Now {
            mono: Mono(u64::try_from(mono).unwrap_or(u64::MAX)),
            wall: UnixMillis(u64::try_from(wall).unwrap_or(u64::MAX)),
        }
    }
}

/// AES-256-GCM with SHA-384, and the hybrid of X25519 and ML-KEM-768, by aws-lc-rs.
struct AwsLc;

impl CryptoSuite for AwsLc {
    fn provider(&self) -> Arc<CryptoProvider> {
        Arc::new(CryptoProvider {
            cipher_suites: vec![provider::cipher_suite::TLS13_AES_256_GCM_SHA384],
            kx_groups: vec![provider::kx_group::X25519MLKEM768],
            ..provider::default_provider()
        })
    }

    fn initial_suite(&self) -> Suite {
        let suite = provider::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13();
        suite.and_then(rustls::Tls13CipherSuite::quic_suite).expect("aws-lc-rs knows QUIC's first suite")
    }

    fn reset_key(&self, secret: &Digest) -> Arc<dyn HmacKey> {
        Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    fn token_key(&self, secret: &Digest) -> Arc<dyn HandshakeTokenKey> {
        Arc::new(hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret.as_bytes()))
    }
}

/// The clocks are read anew if more than this passed between them.
const READING_APART_MAX: Duration = Duration::from_millis(50);
/// So often at most.
const READ_COUNT_MAX: u32 = 16;

/// What is asked of the kernel for each direction of a socket.
const SOCKET_BYTES: usize = 4 << 20;
