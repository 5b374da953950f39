//! Revocation lists, as webpki reads them: every reason, and as many entries as a list takes.

use super::*;
use alloc::string::ToString;
use webpki::{CertRevocationList, OwnedCertRevocationList};

fn list(count: usize) -> RevocationList {
    let entry = |number: usize| RevokedEntry {
        serial: SerialNumber::from_operation(&Digest([(number % 251) as u8; 32])),
        at: AT,
        reason: RevocationReason::ALL[number % RevocationReason::ALL.len()],
    };
    let mut entries: Vec<_> = (0..count).map(entry).collect();
    entries.sort_unstable_by_key(|entry| entry.serial);
    RevocationList { number: 0x0102_0384, this_update: AT, next_update: AT.plus(CRL_MS_LIFETIME), entries }
}

fn signed_list(mesh: &Mesh, list: &RevocationList) -> Vec<u8> {
    let tbs = mesh.issuer.crl_tbs(list).unwrap();
    crl_der(&tbs, &strictly(&mesh.issuing, &tbs)).unwrap()
}

#[test]
fn an_empty_list_and_one_with_every_reason_are_read_by_webpki() {
    let mesh = Mesh::new();
    for count in [0, 1, RevocationReason::ALL.len()] {
        let list = list(count);
        let der = signed_list(&mesh, &list);
        let read = CertRevocationList::from(OwnedCertRevocationList::from_der(&der).unwrap());
        for entry in &list.entries {
            let found = read.find_serial(entry.serial.as_bytes()).unwrap().unwrap();
            let reason =
                found.reason_code.map_or("Unspecified".to_string(), |reason| alloc::format!("{reason:?}"));
            assert!(reason.eq_ignore_ascii_case(entry.reason.name()), "{reason}");
        }
        assert!(read.find_serial(serial(99).as_bytes()).unwrap().is_none());
        let signed = parse_crl(&der).unwrap();
        assert!(signed.signed_by(&mesh.issuer.issuing_key).is_ok());
        assert!(signed.signed_by(&mesh.issuer.root_key).is_err());
        assert_eq!((signed.list.number, signed.list.entries.len()), (list.number, count));
    }
}

#[test]
fn a_list_is_bounded_at_its_limit_and_one_past_it() {
    let mesh = Mesh::new();
    let mut full = list(0);
    // The longest entry there is: a late date, and a reason.
    let late = UnixMillis(32_503_679_999_000);
    let entry = |number: u32| RevokedEntry {
        serial: SerialNumber::from_bytes(&[&[1; 12][..], &number.to_be_bytes()].concat()).unwrap(),
        at: late,
        reason: RevocationReason::PrivilegeWithdrawn,
    };
    full.entries = (0..REVOKED_COUNT_MAX as u32).map(entry).collect();
    let der = signed_list(&mesh, &full);
    assert!(der.len() <= CRL_BYTES_MAX, "{} bytes", der.len());
    assert_eq!(parse_crl(&der).unwrap().list.entries.len(), REVOKED_COUNT_MAX);
    let text = pem(PemLabel::RevocationList, &der);
    assert_eq!(from_pem(PemLabel::RevocationList, &text), Ok(der));
    full.entries.push(entry(REVOKED_COUNT_MAX as u32));
    let fault = BuildFault::TooManyRevoked { entries: REVOKED_COUNT_MAX + 1 };
    assert_eq!(mesh.issuer.crl_tbs(&full), Err(fault));
    let fault = RevocationListFault::TooLong { bytes: CRL_BYTES_MAX + 1 };
    assert_eq!(parse_crl(&alloc::vec![0x30; CRL_BYTES_MAX + 1]), Err(fault));
}

#[test]
fn reasons_go_by_the_names_of_the_rfc_and_holding_is_refused() {
    for reason in RevocationReason::ALL {
        assert_eq!(reason.name().parse(), Ok(reason));
        assert_eq!(reason.name().to_uppercase().parse(), Ok(reason));
    }
    for text in ["certificateHold", "removeFromCRL", "cACompromise", ""] {
        let fault = text.parse::<RevocationReason>().unwrap_err().to_string();
        assert!(fault.contains("keyCompromise") && fault.contains("permanent"), "{fault}");
    }
}

#[test]
fn entries_out_of_order_or_repeated_are_refused() {
    let mesh = Mesh::new();
    let mut list = list(3);
    list.entries.reverse();
    let refused = |list: &RevocationList| {
        matches!(parse_crl(&signed_list(&mesh, list)), Err(RevocationListFault::Shape { .. }))
    };
    assert!(refused(&list));
    list.entries = alloc::vec![list.entries[0], list.entries[0]];
    assert!(refused(&list));
}
