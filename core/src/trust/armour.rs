//! PEM armour (RFC 7468) for what this mesh alone reads, in one form only: lines of 64 characters, one block,
//! nothing before or behind it. So a changed bit is seen wherever it stands.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use base64::prelude::{BASE64_STANDARD, Engine};

/// Bytes in armour.
pub(super) fn armour(label: &str, bytes: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(bytes);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE_BYTES) {
        pem.push_str(core::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// The bytes in this armour; `None` if it is not exactly what [`armour`] makes of them. Lines may end as on
/// Windows, and the end of the last one may be missing.
pub(super) fn unarmour(label: &str, text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    // Four characters for three bytes, and an end of line of two for each 64.
    if text.len() > 2 * bytes_max + 4 * LINE_BYTES {
        return None;
    }
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let body = text.strip_prefix(&format!("-----BEGIN {label}-----\n"))?;
    let body = body.strip_suffix(&format!("-----END {label}-----"))?;
    let bytes = BASE64_STANDARD.decode(body.replace('\n', "")).ok()?;
    (armour(label, &bytes).strip_suffix('\n') == Some(text)).then_some(bytes)
}

/// What armour holds, put into armour again, for the fuzzer.
#[cfg(hypermesh_fuzzing)]
#[must_use]
pub fn armour_again(label: &str, text: &str, bytes_max: usize) -> Option<String> {
    unarmour(label, text, bytes_max).map(|bytes| armour(label, &bytes))
}

const LINE_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_armour_comes_out_and_any_changed_bit_shows() {
        for length in [0, 1, 47, 48, 49, 200] {
            let bytes: Vec<u8> = (0..length).collect();
            let text = armour("TEST", &bytes);
            assert_eq!(unarmour("TEST", &text, 200), Some(bytes.clone()));
            assert_eq!(unarmour("TEST", &text.replace('\n', "\r\n"), 200), Some(bytes.clone()));
            assert_eq!(unarmour("OTHER", &text, 200), None);
            for bit in 0..text.len() * 8 {
                let mut changed = text.clone().into_bytes();
                changed[bit / 8] ^= 1 << (bit % 8);
                if let Ok(changed) = String::from_utf8(changed) {
                    assert_ne!(unarmour("TEST", &changed, 200), Some(bytes.clone()), "bit {bit}");
                }
            }
        }
    }
}
