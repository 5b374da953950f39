//! The fields of a record in presentation form (RFC 1035 §5.1), one after the other.

use super::octets::take_escape;
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// What should have stood in a place.
pub(super) type Expected = &'static str;

/// The fields of a record: separated by blanks, with quotes around blanks and `\` escapes.
pub(super) struct Fields(alloc::vec::IntoIter<Field>);

#[derive(Default)]
struct Field {
    /// What it says, without quotes and escapes.
    bytes: Vec<u8>,
    /// Whether a dot in it was escaped: then it stands in a label, not between two.
    has_escaped_dot: bool,
}

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
        self.0.next().map(|field| field.bytes).ok_or(expected)
    }

    pub(super) fn next<T: FromStr>(&mut self, expected: Expected) -> Result<T, Expected> {
        let Field { bytes, has_escaped_dot } = self.0.next().ok_or(expected)?;
        if has_escaped_dot {
            return Err(
                "a name with dots between its labels alone: \\. is a dot within one, which no name here has",
            );
        }
        let text = String::from_utf8(bytes).map_err(|_| expected)?;
        text.parse().map_err(|_| expected)
    }

    pub(super) fn target(&mut self, expected: Expected) -> Result<Option<DomainName>, Expected> {
        let text: String = self.next(expected)?;
        if text == "." { Ok(None) } else { text.parse().map(Some).map_err(|_| expected) }
    }

    pub(super) fn rest(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.0.by_ref().map(|field| field.bytes)
    }

    pub(super) fn end(mut self) -> Result<(), Expected> {
        if self.0.next().is_none() { Ok(()) } else { Err("nothing after the last field") }
    }
}

/// The first field of `text`, which is not blank, and what follows it.
fn take_field(text: &[u8]) -> Option<(Field, &[u8])> {
    let mut field = Field::default();
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
                field.bytes.push(escaped);
                field.has_escaped_dot |= escaped == b'.';
                rest = after;
            }
            byte if byte.is_ascii_whitespace() && !quoted => break,
            byte => {
                field.bytes.push(*byte);
                rest = after;
            }
        }
    }
    if quoted { None } else { Some((field, rest)) }
}
