//! The data of one record, and what it may hold.
//!
//! Checks here look at one record alone. Whether a target exists, who owns a name and what the policy allows
//! is decided elsewhere.

use super::{Octets, RecordType, SVCB_VALUES_MAX, SvcbParameters};
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// The most octets that a record's data takes on the wire, names uncompressed.
pub const RECORD_BYTES_MAX: usize = 1024;
/// The most octets in one string of a TXT record, and in one ALPN identifier (RFC 1035 §3.3).
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

/// What is wrong with the data of a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordDataFault {
    /// Too much of it.
    #[error("the record takes {bytes} bytes where at most {RECORD_BYTES_MAX} are allowed")]
    TooLong {
        /// How many bytes it takes on the wire.
        bytes: usize,
    },
    /// A TXT record without strings.
    #[error("a TXT record needs at least one string, which may be empty")]
    NoStrings,
    /// A string of a TXT record that is too long.
    #[error("a string of {bytes} bytes where a TXT record allows {CHARACTER_STRING_BYTES_MAX}: split it")]
    StringTooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A field of a TLSA record that has no meaning.
    #[error("TLSA needs a usage from 0 to 3, a selector of 0 or 1 and a matching type from 0 to 2")]
    TlsaField,
    /// TLSA data whose length its matching type does not have.
    #[error(
        "TLSA data has {bytes} bytes, which its matching type does not: 1 has 32, 2 has 64, 0 at least 1"
    )]
    TlsaData {
        /// How long it is.
        bytes: usize,
    },
    /// A CAA tag that is not lower-case letters and digits.
    #[error("a CAA tag has 1 to {CAA_TAG_BYTES_MAX} lower-case letters and digits, such as issue")]
    CaaTag,
    /// An alias with parameters.
    #[error("an SVCB record of priority 0 is an alias and has no parameters")]
    SvcbAlias,
    /// A parameter with too many values.
    #[error("a parameter of an SVCB record has more than {SVCB_VALUES_MAX} values")]
    SvcbValues,
    /// An ALPN identifier that is empty, too long or not plain.
    #[error("an ALPN identifier is visible ASCII without quote, comma and backslash, such as h3 or stoq/1")]
    SvcbAlpn,
    /// `no-default-alpn` by itself.
    #[error("no-default-alpn needs alpn to say what is spoken instead")]
    SvcbNoDefaultAlpn,
    /// `mandatory` out of order, with repetitions, or with a parameter that is not there.
    #[error("mandatory lists each parameter once, in order, and only such as the record has")]
    SvcbMandatory,
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
        }
    }

    /// Whether the data has a meaning and keeps to the bounds.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), RecordDataFault> {
        let bytes = self.wire_bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(RecordDataFault::TooLong { bytes });
        }
        match self {
            Self::Txt(strings) => check_strings(strings),
            Self::Tlsa { usage, selector, matching, data } => {
                check_tlsa(*usage, *selector, *matching, data.len())
            }
            Self::Caa { tag, .. } => {
                let plain = tag.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                let usable = plain && (1..=CAA_TAG_BYTES_MAX).contains(&tag.len());
                if usable { Ok(()) } else { Err(RecordDataFault::CaaTag) }
            }
            Self::Svcb { priority: 0, parameters, .. } => {
                if *parameters == SvcbParameters::default() {
                    Ok(())
                } else {
                    Err(RecordDataFault::SvcbAlias)
                }
            }
            Self::Svcb { parameters, .. } => parameters.check(),
            Self::A(_) | Self::Aaaa(_) | Self::Srv { .. } => Ok(()),
            Self::Cname(_) | Self::Ptr(_) | Self::Ns(_) | Self::Soa(_) => Ok(()),
        }
    }

    /// The name of another host that a client will want the addresses of.
    #[must_use]
    pub const fn target(&self) -> Option<&DomainName> {
        match self {
            Self::Srv { target, .. } | Self::Svcb { target, .. } => target.as_ref(),
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
            Self::Svcb { target, parameters, .. } => {
                2 + target_bytes(target.as_ref()) + parameters.wire_bytes()
            }
            Self::Txt(strings) => strings.iter().map(|string| 1 + string.0.len()).sum(),
            Self::Tlsa { data, .. } => 3 + data.len(),
            Self::Caa { tag, value, .. } => 2 + tag.len() + value.0.len(),
            Self::Soa(soa) => 20 + target_bytes(Some(&soa.primary)) + target_bytes(Some(&soa.responsible)),
            Self::Cname(target) | Self::Ptr(target) | Self::Ns(target) => target_bytes(Some(target)),
        }
    }
}

fn check_strings(strings: &[Octets]) -> Result<(), RecordDataFault> {
    if strings.is_empty() {
        return Err(RecordDataFault::NoStrings);
    }
    match strings.iter().find(|string| string.0.len() > CHARACTER_STRING_BYTES_MAX) {
        Some(string) => Err(RecordDataFault::StringTooLong { bytes: string.0.len() }),
        None => Ok(()),
    }
}

const fn check_tlsa(usage: u8, selector: u8, matching: u8, bytes: usize) -> Result<(), RecordDataFault> {
    if usage > 3 || selector > 1 {
        return Err(RecordDataFault::TlsaField);
    }
    match (matching, bytes) {
        (0, 1..) | (1, 32) | (2, 64) => Ok(()),
        (0..=2, _) => Err(RecordDataFault::TlsaData { bytes }),
        _ => Err(RecordDataFault::TlsaField),
    }
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
