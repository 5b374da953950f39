//! The records of a zone, page by page: for people who look after names, and for a zone file.

use super::{LIST_COUNT_MAX, LIST_SCAN_COUNT_MAX};
use crate::api::{ApiFault, RESPONSE_BYTES_MAX, ReadMethod, View};
use crate::base::{Height, UnixMillis};
use crate::state::{OPERATION_BYTES_MAX, RecordKey, State};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{NamedRecordSet, RecordData, RecordSet, ZoneSource};
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// The most bytes of encoded sets in one page of records, unless a single set has more.
pub const RECORD_LIST_BYTES_MAX: usize = 1 << 20;
// A set came in an operation; and the starts of all zones take less than a page.
const _: () = assert!(2 * RECORD_LIST_BYTES_MAX + OPERATION_BYTES_MAX < RESPONSE_BYTES_MAX);

message! {
    /// Asks for a page of the records that are answered, in the canonical order of their names (RFC 4034 §6.1), and at one name in
    /// the order of their types' numbers.
    #[derive(Default)]
    RecordListRequest {
        /// Only those at this name and below it.
        name: Option<DomainName>,
        /// Only those after this set, which lies at or below that name.
        after: Option<RecordKey>,
        /// At most this many sets, and at most [`LIST_COUNT_MAX`].
        limit: u32,
    }
}

message! {
    /// A page of records. It may be short, or empty, though there is a next one: see [`LIST_SCAN_COUNT_MAX`].
    RecordList {
        /// The starts of the zones that hold what was asked for. Pages with the same starts are of the same content.
        starts: Vec<NamedRecordSet>,
        /// The sets of records, but for the starts.
        sets: Vec<NamedRecordSet>,
        /// The last set that was looked at, if there are more: ask for those after it.
        next: Option<RecordKey>,
        /// The block that the page is of.
        height: Height,
    }
}

impl ReadMethod for RecordListRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<RecordList, ApiFault> {
        let state = &view.state;
        let limit = self.limit.clamp(1, LIST_COUNT_MAX) as usize;
        let mut page = RecordList {
            starts: starts(state, self.name.as_ref()),
            sets: Vec::new(),
            next: None,
            height: state.height(),
        };
        let (mut bytes, mut last) = (0, None);
        let keys = state.record_keys(self.name.as_ref(), self.after.as_ref());
        for (looked_at, key) in keys.enumerate() {
            let found = state.record_set(&key.name, key.record_type);
            let found = found.map(|set| NamedRecordSet { name: key.name.clone(), set: set.into_owned() });
            bytes += found.as_ref().map_or(0, |found| crate::base::encode(found).len());
            let full = page.sets.len() == limit || looked_at == LIST_SCAN_COUNT_MAX;
            if full || (bytes > RECORD_LIST_BYTES_MAX && !page.sets.is_empty()) {
                page.next = last;
                return Ok(page);
            }
            page.sets.extend(found);
            last = Some(key);
        }
        Ok(page)
    }
}

/// The starts of the zones that a name lies in, or of all.
fn starts(state: &State, name: Option<&DomainName>) -> Vec<NamedRecordSet> {
    let touched = |zone: &&DomainName| name.is_none_or(|name| name.is_within(zone) || zone.is_within(name));
    let start = |zone: &DomainName| {
        let soa = state.soa(zone);
        let set =
            RecordSet { ttl_seconds: soa.negative_ttl_seconds, data: alloc::vec![RecordData::Soa(soa)] };
        NamedRecordSet { name: zone.clone(), set }
    };
    state.zones().iter().filter(touched).map(start).collect()
}

/// A text that is not a name and a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?}: expected NAME/TYPE, such as web.demo.hypermesh/AAAA")]
pub struct InvalidRecordKey {
    /// What was given.
    pub found: String,
}

impl fmt::Display for RecordKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.name, self.record_type)
    }
}

impl FromStr for RecordKey {
    type Err = InvalidRecordKey;

    fn from_str(text: &str) -> Result<Self, InvalidRecordKey> {
        let parts = text.split_once('/');
        let key = parts.and_then(|(name, kind)| {
            Some(Self { name: name.parse().ok()?, record_type: kind.parse().ok()? })
        });
        key.ok_or_else(|| InvalidRecordKey { found: text.into() })
    }
}
