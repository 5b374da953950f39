//! Names, records and other things as people write them.
#![no_main]

use hypermesh::amount::Amount;
use hypermesh::moment;
use hypermesh_core::base::{Digest, Profile, PublicKey, decode, encode};
use hypermesh_core::state::{ServicePort, ServiceProtocol};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{ExpectedName, SerialNumber};
use hypermesh_core::trustchain::dns::{RECORD_BYTES_MAX, RecordData, RecordType, TreeKey};
use hypermesh_fuzz::{select, shown, text};
use std::fmt::{Debug, Display};
use std::str::FromStr;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = select(input) else { return };
    if which >= 200 {
        return encoded(which, bytes);
    }
    let Some(text) = text(bytes) else { return };
    match which % 25 {
        0..12 => record(RecordType::ALL[which % RecordType::ALL.len()], text),
        12 | 13 => {
            let Some(name) = printed::<DomainName>(text) else { return };
            assert!(name.as_str().len() <= 253 && name.labels().all(|label| (1..=63).contains(&label.len())));
            assert_eq!(decode(&encode(&name), 1024), Ok(name.clone()));
            assert!(TreeKey::from(&name).is_within(&TreeKey::from(&name)));
        }
        14 => drop(printed::<Digest>(text)),
        15 => drop(printed::<PublicKey>(text)),
        16 => drop(printed::<SerialNumber>(text)),
        17 => drop(printed::<ServicePort>(text)),
        18 => drop(printed::<Profile>(text)),
        19 => drop(text.parse::<ExpectedName>()),
        20 => {
            if let Ok(amount) = text.parse::<Amount>() {
                let shown = amount.to_string();
                assert_eq!(shown.trim_end_matches(" Caesar").parse(), Ok(amount));
            }
        }
        21 => {
            if let Ok(time) = moment::parse(text) {
                let seconds = hypermesh_core::base::UnixMillis(time.seconds() * 1000);
                assert_eq!(moment::parse(&moment::text(time)), Ok(seconds));
            }
        }
        22 => drop(moment::parse_seconds(text)),
        24 => drop(printed::<ServiceProtocol>(text)),
        _ => drop(printed::<RecordType>(text)),
    }
});

/// What was read prints as something that reads back to the same.
fn printed<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let again = value.to_string().parse::<T>().ok();
    assert_eq!(again.as_ref(), Some(&value), "from {text:?}");
    Some(value)
}

fn record(record_type: RecordType, text: &str) {
    let Ok(data) = RecordData::parse(record_type, text) else { return };
    assert_eq!((data.record_type(), data.check()), (record_type, Ok(())));
    assert_eq!(RecordData::parse(record_type, &data.to_string()), Ok(data.clone()), "from {text:?}");
    assert!(encode(&data).len() <= 2 * RECORD_BYTES_MAX);
}

fn encoded(which: usize, bytes: &[u8]) {
    match which % 3 {
        0 => drop(shown::<DomainName>(bytes, 1024)),
        1 => drop(shown::<PublicKey>(bytes, 64)),
        _ => {
            // Whatever passes the check can be printed and read again.
            let Some(data) = shown::<RecordData>(bytes, 4 * RECORD_BYTES_MAX) else { return };
            if data.check().is_ok() {
                assert_eq!(RecordData::parse(data.record_type(), &data.to_string()), Ok(data));
            }
        }
    }
}
