//! The file of a certificate request that somebody else made: DER, or PEM in whatever shape OpenSSL and Go take.
//!
//! Taken are a byte-order mark, text before and after, lines of any width, blanks at their ends, headers (RFC 1421), and other
//! blocks besides, of which none is decoded: a private key stays unread. Refused, with the line, is what those two refuse, and
//! a second request, of which one would be certified and the other forgotten.

use crate::failure::{Exit, Failure};
use crate::file;
use crate::output::Output;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hypermesh_core::trustchain::ca::{CertificateRequest, IgnoredAttribute};
use std::path::Path;

/// The longest file that is looked at: a request, the text that `openssl req -text` puts before it, keys and certificates.
const FILE_BYTES_MAX: usize = 64 * 1024;
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// Labels of a request: RFC 7468 §7, and what old programs write.
const REQUEST_LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// A request out of a file.
pub(super) struct RequestFile {
    /// The request, DER.
    pub(super) csr: Vec<u8>,
    /// What is taken from it.
    pub(super) request: CertificateRequest,
    /// What it asks for and does not get.
    pub(super) not_given: Vec<IgnoredAttribute>,
    keys_at: Vec<usize>,
}

/// Why a file holds no request that could be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ArmourFault {
    #[error(
        "the file is in UTF-16: save it as ASCII or UTF-8 (in PowerShell, with Out-File -Encoding ascii)"
    )]
    Utf16,
    #[error(
        "base64 without PEM boundaries: add the line -----BEGIN CERTIFICATE REQUEST----- before it and the \
        line -----END CERTIFICATE REQUEST----- after it"
    )]
    BareBase64,
    #[error(
        "line {line}: the line ends are written as \\n, as in JSON: put real ones in their place, as with printf '%b'"
    )]
    EscapedLineEnds { line: usize },
    #[error(
        "line {line}: there are blanks before -----BEGIN, which OpenSSL does not take either: remove the indentation"
    )]
    Indented { line: usize },
    #[error("line {line}: expected -----BEGIN and a label, and -----, in one line")]
    Begin { line: usize },
    #[error("line {line}: -----BEGIN {label}----- has no -----END {label}----- after it{}", .before.map_or_else(String::new, |before| format!(" and before line {before}")))]
    Unclosed { line: usize, label: String, before: Option<usize> },
    #[error(
        "line {second}: a second certificate request, after the one at line {first}: give them in files of their own"
    )]
    Second { first: usize, second: usize },
    #[error("no certificate request in it: expected -----BEGIN CERTIFICATE REQUEST----- or DER{}", also(.found))]
    NoRequest { found: Vec<(String, usize)> },
    #[error("line {line}, column {column}: {character:?} is not base64")]
    Base64 { line: usize, column: usize, character: char },
    #[error("lines {first} to {last}: the base64 is cut short or padded wrongly")]
    Padding { first: usize, last: usize },
}

/// Reads a request, and checks its signature.
///
/// # Errors
/// If the file cannot be read, or does not hold one request that is taken.
pub(super) fn read(path: &Path) -> Result<RequestFile, Failure> {
    let fault =
        |reason: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {reason}", path.display()));
    let bytes = file::read(path, FILE_BYTES_MAX)?;
    let (csr, keys_at) = unarmoured(&bytes).map_err(|error| fault(&error))?;
    let request = CertificateRequest::from_csr(&csr).map_err(|error| fault(&error))?;
    let not_given = request.ignored_attributes(&csr).map_err(|error| fault(&error))?;
    Ok(RequestFile { csr, request, not_given, keys_at })
}

impl RequestFile {
    /// Reports which parts of the file were not read, and which requested items are not granted.
    pub(super) fn tell(&self, path: &Path, output: Output) {
        for line in &self.keys_at {
            output.tell(format_args!(
                "{}: the private key at line {line} was not read: keep keys out of files that you send",
                path.display()
            ));
        }
        let asked: Vec<String> = self.not_given.iter().map(ToString::to_string).collect();
        match asked.as_slice() {
            [] => {}
            [one] => output.tell(format_args!("{one} was requested and not granted")),
            several => output.tell(format_args!("{} were requested and not granted", several.join(", "))),
        }
    }
}

/// The DER in the bytes of a file, and the lines at which private keys begin.
fn unarmoured(bytes: &[u8]) -> Result<(Vec<u8>, Vec<usize>), ArmourFault> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || is_wide(bytes) {
        return Err(ArmourFault::Utf16);
    }
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match text.windows(BEGIN.len()).any(|window| window == BEGIN) {
        true => from_blocks(text),
        false if is_bare_base64(text) => Err(ArmourFault::BareBase64),
        // A request in DER is never all text: its version is a zero byte.
        false if text.first() == Some(&DER_SEQUENCE) && text.contains(&0) => Ok((text.to_vec(), Vec::new())),
        false => Err(ArmourFault::NoRequest { found: Vec::new() }),
    }
}

