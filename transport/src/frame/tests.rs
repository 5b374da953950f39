use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn header() -> Header {
    Header {
        version: HEADER_VERSION,
        service: "trustchain".into(),
        method: "issue_certificate".into(),
        deadline_ms: 1500,
        idempotency_key: Some([7; 16]),
        trace_id: [9; 16],
    }
}

#[test]
fn a_header_frame_has_these_bytes_in_every_version() {
    let mut buffer = BytesMut::new();
    put_value(&mut buffer, FrameKind::Header, &header());
    let expected = concat!(
        "0149000000",
        "01",
        "0a0000007472757374636861696e",
        "1100000069737375655f6365727469666963617465",
        "dc050000",
        "0107070707070707070707070707070707",
        "09090909090909090909090909090909",
    );
    let shown: String = buffer.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(shown, expected);
}

#[test]
fn frames_come_out_as_they_went_in_however_the_bytes_are_cut() {
    let mut buffer = BytesMut::new();
    put_value(&mut buffer, FrameKind::Header, &header());
    put_prefix(&mut buffer, FrameKind::Message, 3);
    buffer.extend_from_slice(b"abc");
    put_prefix(&mut buffer, FrameKind::Message, 0);
    for size in 1..=buffer.len() {
        let mut assembler = Assembler::default();
        let mut frames = Vec::new();
        for piece in buffer.chunks(size) {
            assembler.push(piece);
            while let Some(prefix) = assembler.prefix().unwrap() {
                let Some(payload) = assembler.payload() else { break };
                frames.push((prefix.kind, payload));
            }
        }
        assert!(assembler.is_between_frames());
        let kinds: Vec<_> = frames.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [FrameKind::Header, FrameKind::Message, FrameKind::Message]);
        assert_eq!(Header::parse(&frames[0].1), Ok(header()));
        assert_eq!((&frames[1].1[..], &frames[2].1[..]), (&b"abc"[..], &b""[..]));
    }
}

#[test]
fn names_hold_at_their_limit_and_not_one_past_it() {
    let named = |service: String| Header::parse(&encode(&Header { service, ..header() }));
    assert!(named("a".repeat(NAME_BYTES_MAX)).is_ok());
    assert_eq!(named("a".repeat(NAME_BYTES_MAX + 1)), Err(FrameError::Name));
    assert_eq!(named(String::new()), Err(FrameError::Name));
    assert_eq!(named("Trust Chain".into()), Err(FrameError::Name));
}

#[test]
fn a_prefix_holds_at_its_limit_and_not_one_past_it() {
    let prefix = |bytes| Prefix { kind: FrameKind::Message, bytes };
    assert!(prefix(10).checked(FrameKind::Message, 10).is_ok());
    let refused = FrameError::TooLong { kind: FrameKind::Message, bytes: 11, bytes_max: 10 };
    assert_eq!(prefix(11).checked(FrameKind::Message, 10), Err(refused));
    let refused = FrameError::Unexpected { kind: FrameKind::Message, expected: FrameKind::Status };
    assert_eq!(prefix(1).checked(FrameKind::Status, 10), Err(refused));
}

proptest! {
    #[test]
    fn no_bytes_panic_the_assembler_or_the_header(pieces in vec(vec(any::<u8>(), 0..40), 0..20)) {
        let mut assembler = Assembler::default();
        for piece in &pieces {
            drop(Header::parse(piece));
            assembler.push(piece);
            while let Ok(Some(_)) = assembler.prefix() {
                let Some(payload) = assembler.payload() else { break };
                drop(Header::parse(&payload));
            }
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written(
        service in "[a-z0-9_./-]{1,64}", method in "[a-z0-9_./-]{1,64}", deadline_ms: u32, key: Option<[u8; 16]>,
    ) {
        let header = Header { service, method, deadline_ms, idempotency_key: key, ..header() };
        prop_assert_eq!(Header::parse(&encode(&header)), Ok(header));
    }

    #[test]
    fn no_bytes_panic_what_frames_hold_and_what_is_taken_has_one_encoding(
        good in any::<bool>(), junk in vec(any::<u8>(), 0..60), at in any::<proptest::sample::Index>(), byte: u8,
    ) {
        let status = crate::Status::new(crate::StatusCode::NotFound, "no such thing").with_detail(vec![1, 2, 3]);
        let mut bytes = if good { encode(&status) } else { junk };
        if let Some(changed) = (!bytes.is_empty()).then(|| at.index(bytes.len())) {
            bytes[changed] = byte;
        }
        if let Ok(status) = decode::<crate::Status>(&bytes, 1 << 15) {
            prop_assert_eq!(encode(&status), bytes.clone());
        }
        if let Ok(link) = crate::link::LinkHeader::parse(&bytes) {
            prop_assert_eq!(encode(&link), bytes);
        }
    }
}
