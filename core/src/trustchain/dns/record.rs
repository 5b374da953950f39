//! The data of one record.
//!
//! [`RecordData::check`] looks at one record alone. Whether a target exists, who owns a name and what the policy allows
//! is decided elsewhere.

use super::{Octets, RecordType, SvcbParameters, UnknownType};
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// The most octets that a record's data takes on the wire, names uncompressed.
pub const RECORD_BYTES_MAX: usize = 1024;
/// The most octets in one string of a record, and in one ALPN identifier (RFC 1035 §3.3).
pub const CHARACTER_STRING_BYTES_MAX: usize = 255;
/// The most characters in the tag of a CAA record (what RFC 6844 §5.1 advised).
pub const CAA_TAG_BYTES_MAX: usize = 15;

/// The data of one record.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(tag = "type", content = "data", rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Where a service runs.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// The share of the load among targets of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host; none, written ".", says that there is decidedly no such service.
        target: Option<DomainName>,
    },
    /// Where a service runs and how to speak with it.
    Svcb {
        /// Lower is tried first; 0 makes the record an alias (RFC 9460 §2.4.1).
        priority: u16,
        /// The host; none, written ".", is the record's own name, or in an alias that there is no service.
        target: Option<DomainName>,
        /// How to speak with it; none in an alias.
        parameters: SvcbParameters,
    },
    /// Text, in one or more strings.
    Txt(Vec<Octets>),
    /// The key or certificate of a TLS server.
    Tlsa {
        /// 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE.
        usage: u8,
        /// 0 the whole certificate, 1 its SubjectPublicKeyInfo.
        selector: u8,
        /// 0 the bytes, 1 their SHA-256, 2 their SHA-512.
        matching: u8,
        /// The bytes or their hash.
        #[serde(with = "hexadecimal")]
        data: Vec<u8>,
    },
    /// The name that this one is an alias of.
    Cname(DomainName),
    /// Who may issue certificates.
    Caa {
        /// Whether an issuer that does not know the tag must refuse.
        critical: bool,
        /// `issue`, `issuewild`, `iodef` or another in lower-case letters and digits.
        tag: String,
        /// The tag's value.
        value: Octets,
    },
    /// The name of an address.
    Ptr(DomainName),
    /// The start of a zone.
    Soa(Soa),
    /// A name server of the zone.
    Ns(DomainName),
    /// Where mail goes.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// The mail server; none, written ".", says that there is decidedly no mail (RFC 7505).
        exchange: Option<DomainName>,
    },
    /// Where and how a web server is reached: as [`Self::Svcb`], for the scheme `https` (RFC 9460 §9).
    Https {
        /// Lower is tried first; 0 makes the record an alias.
        priority: u16,
        /// The host; none, written ".", is the record's own name, or in an alias that there is no service.
        target: Option<DomainName>,
        /// How to speak with it; none in an alias.
        parameters: SvcbParameters,
    },
    /// The fingerprint of an SSH host's key.
    Sshfp {
        /// The key's algorithm: 1 RSA, 2 DSA, 3 ECDSA, 4 Ed25519, 6 Ed448.
        algorithm: u8,
        /// 1 SHA-1, 2 SHA-256.
        fingerprint_type: u8,
        /// The hash of the key.
        #[serde(with = "hexadecimal")]
        fingerprint: Vec<u8>,
    },
    /// A rule that rewrites a name.
    Naptr {
        /// Lower is tried first.
        order: u16,
        /// Lower is tried first among rules of one order.
        preference: u16,
        /// What is looked up next, in letters and digits.
        flags: Octets,
        /// The services that the rule is for.
        services: Octets,
        /// The substitution, or nothing.
        regexp: Octets,
        /// The name that is next, or none, written ".".
        replacement: Option<DomainName>,
    },
    /// Data of a type that has no fields here, written `\# LENGTH HEX` (RFC 3597 §5).
    Unknown {
        /// The type.
        #[serde(rename = "type")]
        record_type: UnknownType,
        /// The data, as it is on the wire. Nothing in it is looked at.
        #[serde(with = "hexadecimal")]
        data: Vec<u8>,
    },
}

