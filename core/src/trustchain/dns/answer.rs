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
use hickory_proto::rr::{DNSClass, Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, Restrict};

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
/// The most names whose records are added to an answer: the targets of its records, and what those are aliases of.
pub const ADDITIONAL_TARGETS_MAX: usize = 8;

/// The type of an OPT record (RFC 6891 §6.1.1).
const OPT: u16 = 41;
/// The flag by which a client asks for DNSSEC (RFC 6891 §6.1.4).
const DNSSEC_OK: u16 = 0x8000;

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
    // Whatever becomes of a query that came with an OPT record: its response has one too (RFC 6891 §6.1.1).
    let edns = find_edns(query, header.counts);
    if let Some(edns) = &edns {
        response.set_edns(edns);
    }
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
    if read_records(&mut decoder, header.counts).is_err() {
        return Some(response.error(ResponseCode::FormErr));
    }
    if edns.is_some_and(|edns| edns.version() > 0) {
        return Some(response.error(ResponseCode::BADVERS));
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

/// The OPT record of a query, as far as the query can be read: it may be malformed behind it, or be no query at all.
fn find_edns(query: &[u8], counts: HeaderCounts) -> Option<Edns> {
    let mut decoder = BinDecoder::new(query);
    Header::read(&mut decoder).ok()?;
    for _ in 0..counts.queries.min(QUERY_RECORDS_MAX) {
        Query::read(&mut decoder).ok()?;
    }
    let records = counts.answers.saturating_add(counts.authorities).saturating_add(counts.additionals);
    (0..records.min(QUERY_RECORDS_MAX)).find_map(|_| read_record(&mut decoder).transpose())?.ok()
}

/// Reads the records that a query brings along, of which only EDNS matters.
fn read_records(decoder: &mut BinDecoder<'_>, counts: HeaderCounts) -> Result<(), Malformed> {
    // An authority record is the version that the client of an IXFR has. It is read for form alone.
    let ahead = counts.authorities;
    let all = ahead.saturating_add(counts.additionals);
    if counts.answers > 0 || ahead > 1 || all > QUERY_RECORDS_MAX {
        return Err(Malformed);
    }
    let mut has_edns = false;
    for position in 0..all {
        if read_record(decoder)?.is_none() {
            continue;
        }
        if position < ahead || has_edns {
            return Err(Malformed);
        }
        has_edns = true;
    }
    if decoder.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// Reads a record, and gives what it says if it is an OPT record. What an option says is not looked at: nothing here depends on
/// one, and one that nobody knows is to be ignored (RFC 6891 §6.1.2).
fn read_record(decoder: &mut BinDecoder<'_>) -> Result<Option<Edns>, Malformed> {
    let owner = Name::read(decoder).map_err(|_| Malformed)?;
    let mut number = || decoder.read_u16().map(Restrict::unverified).map_err(|_| Malformed);
    let (record_type, class) = (number()?, number()?);
    let [high, low, length] = [number()?, number()?, number()?];
    let data = decoder.read_slice(usize::from(length)).map_err(|_| Malformed)?.unverified();
    if record_type != OPT {
        return Ok(None);
    }
    if !owner.is_root() || !has_whole_options(data) {
        return Err(Malformed);
    }
    let mut edns = Edns::new();
    edns.set_max_payload(class);
    let [_, version] = high.to_be_bytes();
    edns.set_version(version);
    edns.set_dnssec_ok(low & DNSSEC_OK != 0);
    Ok(Some(edns))
}

/// Whether the data of an OPT record are options, each with its code and length (RFC 6891 §6.1.2), and nothing else.
fn has_whole_options(mut data: &[u8]) -> bool {
    while let Some(([_, _, high, low], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(rest) = rest.get(length..) else { return false };
        data = rest;
    }
    data.is_empty()
}

fn search<'a>(source: &'a dyn ZoneSource, question: &Query) -> Lookup<'a> {
    match wire::to_domain_name(&question.name) {
        Some(name) => look_up(source, &name, wire::queried_types(question.query_type)),
        None => look_up_impossible(source, wire::storable_ancestor(&question.name).as_ref()),
    }
}
