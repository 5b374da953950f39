//! The records by which a TLS server's key is found in the DNS (RFC 6698, RFC 7671).
//!
//! Always usage 3 (this server's own key), selector 1 (its SubjectPublicKeyInfo), matching type 1 (SHA-256):
//! it outlives a renewal with the same key, and needs no chain.

use super::RecordData;
use crate::trustchain::{DomainName, InvalidName};
use core::fmt;
use sha2::{Digest, Sha256};

/// The protocol under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsaProtocol {
    /// TLS over TCP.
    Tcp,
    /// DTLS, and QUIC.
    Udp,
}

impl fmt::Display for TlsaProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// The TLSA record `3 1 1` of a key, given as the DER of its SubjectPublicKeyInfo.
#[must_use]
pub fn tlsa_for_key(subject_public_key_info: &[u8]) -> RecordData {
    RecordData::Tlsa {
        usage: 3,
        selector: 1,
        matching: 1,
        data: Sha256::digest(subject_public_key_info).to_vec(),
    }
}

/// The name that the record stands at: `_443._tcp.` before the server's name.
///
/// # Errors
/// If the result would be too long for a name.
pub fn tlsa_name(port: u16, protocol: TlsaProtocol, name: &DomainName) -> Result<DomainName, InvalidName> {
    name.child(&alloc::format!("_{port}._{protocol}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_record_of_a_key_is_pinned() {
        let expected = "3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(tlsa_for_key(b"").to_string(), expected);
        assert_eq!(tlsa_for_key(b"").check(), Ok(()));
    }

    #[test]
    fn the_record_stands_below_the_servers_name() {
        let name: DomainName = "web.demo.hypermesh".parse().unwrap();
        let at = tlsa_name(443, TlsaProtocol::Tcp, &name).unwrap();
        assert_eq!(at.as_str(), "_443._tcp.web.demo.hypermesh");
        let longest: DomainName = ["a".repeat(63).as_str(); 3].join(".").parse().unwrap();
        assert!(tlsa_name(443, TlsaProtocol::Udp, &longest).is_ok());
        assert!(tlsa_name(443, TlsaProtocol::Udp, &longest.child(&"b".repeat(52)).unwrap()).is_err());
    }
}