/// The start of a zone (RFC 1035 §3.3.13).
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub struct Soa {
    /// The zone's primary server.
    pub primary: DomainName,
    /// The mailbox of who is responsible, its `@` written as a dot.
    pub responsible: DomainName,
    /// The version of the zone.
    pub serial: u32,
    /// How often a secondary asks for a newer version.
    pub refresh_seconds: u32,
    /// How soon it asks again after a failure.
    pub retry_seconds: u32,
    /// How long it goes on answering without the primary.
    pub expire_seconds: u32,
    /// How long the absence of a name or type may be remembered (RFC 2308 §4).
    pub negative_ttl_seconds: u32,
}

impl RecordData {
    /// The record's type.
    #[must_use]
    pub const fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Srv { .. } => RecordType::Srv,
            Self::Svcb { .. } => RecordType::Svcb,
            Self::Txt(_) => RecordType::Txt,
            Self::Tlsa { .. } => RecordType::Tlsa,
            Self::Cname(_) => RecordType::Cname,
            Self::Caa { .. } => RecordType::Caa,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Soa(_) => RecordType::Soa,
            Self::Ns(_) => RecordType::Ns,
            Self::Mx { .. } => RecordType::Mx,
            Self::Https { .. } => RecordType::Https,
            Self::Sshfp { .. } => RecordType::Sshfp,
            Self::Naptr { .. } => RecordType::Naptr,
            Self::Unknown { record_type, .. } => record_type.record_type(),
        }
    }

    /// The name of another host that a client will want the addresses of.
    #[must_use]
    pub const fn target(&self) -> Option<&DomainName> {
        match self {
            Self::Srv { target, .. }
            | Self::Svcb { target, .. }
            | Self::Https { target, .. }
            | Self::Mx { exchange: target, .. } => target.as_ref(),
            Self::Ns(target) => Some(target),
            _ => None,
        }
    }

    /// How many octets the data takes on the wire, names uncompressed.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        match self {
            Self::A(_) => 4,
            Self::Aaaa(_) => 16,
            Self::Srv { target, .. } => 6 + target_bytes(target.as_ref()),
            Self::Svcb { target, parameters, .. } | Self::Https { target, parameters, .. } => {
                2 + target_bytes(target.as_ref()) + parameters.wire_bytes()
            }
            Self::Txt(strings) => strings.iter().map(string_bytes).sum(),
            Self::Tlsa { data, .. } => 3 + data.len(),
            Self::Caa { tag, value, .. } => 2 + tag.len() + value.0.len(),
            Self::Soa(soa) => 20 + target_bytes(Some(&soa.primary)) + target_bytes(Some(&soa.responsible)),
            Self::Cname(target) | Self::Ptr(target) | Self::Ns(target) => target_bytes(Some(target)),
            Self::Mx { exchange, .. } => 2 + target_bytes(exchange.as_ref()),
            Self::Sshfp { fingerprint, .. } => 2 + fingerprint.len(),
            Self::Naptr { flags, services, regexp, replacement, .. } => {
                let strings: usize = [flags, services, regexp].into_iter().map(string_bytes).sum();
                4 + strings + target_bytes(replacement.as_ref())
            }
            Self::Unknown { data, .. } => data.len(),
        }
    }
}

const fn string_bytes(string: &Octets) -> usize {
    1 + string.0.len()
}

fn target_bytes(target: Option<&DomainName>) -> usize {
    target.map_or(1, |name| name.as_str().len() + 2)
}

mod hexadecimal {
    use alloc::string::String;
    use alloc::vec::Vec;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        hex::decode(text).map_err(|_| serde::de::Error::custom("expected hexadecimal digits"))
    }
}
