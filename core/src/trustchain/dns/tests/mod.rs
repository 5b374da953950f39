//! A small mesh's zones, and what the tests ask of them.

mod answers;
mod hostile;
mod records;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]
mod speed;

use super::*;
use crate::trustchain::DomainName;
use alloc::string::ToString;
use alloc::vec::Vec;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{self, Name};

fn name(text: &str) -> DomainName {
    text.parse().unwrap()
}

fn soa(zone: &str) -> Soa {
    Soa {
        primary: name(zone).child("ns").unwrap(),
        responsible: name(zone).child("hostmaster").unwrap(),
        serial: 7,
        refresh_seconds: 3600,
        retry_seconds: 600,
        expire_seconds: 86_400,
        negative_ttl_seconds: 60,
    }
}

fn set(record_type: RecordType, values: &[&str]) -> RecordSet {
    let data = values.iter().map(|value| RecordData::parse(record_type, value).unwrap()).collect();
    RecordSet::new(300, data).unwrap()
}

const REVERSE_ZONE: &str = "8.b.d.0.1.0.0.2.ip6.arpa";

fn zones() -> ZoneTable {
    let mut table = ZoneTable::new(["hypermesh", REVERSE_ZONE].map(|zone| (name(zone), soa(zone))));
    let long = "x".repeat(200);
    let many: Vec<_> = (0..16).map(|host| alloc::format!("2001:db8::1:{host}")).collect();
    let texts: Vec<_> = (0..8).map(|part| alloc::format!("{part}{long}")).collect();
    let refs = |texts: &[alloc::string::String]| -> Vec<&'static str> {
        texts.iter().map(|text| &*alloc::boxed::Box::leak(text.clone().into_boxed_str())).collect()
    };
    for (at, record_type, values) in [
        ("hypermesh", RecordType::Ns, &["ns.hypermesh"][..]),
        ("ns.hypermesh", RecordType::Aaaa, &["2001:db8::53"]),
        ("web.demo.hypermesh", RecordType::Aaaa, &["2001:db8::7", "2001:db8::8"]),
        ("web.demo.hypermesh", RecordType::A, &["192.0.2.7"]),
        ("web.demo.hypermesh", RecordType::Txt, &["hello"]),
        ("web.demo.hypermesh", RecordType::Caa, &["0 issue \"hypermesh\""]),
        ("_stoq._udp.api.hypermesh", RecordType::Srv, &["0 5 8443 web.demo.hypermesh"]),
        ("_dns.hypermesh", RecordType::Svcb, &["1 ns.hypermesh alpn=doq,dot port=853"]),
        ("_443._tcp.web.demo.hypermesh", RecordType::Tlsa, &[RecordType::Tlsa.example()]),
        ("alias.hypermesh", RecordType::Cname, &["second.hypermesh"]),
        ("second.hypermesh", RecordType::Cname, &["web.demo.hypermesh"]),
        ("dangling.hypermesh", RecordType::Cname, &["nothing.hypermesh"]),
        ("outward.hypermesh", RecordType::Cname, &["www.example.com"]),
        ("circle.hypermesh", RecordType::Cname, &["back.hypermesh"]),
        ("back.hypermesh", RecordType::Cname, &["circle.hypermesh"]),
        ("many.hypermesh", RecordType::Aaaa, &refs(&many)),
        ("big.hypermesh", RecordType::Txt, &refs(&texts)),
        ("_big._tcp.hypermesh", RecordType::Srv, &["0 0 1 many.hypermesh", "0 0 2 web.demo.hypermesh"]),
    ] {
        table.insert(&name(at), set(record_type, values));
    }
    let host = reverse_name("2001:db8::7".parse::<core::net::Ipv6Addr>().unwrap());
    table.insert(&host, set(RecordType::Ptr, &["web.demo.hypermesh"]));
    table
}

/// A query as a client sends it.
fn query(name: &str, record_type: rr::RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    message
}

/// The same with EDNS.
fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

fn ask_over(table: &ZoneTable, message: &Message, transport: Transport) -> Message {
    let response = answer(table, &message.to_vec().unwrap(), transport, None).unwrap();
    Message::from_vec(&response).unwrap()
}

fn ask(message: &Message) -> Message {
    ask_over(&zones(), message, Transport::Udp)
}

/// Records as "name type data", in order.
fn lines(records: &[rr::Record]) -> Vec<alloc::string::String> {
    let line = |record: &rr::Record| {
        alloc::format!("{} {} {}", record.name.to_ascii(), record.record_type(), record.data)
    };
    records.iter().map(line).collect()
}

fn codes(message: &Message) -> Vec<u16> {
    use hickory_proto::rr::rdata::opt::EdnsOption;
    let options = message.edns.iter().flat_map(|edns| edns.options().as_ref().iter());
    let code = |option: &EdnsOption| match option {
        EdnsOption::Unknown(15, data) => Some(u16::from_be_bytes([data[0], data[1]])),
        _ => None,
    };
    options.filter_map(|(_, option)| code(option)).collect()
}
