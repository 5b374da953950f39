//! Where a service listens: a port and its transport.

use crate::trustchain::dns::TlsaProtocol;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// A port and its transport, as in `_443._tcp` (RFC 6698 §3).
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct ServicePort {
    /// The port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
}

/// A transport that a TLSA record can be published for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP, QUIC among others.
    Udp,
}

impl Protocol {
    /// As it stands in a name, without the underscore.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl From<Protocol> for TlsaProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.port, self.protocol.name())
    }
}

/// A text that is no service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a port and its transport, as in 443/tcp or 853/udp")]
pub struct InvalidServicePort;

impl FromStr for ServicePort {
    type Err = InvalidServicePort;

    fn from_str(text: &str) -> Result<Self, InvalidServicePort> {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let port = port.parse().map_err(|_| InvalidServicePort)?;
        match protocol {
            "tcp" => Ok(Self { port, protocol: Protocol::Tcp }),
            "udp" => Ok(Self { port, protocol: Protocol::Udp }),
            _ => Err(InvalidServicePort),
        }
    }
}