/// The one request among the blocks of a text.
fn from_blocks(text: &[u8]) -> Result<(Vec<u8>, Vec<usize>), ArmourFault> {
    let (blocks, ignored) = blocks(text)?;
    let is_key = |block: &&Block<'_>| block.label.ends_with("PRIVATE KEY");
    let keys_at = blocks.iter().filter(is_key).map(|block| block.line).collect();
    let mut requests = blocks.iter().filter(|block| REQUEST_LABELS.contains(&block.label.as_str()));
    let Some(request) = requests.next() else {
        let found = blocks.iter().map(|block| (block.label.clone(), block.line)).collect();
        return Err(ignored.unwrap_or(ArmourFault::NoRequest { found }));
    };
    match requests.next() {
        Some(second) => Err(ArmourFault::Second { first: request.line, second: second.line }),
        None => Ok((request.decode()?, keys_at)),
    }
}

/// What stands between a `-----BEGIN` and its `-----END`.
struct Block<'a> {
    label: String,
    line: usize,
    lines: Vec<(usize, &'a [u8])>,
}

/// The blocks of a text, and the first line that only looks like the beginning of one.
fn blocks(text: &[u8]) -> Result<(Vec<Block<'_>>, Option<ArmourFault>), ArmourFault> {
    let (mut blocks, mut open, mut ignored) = (Vec::new(), None::<Block<'_>>, None);
    let unclosed = |block: &Block<'_>, before| {
        Err(ArmourFault::Unclosed { line: block.line, label: block.label.clone(), before })
    };
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let line = line.trim_ascii_end();
        let Some(block) = &mut open else {
            match begun(line, number) {
                Ok(label) => open = label.map(|label| Block { label, line: number, lines: Vec::new() }),
                Err(fault) => ignored = ignored.or(Some(fault)),
            }
            continue;
        };
        match boundary(line, END) {
            Some(label) if label == block.label.as_bytes() => blocks.extend(open.take()),
            Some(_) => return unclosed(block, Some(number)),
            None if line.starts_with(BEGIN) => return unclosed(block, Some(number)),
            None => block.lines.push((number, line)),
        }
    }
    match open {
        Some(block) => unclosed(&block, None),
        None => Ok((blocks, ignored)),
    }
}

/// The label of the block that begins with a line, if one does.
fn begun(line: &[u8], number: usize) -> Result<Option<String>, ArmourFault> {
    if let Some(label) = boundary(line, BEGIN) {
        return Ok(Some(String::from_utf8_lossy(label).into_owned()));
    }
    let Some(at) = line.windows(BEGIN.len()).position(|window| window == BEGIN) else { return Ok(None) };
    let before = line.get(..at).unwrap_or_default();
    if line.windows(2).any(|window| window == br"\n") {
        return Err(ArmourFault::EscapedLineEnds { line: number });
    }
    match before {
        [] => Err(ArmourFault::Begin { line: number }),
        blanks if blanks.trim_ascii().is_empty() => Err(ArmourFault::Indented { line: number }),
        _ => Ok(None),
    }
}

/// The label in a line that is a boundary of this kind and nothing else.
fn boundary<'a>(line: &'a [u8], kind: &[u8]) -> Option<&'a [u8]> {
    let is_label = |label: &&[u8]| {
        let printable = label.iter().all(|byte| matches!(byte, b' '..=b'~'));
        !label.is_empty() && printable && !label.windows(DASHES.len()).any(|window| window == DASHES)
    };
    line.strip_prefix(kind)?.strip_suffix(DASHES).filter(is_label)
}

impl Block<'_> {
    /// The decoded base64. Blanks and headers, which end with an empty line, are skipped.
    fn decode(&self) -> Result<Vec<u8>, ArmourFault> {
        let has_headers = self.lines.first().is_some_and(|(_, line)| line.contains(&b':'));
        let headers = self.lines.iter().position(|(_, line)| line.is_empty()).filter(|_| has_headers);
        let lines = self.lines.get(headers.unwrap_or(0)..).unwrap_or_default();
        let (mut base64, mut places) = (Vec::new(), Vec::new());
        for (number, line) in lines {
            for (column, byte) in (1..).zip(*line).filter(|(_, byte)| !byte.is_ascii_whitespace()) {
                base64.push(*byte);
                places.push((*number, column));
            }
        }
        BASE64_STANDARD.decode(&base64).map_err(|error| match error {
            base64::DecodeError::InvalidByte(at, byte) if byte != b'=' => {
                let (line, column) = places.get(at).copied().unwrap_or((self.line, 1));
                ArmourFault::Base64 { line, column, character: char::from(byte) }
            }
            _ => {
                let last = lines.last().map_or(self.line, |(number, _)| *number);
                ArmourFault::Padding { first: self.line, last }
            }
        })
    }
}

/// Whether every second one of the first bytes is zero, as in UTF-16 without a byte-order mark.
fn is_wide(bytes: &[u8]) -> bool {
    matches!(bytes, [0, b'-', 0, b'-', ..] | [b'-', 0, b'-', 0, ..])
}

fn is_bare_base64(text: &[u8]) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(digits).is_ok_and(|der| der.first() == Some(&DER_SEQUENCE))
}

fn also(found: &[(String, usize)]) -> String {
    let found: Vec<String> = found.iter().map(|(label, line)| format!("{label} at line {line}")).collect();
    if found.is_empty() { String::new() } else { format!("; found {}", found.join(", ")) }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// The first byte of a request in DER.
const DER_SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests;
