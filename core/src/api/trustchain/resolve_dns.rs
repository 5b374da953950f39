//! A name's records of one type.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, UnixMillis};
use crate::planted::{self, Bug};
use crate::trustchain::dns::{NamedRecordSet, RecordType, ResolutionOutcome};
use crate::trustchain::{DomainName, dns};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for a name's records of one type.
    DnsRequest {
        /// The name.
        name: DomainName,
        /// The type.
        record_type: RecordType,
    }
}

message! {
    /// A name's records.
    DnsAnswer {
        /// What came of it.
        outcome: ResolutionOutcome,
        /// The records, after any aliases that led to them, in order.
        answers: Vec<NamedRecordSet>,
        /// The zone's own record, for an answer that says that something is not there.
        authority: Option<NamedRecordSet>,
        /// The block that the answer is of.
        height: Height,
        /// That block's time.
        time: UnixMillis,
        /// How long ago that was, in milliseconds, by the answering node's clock.
        age_ms: u64,
        /// Whether the answer may be out of date: no block for several heartbeats (Extended DNS Error 3).
        stale: bool,
    }
}

impl ReadMethod for DnsRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<DnsAnswer, ApiFault> {
        let state = &view.state;
        let resolution = dns::resolve(state, &self.name, self.record_type);
        Ok(DnsAnswer {
            outcome: resolution.outcome,
            answers: resolution.answers,
            authority: resolution.authority,
            height: state.height(),
            time: state.time(),
            age_ms: if planted::is(Bug::AnswerWithoutAge) { 0 } else { wall.since(state.time()) },
            stale: view.staleness(wall).is_some(),
        })
    }
}
