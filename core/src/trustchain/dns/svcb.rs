//! How to speak with a service: the parameters of an SVCB record (RFC 9460).
//!
//! Those of the standard's first set are held, but for Encrypted Client Hello, which nothing here speaks.

use super::{CHARACTER_STRING_BYTES_MAX, RecordDataFault};
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::net::{Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// The most values of one parameter of an SVCB record.
pub const SVCB_VALUES_MAX: usize = 16;

/// How to speak with a service (RFC 9460 §7). A parameter that is empty is not there.
#[derive(
    Clone,
    Debug,
    Default,
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
#[serde(default)]
pub struct SvcbParameters {
    /// The parameters that a client must know to use the record, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mandatory: Vec<SvcbKey>,
    /// The protocols, as ALPN identifiers of visible ASCII without quote, comma and backslash.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// Whether the scheme's default protocol is not spoken.
    pub no_default_alpn: bool,
    /// The port, if it is not the scheme's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// IPv4 addresses to try while the target is looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv4_hint: Vec<Ipv4Addr>,
    /// IPv6 addresses to try while the target is looked up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ipv6_hint: Vec<Ipv6Addr>,
}

/// A parameter of an SVCB record, in the order of the registered numbers (RFC 9460 §14.3.2).
#[derive(
    Clone,
    Copy,
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
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SvcbKey {
    /// Protocols.
    Alpn,
    /// The default protocol is not spoken.
    #[serde(rename = "no-default-alpn")]
    NoDefaultAlpn,
    /// Port.
    Port,
    /// IPv4 addresses.
    Ipv4Hint,
    /// IPv6 addresses.
    Ipv6Hint,
}

impl SvcbParameters {
    pub(super) fn check(&self) -> Result<(), RecordDataFault> {
        let values = [self.mandatory.len(), self.alpn.len(), self.ipv4_hint.len(), self.ipv6_hint.len()];
        if values.into_iter().any(|count| count > SVCB_VALUES_MAX) {
            return Err(RecordDataFault::SvcbValues);
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b'\\');
        let usable = |protocol: &String| {
            (1..=CHARACTER_STRING_BYTES_MAX).contains(&protocol.len()) && protocol.bytes().all(plain)
        };
        if !self.alpn.iter().all(usable) {
            return Err(RecordDataFault::SvcbAlpn);
        }
        if self.no_default_alpn && self.alpn.is_empty() {
            return Err(RecordDataFault::SvcbNoDefaultAlpn);
        }
        let ordered = self.mandatory.is_sorted_by(|left, right| left < right);
        if ordered && self.mandatory.iter().all(|key| self.has(*key)) {
            Ok(())
        } else {
            Err(RecordDataFault::SvcbMandatory)
        }
    }

    const fn has(&self, key: SvcbKey) -> bool {
        match key {
            SvcbKey::Alpn => !self.alpn.is_empty(),
            SvcbKey::NoDefaultAlpn => self.no_default_alpn,
            SvcbKey::Port => self.port.is_some(),
            SvcbKey::Ipv4Hint => !self.ipv4_hint.is_empty(),
            SvcbKey::Ipv6Hint => !self.ipv6_hint.is_empty(),
        }
    }

    pub(super) fn wire_bytes(&self) -> usize {
        let present = |count: usize, bytes: usize| if count == 0 { 0 } else { 4 + bytes };
        let alpn = self.alpn.iter().map(|protocol| 1 + protocol.len()).sum();
        present(self.mandatory.len(), 2 * self.mandatory.len())
            + present(self.alpn.len(), alpn)
            + present(usize::from(self.no_default_alpn), 0)
            + present(usize::from(self.port.is_some()), 2)
            + present(self.ipv4_hint.len(), 4 * self.ipv4_hint.len())
            + present(self.ipv6_hint.len(), 16 * self.ipv6_hint.len())
    }
}

impl SvcbKey {
    /// Every parameter, in order.
    pub const ALL: [Self; 5] = [Self::Alpn, Self::NoDefaultAlpn, Self::Port, Self::Ipv4Hint, Self::Ipv6Hint];

    /// The parameter's name in the presentation form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpn => "alpn",
            Self::NoDefaultAlpn => "no-default-alpn",
            Self::Port => "port",
            Self::Ipv4Hint => "ipv4hint",
            Self::Ipv6Hint => "ipv6hint",
        }
    }
}
