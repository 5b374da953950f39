//! Records as people type and read them: the presentation form of RFC 1035 §5.1, RFC 6698 §2.2 (TLSA),
//! RFC 8659 §4.1.1 (CAA) and RFC 9460 §2.1 (SVCB).
//!
//! What is printed parses back to the same record. Names are always absolute; the final dot may be left out.
//! One convenience beyond the standards: TXT data that does not begin with a quote is taken as one literal
//! text, blanks and backslashes included, so that the quotes that a shell eats need no second pair.

use super::fields::{Expected, Fields};
use super::octets::escape;
use super::{
    CHARACTER_STRING_BYTES_MAX, Octets, RecordData, RecordDataFault, RecordType, Soa, SvcbKey, SvcbParameters,
};
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::str::FromStr;

/// The most bytes of presentation form that are looked at.
pub const PRESENTATION_BYTES_MAX: usize = 8192;

/// A text that is not a record of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationFault {
    /// More than could be a record.
    #[error("a value of {bytes} bytes where at most {PRESENTATION_BYTES_MAX} are allowed")]
    TooLong {
        /// How many came.
        bytes: usize,
    },
    /// A field that is missing, left over or not what stands there.
    #[error("not {record_type} data: expected {expected}, for example '{example}'")]
    Malformed {
        /// The type asked for.
        record_type: RecordType,
        /// What should have stood there.
        expected: &'static str,
        /// A value of this type.
        example: &'static str,
    },
    /// Well formed, but with data that a record of this type may not have.
    #[error("{fault}; for example '{example}'")]
    Data {
        /// What is wrong.
        fault: RecordDataFault,
        /// A value of this type.
        example: &'static str,
    },
}

impl RecordType {
    /// A value of this type in presentation form.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::A => "192.0.2.7",
            Self::Aaaa => "2001:db8::7",
            Self::Srv => "0 5 8443 web.demo.hypermesh",
            Self::Svcb => "1 web.demo.hypermesh alpn=stoq/1 port=8443",
            Self::Txt => "owner=demo",
            Self::Tlsa => "3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            Self::Cname | Self::Ptr | Self::Ns => "web.demo.hypermesh",
            Self::Caa => "0 issue \"hypermesh\"",
            Self::Soa => "ns.hypermesh hostmaster.hypermesh 1 3600 600 86400 60",
        }
    }
}

impl RecordData {
    /// The record of this type that `text` is the presentation form of.
    ///
    /// # Errors
    /// If it is not one, or [`Self::check`] finds a fault in it.
    pub fn parse(record_type: RecordType, text: &str) -> Result<Self, PresentationFault> {
        if text.len() > PRESENTATION_BYTES_MAX {
            return Err(PresentationFault::TooLong { bytes: text.len() });
        }
        let example = record_type.example();
        let data = parse_data(record_type, text).map_err(|expected| PresentationFault::Malformed {
            record_type,
            expected,
            example,
        })?;
        data.check().map_err(|fault| PresentationFault::Data { fault, example })?;
        Ok(data)
    }
}

fn parse_data(record_type: RecordType, text: &str) -> Result<RecordData, Expected> {
    if record_type == RecordType::Txt && !text.trim_start().starts_with('"') {
        return Ok(literal_text(text));
    }
    let mut fields = Fields::of(text)?;
    let data = match record_type {
        RecordType::A => RecordData::A(fields.next("an IPv4 address")?),
        RecordType::Aaaa => RecordData::Aaaa(fields.next("an IPv6 address")?),
        RecordType::Srv => RecordData::Srv {
            priority: fields.next("a priority from 0 to 65535")?,
            weight: fields.next("a weight from 0 to 65535 after the priority")?,
            port: fields.next("a port from 0 to 65535 after the weight")?,
            target: fields.target("a target, or . for no service, after the port")?,
        },
        RecordType::Svcb => RecordData::Svcb {
            priority: fields.next("a priority from 0 to 65535")?,
            target: fields.target("a target, or . for the name itself, after the priority")?,
            parameters: parse_parameters(&mut fields)?,
        },
        RecordType::Txt => RecordData::Txt(fields.rest().map(Octets).collect()),
        RecordType::Tlsa => RecordData::Tlsa {
            usage: fields.next("a usage from 0 to 3")?,
            selector: fields.next("a selector of 0 or 1 after the usage")?,
            matching: fields.next("a matching type from 0 to 2 after the selector")?,
            data: hex::decode(fields.rest().collect::<Vec<_>>().concat())
                .map_err(|_| "hexadecimal digits, two for each byte, after the matching type")?,
        },
        RecordType::Cname => RecordData::Cname(fields.next("the name that this one is an alias of")?),
        RecordType::Caa => parse_caa(&mut fields)?,
        RecordType::Ptr => RecordData::Ptr(fields.next("the name of the address")?),
        RecordType::Soa => RecordData::Soa(Soa {
            primary: fields.next("the name of the primary server")?,
            responsible: fields.next("the responsible mailbox as a name after the primary server")?,
            serial: fields.next("a serial number after the mailbox")?,
            refresh_seconds: fields.next("the refresh time in seconds after the serial number")?,
            retry_seconds: fields.next("the retry time in seconds after the refresh time")?,
            expire_seconds: fields.next("the expiry in seconds after the retry time")?,
            negative_ttl_seconds: fields.next("the negative time to live in seconds after the expiry")?,
        }),
        RecordType::Ns => RecordData::Ns(fields.next("the name of a name server")?),
    };
    fields.end()?;
    Ok(data)
}

