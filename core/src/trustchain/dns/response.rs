//! The response to a query, within what its transport and its client can take.
//!
//! Sets of records go in whole or not at all (RFC 2181 §9). Over UDP, an answer that does not fit becomes
//! the truncated flag and nothing else, so that a forged query wins little; additional sets are left
//! out silently when there is no room.

use super::additional::Additional;
use super::resolve::{Lookup, ResolutionOutcome};
use super::{
    RecordSet, STREAM_RESPONSE_BYTES_MAX, Staleness, Transport, UDP_RESPONSE_BYTES_MAX,
    UDP_RESPONSE_BYTES_MIN, ZoneSource, wire,
};
use alloc::vec::Vec;
use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Header, HeaderCounts, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

/// The option code of an Extended DNS Error (RFC 8914 §2).
const EXTENDED_ERROR: u16 = 15;
/// The answer may be out of date (RFC 8914 §4.4).
const STALE_ANSWER: u16 = 3;
/// That the name does not exist may be out of date (RFC 8914 §4.20).
const STALE_NXDOMAIN_ANSWER: u16 = 19;
/// The server does not answer for this name (RFC 8914 §4.21).
const NOT_AUTHORITATIVE: u16 = 20;
/// An OPT record without options.
const OPT_BYTES: usize = 11;
/// The most bytes of text in an Extended DNS Error that is made here.
const EXTENDED_TEXT_BYTES_MAX: usize = 64;
/// What an option takes besides its data.
const OPTION_OVERHEAD_BYTES: usize = 4;
// Header, the longest question and EDNS always fit.
const _: () = assert!(
    12 + 255 + 4 + OPT_BYTES + OPTION_OVERHEAD_BYTES + 2 + EXTENDED_TEXT_BYTES_MAX < UDP_RESPONSE_BYTES_MIN
);

/// A response in the making.
pub(super) struct Response {
    metadata: Metadata,
    question: Option<Query>,
    edns: Option<Edns>,
    transport: Transport,
    bytes_max: usize,
}

impl Response {
    /// The response to a query with this header.
    pub(super) fn to(query: &Metadata, transport: Transport) -> Self {
        let mut metadata = Metadata::response_from_request(query);
        // RFC 4035 §3.1.6: an authoritative answer clears it.
        metadata.checking_disabled = false;
        let bytes_max = match transport {
            Transport::Udp => UDP_RESPONSE_BYTES_MIN,
            Transport::Tcp | Transport::Stoq => STREAM_RESPONSE_BYTES_MAX,
        };
        Self { metadata, question: None, edns: None, transport, bytes_max }
    }

    /// Repeats the question, in the letters that it came in.
    pub(super) fn set_question(&mut self, question: Query) {
        self.question = Some(question);
    }

    /// Answers in EDNS, to a client that spoke it (RFC 6891 §6.1.1).
    pub(super) fn set_edns(&mut self, query: &Edns) {
        let mut edns = Edns::new();
        edns.set_max_payload(u16::try_from(UDP_RESPONSE_BYTES_MAX).unwrap_or(u16::MAX));
        edns.set_dnssec_ok(query.flags().dnssec_ok);
        self.edns = Some(edns);
        if self.transport == Transport::Udp {
            let asked = usize::from(query.max_payload());
            self.bytes_max = asked.clamp(UDP_RESPONSE_BYTES_MIN, UDP_RESPONSE_BYTES_MAX);
        }
    }

    /// The message with an error and no records.
    pub(super) fn error(mut self, code: ResponseCode) -> Vec<u8> {
        self.metadata.response_code = code;
        self.bare()
    }

    /// The message with what was found.
    pub(super) fn found(
        mut self,
        source: &dyn ZoneSource,
        lookup: &Lookup<'_>,
        staleness: Option<Staleness>,
    ) -> Vec<u8> {
        self.metadata.authoritative = lookup.outcome != ResolutionOutcome::NotAuthoritative;
        self.metadata.response_code = match lookup.outcome {
            ResolutionOutcome::Found | ResolutionOutcome::NoData => ResponseCode::NoError,
            ResolutionOutcome::NoSuchName => ResponseCode::NXDomain,
            ResolutionOutcome::NotAuthoritative => ResponseCode::Refused,
        };
        match (lookup.outcome, staleness) {
            (ResolutionOutcome::NotAuthoritative, _) => {
                self.explain(NOT_AUTHORITATIVE, "not in this mesh's zones")
            }
            (_, None) => {}
            (outcome, Some(Staleness { age })) => {
                let missing = outcome == ResolutionOutcome::NoSuchName;
                let code = if missing { STALE_NXDOMAIN_ANSWER } else { STALE_ANSWER };
                self.explain(code, &alloc::format!("last committed {} s ago", age.as_secs()));
            }
        }
        match (self.encode(Some((source, lookup))), self.transport) {
            (Ok(bytes), _) => bytes,
            (Err(ProtoError::MaxBufferSizeExceeded(_)), Transport::Udp) => {
                self.metadata.truncation = true;
                self.bare()
            }
            // Only a set that nobody checked does not fit, or does not encode.
            (Err(_), _) => self.error(ResponseCode::ServFail),
        }
    }

