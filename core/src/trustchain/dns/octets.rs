//! Bytes that are most often text, and how people see them (RFC 1035 §5.1).

use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt::{self, Write};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any bytes, most often text. People see them as ASCII with `\\` and, for what is not printable, `\DDD`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Octets(pub Vec<u8>);

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        escape(&self.0, b"\\", &mut text).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        unescape(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("expected text, other bytes written as \\DDD"))
    }
}

/// The byte that an escape stands for, what follows its backslash given, and what follows it.
pub(super) fn take_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [hundreds, tens, ones, rest @ ..] if hundreds.is_ascii_digit() => {
            let digits = [*hundreds, *tens, *ones];
            let value = core::str::from_utf8(&digits).ok()?.parse().ok()?;
            Some((value, rest))
        }
        [byte, rest @ ..] if !byte.is_ascii_digit() => Some((*byte, rest)),
        _ => None,
    }
}

/// Writes bytes as ASCII, with a backslash before those of `also`, and `\DDD` for what is not printable.
pub(super) fn escape(bytes: &[u8], also: &[u8], out: &mut impl Write) -> fmt::Result {
    for byte in bytes {
        match byte {
            byte if also.contains(byte) => write!(out, "\\{}", char::from(*byte))?,
            b' '..=b'~' => out.write_char(char::from(*byte))?,
            byte => write!(out, "\\{byte:03}")?,
        }
    }
    Ok(())
}

/// The bytes that an escaped text stands for.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'\\' {
            let (escaped, after) = take_escape(rest)?;
            bytes.push(escaped);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    Some(bytes)
}
