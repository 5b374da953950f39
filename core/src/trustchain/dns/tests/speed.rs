//! How long an answer takes. Not a check: run it in release with `--ignored --nocapture`.

use super::*;
use hickory_proto::rr::RecordType as T;
use std::time::Instant;

#[test]
#[ignore = "a measurement, meant for a release build"]
fn an_answer_takes_microseconds() {
    const ROUNDS: u32 = 200_000;
    let mut table = zones();
    for host in 0..10_000 {
        let at = alloc::format!("host{host}.hypermesh");
        table.insert(&name(&at), set(RecordType::Aaaa, &["2001:db8::9"]));
    }
    for (asked, record_type) in [
        ("host7777.hypermesh.", T::AAAA),
        ("_stoq._udp.api.hypermesh.", T::SRV),
        ("alias.hypermesh.", T::A),
        ("host7777.hypermesh.", T::A),
        ("nothing.hypermesh.", T::A),
        ("example.com.", T::A),
    ] {
        let bytes = with_edns(query(asked, record_type), 1232).to_vec().unwrap();
        let start = Instant::now();
        let mut total = 0;
        for _ in 0..ROUNDS {
            total += answer(&table, &bytes, Transport::Udp, None).unwrap().len();
        }
        let each = start.elapsed() / ROUNDS;
        std::println!("{asked} {record_type}: {each:?} an answer of {} bytes", total / ROUNDS as usize);
    }
}