fn literal_text(text: &str) -> RecordData {
    let mut strings: Vec<Octets> =
        text.as_bytes().chunks(CHARACTER_STRING_BYTES_MAX).map(|chunk| Octets(chunk.to_vec())).collect();
    if strings.is_empty() {
        strings.push(Octets::default());
    }
    RecordData::Txt(strings)
}

fn parse_caa(fields: &mut Fields) -> Result<RecordData, Expected> {
    let flags: u8 = fields.next("flags of 0, or 128 for critical")?;
    if flags & 0x7f != 0 {
        return Err("flags of 0, or 128 for critical");
    }
    let tag: String = fields.next("a tag such as issue after the flags")?;
    let value = Octets(fields.bytes("a value, in quotes if it has blanks, after the tag")?);
    Ok(RecordData::Caa { critical: flags != 0, tag: tag.to_ascii_lowercase(), value })
}

fn parse_parameters(fields: &mut Fields) -> Result<SvcbParameters, Expected> {
    let mut parameters = SvcbParameters::default();
    let mut seen = Vec::new();
    for field in fields.rest() {
        let field = String::from_utf8(field).map_err(|_| "parameters in ASCII")?;
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        if seen.iter().any(|earlier| earlier == key) {
            return Err("each parameter once");
        }
        match (key, value) {
            ("mandatory", Some(value)) => {
                parameters.mandatory = list(value, parse_key, "names of parameters after mandatory=")?;
                parameters.mandatory.sort_unstable();
            }
            ("alpn", Some(value)) => {
                parameters.alpn = list(value, parsed, "protocols separated by commas after alpn=")?;
            }
            ("no-default-alpn", None) => parameters.no_default_alpn = true,
            ("port", Some(value)) => {
                parameters.port = Some(value.parse().map_err(|_| "a port from 0 to 65535 after port=")?);
            }
            ("ipv4hint", Some(value)) => {
                parameters.ipv4_hint = list(value, parsed, "IPv4 addresses after ipv4hint=")?;
            }
            ("ipv6hint", Some(value)) => {
                parameters.ipv6_hint = list(value, parsed, "IPv6 addresses after ipv6hint=")?;
            }
            _ => return Err("mandatory=, alpn=, no-default-alpn, port=, ipv4hint= or ipv6hint="),
        }
        seen.push(String::from(key));
    }
    Ok(parameters)
}

fn list<T>(value: &str, parse: impl Fn(&str) -> Option<T>, expected: Expected) -> Result<Vec<T>, Expected> {
    value.split(',').map(|item| parse(item).ok_or(expected)).collect()
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    if text.is_empty() { None } else { text.parse().ok() }
}

fn parse_key(text: &str) -> Option<SvcbKey> {
    SvcbKey::ALL.into_iter().find(|key| key.name() == text)
}

impl fmt::Display for RecordData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(formatter, "{address}"),
            Self::Aaaa(address) => write!(formatter, "{address}"),
            Self::Srv { priority, weight, port, target } => {
                write!(formatter, "{priority} {weight} {port} {}", Target(target.as_ref()))
            }
            Self::Svcb { priority, target, parameters } => {
                write!(formatter, "{priority} {}", Target(target.as_ref()))?;
                write_parameters(parameters, formatter)
            }
            Self::Txt(strings) => write_list(strings.iter().map(Quoted), " ", formatter),
            Self::Tlsa { usage, selector, matching, data } => {
                write!(formatter, "{usage} {selector} {matching} {}", hex::encode(data))
            }
            Self::Caa { critical, tag, value } => {
                write!(formatter, "{} {tag} {}", if *critical { 128 } else { 0 }, Quoted(value))
            }
            Self::Cname(target) | Self::Ptr(target) | Self::Ns(target) => write!(formatter, "{target}."),
            Self::Soa(soa) => write!(
                formatter,
                "{}. {}. {} {} {} {} {}",
                soa.primary,
                soa.responsible,
                soa.serial,
                soa.refresh_seconds,
                soa.retry_seconds,
                soa.expire_seconds,
                soa.negative_ttl_seconds
            ),
        }
    }
}

fn write_parameters(parameters: &SvcbParameters, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !parameters.mandatory.is_empty() {
        formatter.write_str(" mandatory=")?;
        write_list(parameters.mandatory.iter().map(|key| key.name()), ",", formatter)?;
    }
    if !parameters.alpn.is_empty() {
        formatter.write_str(" alpn=")?;
        write_list(parameters.alpn.iter(), ",", formatter)?;
    }
    if parameters.no_default_alpn {
        formatter.write_str(" no-default-alpn")?;
    }
    if let Some(port) = parameters.port {
        write!(formatter, " port={port}")?;
    }
    if !parameters.ipv4_hint.is_empty() {
        formatter.write_str(" ipv4hint=")?;
        write_list(parameters.ipv4_hint.iter(), ",", formatter)?;
    }
    if !parameters.ipv6_hint.is_empty() {
        formatter.write_str(" ipv6hint=")?;
        write_list(parameters.ipv6_hint.iter(), ",", formatter)?;
    }
    Ok(())
}

fn write_list(
    items: impl Iterator<Item = impl fmt::Display>,
    separator: &str,
    formatter: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        write!(formatter, "{}{item}", if index == 0 { "" } else { separator })?;
    }
    Ok(())
}

struct Target<'a>(Option<&'a DomainName>);

impl fmt::Display for Target<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(formatter, "{name}."),
            None => formatter.write_char('.'),
        }
    }
}

struct Quoted<'a>(&'a Octets);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_char('"')?;
        escape(&self.0.0, b"\"\\", formatter)?;
        formatter.write_char('"')
    }
}
