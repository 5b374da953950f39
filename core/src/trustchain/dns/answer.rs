//! From a DNS message to its response: what a query may look like, and which response code it earns.
//!
//! Never panics, whatever the bytes, and never answers a response, so two servers cannot be set to answer
//! one another. The client is not known here: who may ask, and how often, is the listener's to say.

use super::resolve::{Lookup, look_up, look_up_impossible};
use super::response::Response;
use super::{ZoneSource, wire};
use alloc::vec::Vec;
use core::time::Duration;
use hickory_proto::op::{Edns, Header, HeaderCounts, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The most bytes of a query that are looked at. A real one has at most about 300, or 512 when padded.
pub const QUERY_BYTES_MAX: usize = 4096;
/// The most records that a query may bring along: EDNS, a signature, and for IXFR the client's version.
pub const QUERY_RECORDS_MAX: u16 = 4;
/// The most bytes of a response over UDP, whatever the client can take: what passes unfragmented.
pub const UDP_RESPONSE_BYTES_MAX: usize = 1232;
/// The bytes of a response that every client can take over UDP (RFC 1035 §4.2.1).
pub const UDP_RESPONSE_BYTES_MIN: usize = 512;
/// The most bytes of a response over a stream, whose frames have lengths of 16 bits.
pub const STREAM_RESPONSE_BYTES_MAX: usize = 65_535;
/// The most targets whose addresses are added to an answer.
pub const ADDITIONAL_TARGETS_MAX: usize = 8;

/// What carries the query and its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams: responses are short, and truncated if they must be.
    Udp,
    /// A stream of frames.
    Tcp,
    /// A call of the mesh's own protocol.
    Stoq,
}

/// That the state behind the answers may be out of date, since the node has no quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staleness {
    /// How long ago the last block was committed.
    pub age: Duration,
}

/// The response to a DNS message; `None` if it deserves none, being no query at all.
///
/// | query | response |
/// |---|---|
/// | fewer than 12 bytes, or itself a response | none |
/// | another operation than QUERY | NOTIMP |
/// | malformed, too long, not exactly one question | FORMERR |
/// | a later version of EDNS | BADVERS |
/// | zone transfer, another class than IN, a name outside of the zones | REFUSED |
/// | a name that does not exist, or cannot | NXDOMAIN with the zone's SOA |
/// | a type that the name does not have | NOERROR with the zone's SOA |
/// | ANY | one of the sets that exist (RFC 8482 §4.1) |
///
/// With `staleness`, a client that speaks EDNS is told of it in an Extended DNS Error (RFC 8914): 3, or 19
/// where the name does not exist.
#[must_use]
pub fn answer(
    source: &dyn ZoneSource,
    query: &[u8],
    transport: Transport,
    staleness: Option<Staleness>,
) -> Option<Vec<u8>> {
    let mut decoder = BinDecoder::new(query);
    let header = Header::read(&mut decoder).ok()?;
    if header.metadata.message_type == MessageType::Response {
        return None;
    }
    let mut response = Response::to(&header.metadata, transport);
    if header.metadata.op_code != OpCode::Query {
        return Some(response.error(ResponseCode::NotImp));
    }
    if query.len() > QUERY_BYTES_MAX {
        return Some(response.error(ResponseCode::FormErr));
    }
    let Some(question) = read_question(&mut decoder, header.counts) else {
        return Some(response.error(ResponseCode::FormErr));
    };
    response.set_question(question.clone());
    let Ok(edns) = read_records(&mut decoder, header.counts) else {
        return Some(response.error(ResponseCode::FormErr));
    };
    if let Some(edns) = &edns {
        response.set_edns(edns);
        if edns.version() > 0 {
            return Some(response.error(ResponseCode::BADVERS));
        }
    }
    let transfer = matches!(question.query_type, RecordType::AXFR | RecordType::IXFR);
    if transfer || question.query_class != DNSClass::IN {
        return Some(response.error(ResponseCode::Refused));
    }
    Some(response.found(source, &search(source, &question), staleness))
}

fn read_question(decoder: &mut BinDecoder<'_>, counts: HeaderCounts) -> Option<Query> {
    if counts.queries == 1 { Query::read(decoder).ok() } else { None }
}

/// Something in a query that does not belong there.
struct Malformed;

/// Reads the records that a query brings along, of which only EDNS matters.
fn read_records(decoder: &mut BinDecoder<'_>, counts: HeaderCounts) -> Result<Option<Edns>, Malformed> {
    // An authority record is the version that the client of an IXFR has. It is read for form alone.
    let ahead = counts.authorities;
    let all = ahead.saturating_add(counts.additionals);
    if counts.answers > 0 || ahead > 1 || all > QUERY_RECORDS_MAX {
        return Err(Malformed);
    }
    let mut edns = None;
    for position in 0..all {
        let record = Record::read(decoder).map_err(|_| Malformed)?;
        if record.record_type() != RecordType::OPT {
            continue;
        }
        if position < ahead || edns.is_some() {
            return Err(Malformed);
        }
        edns = Some(Edns::from(&record));
    }
    if decoder.is_empty() { Ok(edns) } else { Err(Malformed) }
}

fn search<'a>(source: &'a dyn ZoneSource, question: &Query) -> Lookup<'a> {
    match wire::to_domain_name(&question.name) {
        Some(name) => look_up(source, &name, wire::wanted(question.query_type)),
        None => look_up_impossible(source, wire::storable_ancestor(&question.name).as_ref()),
    }
}
