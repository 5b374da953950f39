//! DNS messages over each transport, answered from a small zone.
#![no_main]

use hickory_proto::op::Message;
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::*;
use std::sync::LazyLock;
use std::time::Duration;

const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Stoq];

static ZONES: LazyLock<ZoneTable> = LazyLock::new(|| {
    let zone: DomainName = "mesh".parse().expect("a name");
    let reverse: DomainName = "8.b.d.0.1.0.0.2.ip6.arpa".parse().expect("a name");
    let soa = |zone: &DomainName| Soa {
        primary: zone.child("ns").expect("a name"),
        responsible: zone.child("hostmaster").expect("a name"),
        serial: 7,
        refresh_seconds: 3600,
        retry_seconds: 600,
        expire_seconds: 86_400,
        negative_ttl_seconds: 60,
    };
    let mut table = ZoneTable::new([(zone.clone(), soa(&zone)), (reverse.clone(), soa(&reverse))]);
    let long = "x".repeat(200);
    for (name, record_type, values) in [
        ("mesh", RecordType::Ns, vec!["ns.mesh"]),
        ("ns.mesh", RecordType::Aaaa, vec!["2001:db8::53"]),
        ("a.mesh", RecordType::Aaaa, vec!["2001:db8::7", "2001:db8::8"]),
        ("a.mesh", RecordType::A, vec!["192.0.2.7"]),
        ("a.mesh", RecordType::Txt, vec!["one", "two", long.as_str()]),
        ("a.mesh", RecordType::Caa, vec!["0 issue \"mesh\""]),
        ("_s._udp.mesh", RecordType::Srv, vec!["0 5 8443 a.mesh", "0 6 8443 ns.mesh"]),
        ("_dns.mesh", RecordType::Svcb, vec!["1 ns.mesh alpn=doq,dot port=853"]),
        ("_443._tcp.a.mesh", RecordType::Tlsa, vec![RecordType::Tlsa.example()]),
        ("b.mesh", RecordType::Cname, vec!["c.mesh"]),
        ("c.mesh", RecordType::Cname, vec!["a.mesh"]),
        ("d.mesh", RecordType::Cname, vec!["e.mesh"]),
        ("e.mesh", RecordType::Cname, vec!["d.mesh"]),
        ("1.8.b.d.0.1.0.0.2.ip6.arpa", RecordType::Ptr, vec!["a.mesh"]),
    ] {
        let data = values.iter().map(|value| RecordData::parse(record_type, value).expect("a record"));
        let set = RecordSet::new(300, data.collect()).expect("a set");
        table.insert(&name.parse().expect("a name"), set);
    }
    table
});

libfuzzer_sys::fuzz_target!(|query: &[u8]| {
    for transport in TRANSPORTS {
        let staleness = Some(Staleness { age: Duration::from_secs(9) });
        let Some(response) = answer(&*ZONES, query, transport, staleness) else {
            assert!(query.len() < 12 || query[2] & 0x80 != 0, "only what is no query goes without an answer");
            continue;
        };
        assert!(response[..2] == query[..2] && response[2] & 0x80 != 0);
        let read = Message::from_vec(&response).expect("what is answered can be read");
        assert!(read.queries.len() <= 1);
        let bytes_max = match transport {
            Transport::Udp => {
                let edns = Message::from_vec(query).ok().and_then(|query| query.edns);
                let asked = edns.map_or(UDP_RESPONSE_BYTES_MIN, |edns| usize::from(edns.max_payload()));
                asked.clamp(UDP_RESPONSE_BYTES_MIN, UDP_RESPONSE_BYTES_MAX)
            }
            Transport::Tcp | Transport::Stoq => STREAM_RESPONSE_BYTES_MAX,
        };
        assert!(response.len() <= bytes_max);
        // A server that is sent an answer keeps silent, so two of them cannot keep one another busy.
        assert_eq!(answer(&*ZONES, &response, transport, staleness), None);
    }
});
