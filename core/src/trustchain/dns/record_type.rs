//! The types of records that the mesh holds.

use alloc::borrow::ToOwned;
use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The type of a record. The order is part of the stored format.
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
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RecordType {
    /// An IPv4 address (RFC 1035 §3.4.1).
    A,
    /// An IPv6 address (RFC 3596).
    Aaaa,
    /// Where a service runs (RFC 2782).
    Srv,
    /// Where a service runs and how to speak with it (RFC 9460).
    Svcb,
    /// Text (RFC 1035 §3.3.14).
    Txt,
    /// The key or certificate of a TLS server (RFC 6698).
    Tlsa,
    /// The name that this one is an alias of (RFC 1035 §3.3.1).
    Cname,
    /// Who may issue certificates (RFC 8659).
    Caa,
    /// The name of an address (RFC 1035 §3.3.12).
    Ptr,
    /// The start of a zone (RFC 1035 §3.3.13).
    Soa,
    /// A name server of a zone (RFC 1035 §3.3.11).
    Ns,
}

impl RecordType {
    /// Every type, in order.
    pub const ALL: [Self; 11] = [
        Self::A,
        Self::Aaaa,
        Self::Srv,
        Self::Svcb,
        Self::Txt,
        Self::Tlsa,
        Self::Cname,
        Self::Caa,
        Self::Ptr,
        Self::Soa,
        Self::Ns,
    ];

    /// The type's mnemonic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
            Self::Svcb => "SVCB",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
            Self::Cname => "CNAME",
            Self::Caa => "CAA",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Ns => "NS",
        }
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A text that names no record type that the mesh holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no record type {found:?}: expected A, AAAA, SRV, SVCB, TXT, TLSA, CNAME, CAA, PTR, SOA or NS")]
pub struct UnknownRecordType {
    /// What was given.
    pub found: String,
}

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    /// In upper or lower case.
    fn from_str(text: &str) -> Result<Self, UnknownRecordType> {
        Self::ALL
            .into_iter()
            .find(|record_type| record_type.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownRecordType { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_found_by_its_name_in_either_case() {
        for record_type in RecordType::ALL {
            assert_eq!(record_type.name().parse(), Ok(record_type));
            assert_eq!(record_type.name().to_lowercase().parse(), Ok(record_type));
        }
        assert!("HINFO".parse::<RecordType>().is_err());
    }

    #[test]
    fn the_stored_order_is_pinned() {
        let stored: alloc::vec::Vec<u8> = RecordType::ALL.iter().flat_map(crate::base::encode).collect();
        assert_eq!(stored, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
}
