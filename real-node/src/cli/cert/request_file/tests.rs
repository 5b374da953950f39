//! Files as other programs write them, taken and refused.

use super::*;
use proptest::prelude::*;

const PLAIN: &str = include_str!("fixtures/lines_of_76.pem");
const BEGINS: &str = "-----BEGIN CERTIFICATE REQUEST-----\n";
const KEY: &str =
    "-----BEGIN PRIVATE KEY-----\nnot base64 at all: nobody reads it\n-----END PRIVATE KEY-----\n";

fn plain() -> Vec<u8> {
    unarmoured(PLAIN.as_bytes()).unwrap().0
}

fn said(text: impl AsRef<[u8]>) -> String {
    unarmoured(text.as_ref()).unwrap_err().to_string()
}

#[test]
fn whatever_openssl_and_go_take_is_taken() {
    for (file, name) in [
        (&include_bytes!("fixtures/lines_of_76.pem")[..], "e-76"),
        (include_bytes!("fixtures/byte_order_mark.pem"), "e-bom"),
        (include_bytes!("fixtures/blanks_at_line_ends.pem"), "e-linews"),
        (include_bytes!("fixtures/one_line.pem"), "e-oneline"),
        (include_bytes!("fixtures/text_behind.pem"), "e-trailtext"),
    ] {
        let (csr, keys_at) = unarmoured(file).unwrap();
        let request = CertificateRequest::from_csr(&csr).unwrap();
        assert_eq!(request.names.to_string(), format!("{name}.demo.hypermesh"));
        assert_eq!(keys_at, Vec::<usize>::new());
    }
    for same in [
        PLAIN.replace('\n', "\r\n"),
        PLAIN.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        PLAIN.trim_end().to_owned(),
        PLAIN.replace("\nMI", "\n\n \nM I"),
        PLAIN.replace(BEGINS, &format!("{BEGINS}Comment: by hand\nX: y\n\n")),
        format!("Certificate Request:\n    Data: 0\n{PLAIN}"),
    ] {
        assert_eq!(unarmoured(same.as_bytes()).as_ref(), Ok(&(plain(), vec![])), "{same}");
    }
    let latin = [b"Gr\xfc\xdfe\n", PLAIN.as_bytes()].concat();
    assert_eq!(unarmoured(&latin), Ok((plain(), vec![])));
    assert_eq!(unarmoured(&plain()), Ok((plain(), vec![])), "DER");
}

#[test]
fn a_key_beside_the_request_is_not_read_and_its_line_is_told() {
    let certificate = PLAIN.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    assert_eq!(unarmoured(format!("{KEY}{PLAIN}").as_bytes()), Ok((plain(), vec![1])));
    let many = format!("{certificate}{PLAIN}{}", KEY.replace("PRIVATE", "EC PRIVATE"));
    assert_eq!(unarmoured(many.as_bytes()), Ok((plain(), vec![13])));
}

#[test]
fn what_they_do_not_take_is_refused_with_its_line() {
    assert_eq!(
        said(include_bytes!("fixtures/two_requests.pem")).split(',').next(),
        Some("line 8: a second certificate request")
    );
    assert!(
        said(include_bytes!("fixtures/indented.pem"))
            .starts_with("line 1: there are blanks before -----BEGIN")
    );
    let wide: Vec<u8> = PLAIN.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked: Vec<u8> =
        [&[0xfe, 0xff][..], &PLAIN.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>()].concat();
    for wide in [wide, marked] {
        assert!(said(wide).contains("UTF-16"));
    }
    let bare: String = PLAIN.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n");
    assert!(said(&bare).starts_with(
        "base64 without PEM boundaries: add the line -----BEGIN CERTIFICATE \
        REQUEST-----"
    ));
    let escaped = PLAIN.replace('\n', "\\n");
    let ended = escaped.trim_end_matches("\\n").to_owned();
    for escaped in
        [ended, escaped.clone(), format!("\"{escaped}\""), format!("{{\n  \"csr\": \"{escaped}\"\n}}\n")]
    {
        assert!(said(&escaped).contains("the line ends are written as \\n"), "{}", said(&escaped));
    }
    assert!(
        said(PLAIN.replace('\n', ""))
            .starts_with("line 1: expected -----BEGIN and a label, and -----, in one")
    );
    assert!(said(PLAIN.to_lowercase()).starts_with("no certificate request in it"));
    assert!(
        said(PLAIN.replace("CERTIFICATE REQUEST", "CERTIFICATE")).ends_with("found CERTIFICATE at line 1")
    );
    assert!(said(KEY).ends_with("found PRIVATE KEY at line 1"));
    for nothing in ["", "\u{feff}", "hello", "00", "-----BEGIN", "0,1"] {
        assert!(said(nothing).starts_with("no certificate request in it"), "{nothing:?}: {}", said(nothing));
    }
    assert!(
        said(PLAIN.replace("REQUEST-----\nMI", "REQUEST----\nMI")).starts_with("line 1: expected -----BEGIN")
    );
    assert_eq!(
        said(BEGINS),
        "line 1: -----BEGIN CERTIFICATE REQUEST----- has no -----END CERTIFICATE REQUEST----- after it"
    );
    assert!(said(format!("{BEGINS}{PLAIN}")).ends_with("after it and before line 2"));
    assert!(
        said(PLAIN.replace("END CERTIFICATE", "END NEW CERTIFICATE")).ends_with("after it and before line 6")
    );
}

#[test]
fn a_character_that_is_not_base64_is_told_by_line_and_column() {
    assert_eq!(said(PLAIN.replace("\nL+D3", "\nL+D*")), "line 3, column 4: '*' is not base64");
    let cut: String = PLAIN.replacen("Kzpz0", "zpz0", 1).replacen("C9vgK\n", "C9vg\n", 1);
    assert_ne!(cut, PLAIN);
    assert_eq!(said(cut), "lines 1 to 5: the base64 is cut short or padded wrongly");
}

#[test]
fn the_length_of_a_file_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("request.pem");
    for (bytes, may) in [(FILE_BYTES_MAX, true), (FILE_BYTES_MAX + 1, false)] {
        let text = format!("{PLAIN}{}", "#".repeat(bytes - PLAIN.len()));
        std::fs::write(&path, text).unwrap();
        assert_eq!(read(&path).is_ok(), may, "{bytes}");
    }
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "(-----BEGIN [A-Z ]{0,8}-----|-----END [A-Z ]{0,8}-----|[A-Za-z0-9+/= :\\\\n]{0,20}|\n){0,12}".prop_map(String::into_bytes),
        (0..PLAIN.len(), any::<u8>()).prop_map(|(at, byte)| {
            let mut bytes = PLAIN.as_bytes().to_vec();
            bytes[at] = byte;
            bytes
        }),
    ]) {
        if let Ok((csr, _)) = unarmoured(&bytes) {
            drop(CertificateRequest::from_csr(&csr));
        }
    }
}
