//! Who is at the other end: whom to expect, who it turned out to be, and why there is nobody.

use crate::identity::{shown_key, spki_hash};
use hypermesh_base::{Digest, PublicKey};
use rustls::pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::net::{SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

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
    /// One whose SubjectPublicKeyInfo has one of these SHA-256 hashes: what TLSA records say of a service.
    AnyOfHashes(Arc<BTreeSet<Digest>>),
    /// Whoever answers: only for what proves itself, such as a genesis whose hash is known.
    Anyone,
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
    #[error("cannot dial {addr} from this machine: {reason}")]
    Local {
        /// Who was to be dialled.
        addr: SocketAddrV6,
        /// Why not.
        reason: String,
    },
}

impl Expect {
    /// Whether a peer with this key may answer.
    #[must_use]
    pub fn admits(&self, key: &PublicKey) -> bool {
        match self {
            Self::Key(expected) => expected == key,
            Self::AnyOf(expected) => expected.contains(key),
            Self::AnyOfHashes(expected) => expected.contains(&spki_hash(key)),
            Self::Anyone => true,
        }
    }

    pub(super) fn nobody() -> Self {
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