    fn explain(&mut self, code: u16, text: &str) {
        if let Some(edns) = &mut self.edns {
            let text = text.as_bytes().iter().take(EXTENDED_TEXT_BYTES_MAX);
            let data = code.to_be_bytes().iter().chain(text).copied().collect();
            edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, data));
        }
    }

    fn bare(&self) -> Vec<u8> {
        self.encode(None).expect("header, question and EDNS are shorter than the least bound")
    }

    fn encode(&self, found: Option<(&dyn ZoneSource, &Lookup<'_>)>) -> Result<Vec<u8>, ProtoError> {
        let mut bytes = Vec::with_capacity(UDP_RESPONSE_BYTES_MIN);
        let mut encoder = BinEncoder::new(&mut bytes);
        let records_end_max = self.bytes_max - self.edns_bytes();
        // A name is written in full before it is replaced by a pointer, so the encoder needs room to spare.
        encoder.set_max_size(bound(records_end_max + Name::MAX_LENGTH));
        let place = encoder.place::<Header>()?;
        let mut counts = HeaderCounts::default();
        if let Some(question) = &self.question {
            question.emit(&mut encoder)?;
            counts.queries = 1;
        }
        if let Some((source, lookup)) = found {
            let mut sections =
                Sections { encoder: &mut encoder, counts: &mut counts, end_max: records_end_max };
            sections.emit(self.question.as_ref(), source, lookup)?;
        }
        if let Some(edns) = &self.edns {
            let mut edns = edns.clone();
            edns.set_rcode_high(self.metadata.response_code.high());
            encoder.set_max_size(bound(self.bytes_max));
            edns.emit(&mut encoder)?;
            counts.additionals += 1;
        }
        encoder.trim();
        place.replace(&mut encoder, Header { metadata: self.metadata, counts })?;
        Ok(bytes)
    }

    fn edns_bytes(&self) -> usize {
        let Some(edns) = &self.edns else {
            return 0;
        };
        let options = edns.options().as_ref().iter();
        let bytes: usize = options.map(|(_, option)| OPTION_OVERHEAD_BYTES + usize::from(option.len())).sum();
        OPT_BYTES + bytes
    }
}

/// The records of a response, none of which may end past `end_max`.
struct Sections<'e, 'b> {
    encoder: &'e mut BinEncoder<'b>,
    counts: &'e mut HeaderCounts,
    end_max: usize,
}

impl Sections<'_, '_> {
    fn emit(
        &mut self,
        question: Option<&Query>,
        source: &dyn ZoneSource,
        lookup: &Lookup<'_>,
    ) -> Result<(), ProtoError> {
        for (index, found) in lookup.answers.iter().enumerate() {
            // The first name is the question's: in its letters, a pointer to it is all that is sent.
            let asked = question.filter(|_| index == 0);
            let name = asked.map_or_else(|| wire::to_name(&found.name), |question| question.name.clone());
            self.counts.answers += self.emit_set(name, &found.set)?;
        }
        if let Some(start) = &lookup.authority {
            self.counts.authorities += self.emit_set(wire::to_name(&start.name), &start.set)?;
        }
        self.emit_additional(source, lookup)
    }

    /// Adds what clients ask for next, as far as there is room: see [`Additional`].
    fn emit_additional(&mut self, source: &dyn ZoneSource, lookup: &Lookup<'_>) -> Result<(), ProtoError> {
        for (name, set) in Additional::of(source, lookup) {
            let start = self.encoder.offset();
            match self.emit_set(wire::to_name(&name), &set) {
                Ok(count) => self.counts.additionals += count,
                Err(ProtoError::MaxBufferSizeExceeded(_)) => {
                    self.encoder.set_offset(start);
                    self.encoder.trim();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Emits a set and says how many records it has.
    fn emit_set(&mut self, name: Name, set: &RecordSet) -> Result<u16, ProtoError> {
        let mut count = 0;
        let mut data = set.data.iter().map(wire::to_rdata);
        let Some(first) = data.next() else {
            return Ok(count);
        };
        let mut record = Record::from_rdata(name, set.ttl_seconds, first);
        loop {
            record.emit(self.encoder)?;
            if self.encoder.offset() > self.end_max {
                return Err(ProtoError::MaxBufferSizeExceeded(self.end_max));
            }
            count += 1;
            match data.next() {
                Some(next) => record.data = next,
                None => return Ok(count),
            }
        }
    }
}

fn bound(bytes: usize) -> u16 {
    u16::try_from(bytes).unwrap_or(u16::MAX)
}
