//! The records that one name has of one type (RFC 2181 §5), and which types may stand together.

use super::{RECORD_BYTES_MAX, RecordData, RecordDataFault, RecordType};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most records in a set.
pub const RECORDS_PER_SET_MAX: usize = 32;
/// The shortest time that a set may be remembered.
pub const TTL_SECONDS_MIN: u32 = 1;
/// The longest time that a set may be remembered: a week.
pub const TTL_SECONDS_MAX: u32 = 604_800;

/// The octets of a record besides its data: a compressed name, type, class, time to live, length.
const RECORD_OVERHEAD_BYTES: usize = 12;
// A full set, after a full chain of aliases, fits in one message over a stream.
const _: () = assert!(
    RECORDS_PER_SET_MAX * (RECORD_BYTES_MAX + RECORD_OVERHEAD_BYTES)
        + (super::CNAME_CHAIN_MAX + 1) * (2 * 255 + RECORD_OVERHEAD_BYTES)
        + 1024
        < super::STREAM_RESPONSE_BYTES_MAX
);

/// The records that one name has of one type: sorted, without duplicates, never none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RecordSet {
    /// How long the set may be remembered.
    pub ttl_seconds: u32,
    /// The records.
    pub data: Vec<RecordData>,
}

/// What is wrong with a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// No records.
    #[error("the set has no records: remove it instead")]
    Empty,
    /// Too many.
    #[error("the set has {records} records, at most {RECORDS_PER_SET_MAX} are allowed")]
    TooMany {
        /// How many.
        records: usize,
    },
    /// More than one type.
    #[error("the set mixes {first} and {other} records: make one set for each type")]
    MixedTypes {
        /// The type of the first record.
        first: RecordType,
        /// Another type in the set.
        other: RecordType,
    },
    /// More than one record of a type that stands alone.
    #[error("a name has at most one {record_type} record")]
    NotAlone {
        /// The type.
        record_type: RecordType,
    },
    /// "No mail" beside mail servers.
    #[error("an MX record \"0 .\" means that the name takes no mail, and must be the only one (RFC 7505 §3)")]
    NullMxNotAlone,
    /// Not sorted, or with duplicates.
    #[error("the records are not sorted and distinct")]
    NotCanonical,
    /// A time to live out of bounds.
    #[error("time to live {ttl_seconds} s: it must be from {TTL_SECONDS_MIN} to {TTL_SECONDS_MAX} s")]
    Ttl {
        /// What was given.
        ttl_seconds: u32,
    },
    /// A record that is wrong in itself.
    #[error("record {position} of type {record_type}: {fault}")]
    Data {
        /// Which of the set, from 1.
        position: usize,
        /// Its type.
        record_type: RecordType,
        /// What is wrong with it.
        fault: RecordDataFault,
    },
}

/// Types that may not stand together at a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameFault {
    /// A CNAME beside other records (RFC 2181 §10.1).
    #[error("a name with a CNAME record has no other records, and here is also {other}: remove one of them")]
    CnameNotAlone {
        /// The other type.
        other: RecordType,
    },
    /// A CNAME at the top of a zone, where the SOA stands.
    #[error("the top of a zone cannot have a CNAME record: use SVCB or the addresses themselves")]
    CnameAtApex,
    /// NS or SOA below the top of a zone.
    #[error("{record_type} records exist only at the top of a zone: delegations are not supported")]
    Delegation {
        /// The type.
        record_type: RecordType,
    },
}

impl RecordSet {
    /// A set of these records, sorted and without duplicates.
    ///
    /// # Errors
    /// If [`Self::check`] finds a fault.
    pub fn new(ttl_seconds: u32, mut data: Vec<RecordData>) -> Result<Self, RecordFault> {
        data.sort_unstable();
        data.dedup();
        let set = Self { ttl_seconds, data };
        set.check()?;
        Ok(set)
    }

    /// Whether the set is canonical, of one type and within the bounds.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), RecordFault> {
        let Some(first) = self.record_type() else {
            return Err(RecordFault::Empty);
        };
        if self.data.len() > RECORDS_PER_SET_MAX {
            return Err(RecordFault::TooMany { records: self.data.len() });
        }
        if !(TTL_SECONDS_MIN..=TTL_SECONDS_MAX).contains(&self.ttl_seconds) {
            return Err(RecordFault::Ttl { ttl_seconds: self.ttl_seconds });
        }
        if let Some(other) = self.data.iter().map(RecordData::record_type).find(|other| *other != first) {
            return Err(RecordFault::MixedTypes { first, other });
        }
        for (index, data) in self.data.iter().enumerate() {
            let at = |fault| RecordFault::Data { position: index + 1, record_type: first, fault };
            data.check().map_err(at)?;
        }
        if !self.data.is_sorted_by(|left, right| left < right) {
            return Err(RecordFault::NotCanonical);
        }
        if matches!(first, RecordType::Cname | RecordType::Soa) && self.data.len() > 1 {
            return Err(RecordFault::NotAlone { record_type: first });
        }
        let is_null_mx = |data: &RecordData| matches!(data, RecordData::Mx { exchange: None, .. });
        if self.data.len() > 1 && self.data.iter().any(is_null_mx) {
            return Err(RecordFault::NullMxNotAlone);
        }
        Ok(())
    }

    /// The type of the records; `None` in an empty set, which [`Self::check`] refuses.
    #[must_use]
    pub fn record_type(&self) -> Option<RecordType> {
        self.data.first().map(RecordData::record_type)
    }
}

/// Whether these types may stand together at a name, which `is_apex` says is the top of a zone.
///
/// # Errors
/// If a CNAME is not alone or at the top, or NS or SOA stands below it.
pub fn check_name(is_apex: bool, types: &[RecordType]) -> Result<(), NameFault> {
    if types.contains(&RecordType::Cname) {
        if is_apex {
            return Err(NameFault::CnameAtApex);
        }
        if let Some(other) = types.iter().find(|other| **other != RecordType::Cname) {
            return Err(NameFault::CnameNotAlone { other: *other });
        }
    }
    let delegation = |found: &&RecordType| matches!(found, RecordType::Ns | RecordType::Soa);
    match types.iter().find(delegation) {
        Some(record_type) if !is_apex => Err(NameFault::Delegation { record_type: *record_type }),
        _ => Ok(()),
    }
}
