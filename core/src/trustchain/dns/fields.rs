//! The fields of a record in presentation form (RFC 1035 §5.1), one after the other.

use super::octets::take_escape;
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// What should have stood in a place.
pub(super) type Expected = &'static str;

/// The fields of a record: separated by blanks, with quotes around blanks and `\` escapes.
pub(super) struct Fields(alloc::vec::IntoIter<Vec<u8>>);

impl Fields {
    pub(super) fn of(text: &str) -> Result<Self, Expected> {
        let mut fields = Vec::new();
        let mut rest = text.as_bytes();
        loop {
            rest = rest.trim_ascii_start();
            if rest.is_empty() {
                return Ok(Self(fields.into_iter()));
            }
            let (field, after) = take_field(rest).ok_or("matching quotes, and escapes of \\X or \\DDD")?;
            fields.push(field);
            rest = after;
        }
    }

    pub(super) fn bytes(&mut self, expected: Expected) -> Result<Vec<u8>, Expected> {
        self.0.next().ok_or(expected)
    }

    pub(super) fn next<T: FromStr>(&mut self, expected: Expected) -> Result<T, Expected> {
        let text = String::from_utf8(self.bytes(expected)?).map_err(|_| expected)?;
        text.parse().map_err(|_| expected)
    }

    pub(super) fn target(&mut self, expected: Expected) -> Result<Option<DomainName>, Expected> {
        let text: String = self.next(expected)?;
        if text == "." { Ok(None) } else { text.parse().map(Some).map_err(|_| expected) }
    }

    pub(super) fn rest(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.0.by_ref()
    }

    pub(super) fn end(mut self) -> Result<(), Expected> {
        if self.0.next().is_none() { Ok(()) } else { Err("nothing after the last field") }
    }
}

/// The first field of `text`, which is not blank, and what follows it.
fn take_field(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut field = Vec::new();
    let mut quoted = false;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        match byte {
            b'"' => {
                quoted = !quoted;
                rest = after;
                // A quote that closes ends the field: what follows it without a blank is a mistake.
                if !quoted && !after.first().is_none_or(u8::is_ascii_whitespace) {
                    return None;
                }
            }
            b'\\' => {
                let (escaped, after) = take_escape(after)?;
                field.push(escaped);
                rest = after;
            }
            byte if byte.is_ascii_whitespace() && !quoted => break,
            byte => {
                field.push(*byte);
                rest = after;
            }
        }
    }
    if quoted { None } else { Some((field, rest)) }
}
