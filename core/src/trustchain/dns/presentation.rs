//! Records as people type them: the presentation form of RFC 1035 §5.1, RFC 6698 §2.2 (TLSA), RFC 8659 §4.1.1 (CAA),
//! RFC 9460 §2.1 (SVCB and HTTPS), RFC 4255 §3.2 (SSHFP), RFC 3403 §4.1 (NAPTR), and RFC 3597 §5 for types that have no
//! fields here. Types that have some are written by these alone.
//!
//! What is printed parses back to the same record. Names are always absolute; the final dot may be left out.
//! One convenience beyond the standards: TXT data that does not begin with a quote is taken as one literal
//! text, blanks and backslashes included, so that the quotes that a shell eats need no second pair.

use super::fields::{Expected, Fields};
use super::{
    CHARACTER_STRING_BYTES_MAX, Octets, RecordData, RecordDataFault, RecordType, Soa, SvcbKey,
    SvcbParameters, UnknownType,
};
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// The most bytes of presentation form that are looked at.
pub const PRESENTATION_BYTES_MAX: usize = 8192;

/// A text that is not a record of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresentationFault {
    /// More than could be a record.
    #[error("a value of {bytes} bytes, at most {PRESENTATION_BYTES_MAX} are allowed")]
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
            Self::Mx => "10 mail.demo.hypermesh",
            Self::Https => "1 . alpn=h2,h3",
            Self::Sshfp => "4 2 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            Self::Naptr => "100 10 \"S\" \"SIP+D2U\" \"\" _sip._udp.demo.hypermesh",
            Self::Unknown(_) => "\\# 4 0a000001",
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
    if let RecordType::Unknown(record_type) = record_type {
        return parse_unknown(record_type, text);
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
        RecordType::Svcb | RecordType::Https => parse_binding(record_type, &mut fields)?,
        RecordType::Txt => RecordData::Txt(fields.rest().map(Octets).collect()),
        RecordType::Tlsa => RecordData::Tlsa {
            usage: fields.next("a usage from 0 to 3")?,
            selector: fields.next("a selector of 0 or 1 after the usage")?,
            matching: fields.next("a matching type from 0 to 2 after the selector")?,
            data: hexadecimal(&mut fields, "hexadecimal digits, two for each byte, after the matching type")?,
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
        RecordType::Mx => RecordData::Mx {
            preference: fields.next("a preference from 0 to 65535")?,
            exchange: fields.target("a mail server, or . for no mail, after the preference")?,
        },
        RecordType::Sshfp => RecordData::Sshfp {
            algorithm: fields.next("an algorithm from 1 to 255, such as 4 for Ed25519")?,
            fingerprint_type: fields.next("a fingerprint type of 1 or 2 after the algorithm")?,
            fingerprint: hexadecimal(
                &mut fields,
                "hexadecimal digits, two for each byte, after the fingerprint type",
            )?,
        },
        RecordType::Naptr => parse_naptr(&mut fields)?,
        RecordType::Unknown(_) => return Err(UNKNOWN_FORM),
    };
    fields.end()?;
    Ok(data)
}

const UNKNOWN_FORM: Expected = "\\#, the number of bytes, and the bytes in hexadecimal digits (RFC 3597)";

/// `\# 4 0A000001`, the digits in one or more words.
fn parse_unknown(record_type: UnknownType, text: &str) -> Result<RecordData, Expected> {
    let mut words = text.split_ascii_whitespace();
    let (marker, length) = (words.next(), words.next());
    let length: usize = length.and_then(|length| length.parse().ok()).ok_or(UNKNOWN_FORM)?;
    let data = hex::decode(words.collect::<String>()).map_err(|_| UNKNOWN_FORM)?;
    match marker == Some("\\#") && data.len() == length {
        true => Ok(RecordData::Unknown { record_type, data }),
        false => Err(UNKNOWN_FORM),
    }
}

fn parse_binding(record_type: RecordType, fields: &mut Fields) -> Result<RecordData, Expected> {
    let priority = fields.next("a priority from 0 to 65535")?;
    let target = fields.target("a target, or . for the name itself, after the priority")?;
    let parameters = parse_parameters(fields)?;
    Ok(match record_type {
        RecordType::Https => RecordData::Https { priority, target, parameters },
        _ => RecordData::Svcb { priority, target, parameters },
    })
}

fn parse_naptr(fields: &mut Fields) -> Result<RecordData, Expected> {
    Ok(RecordData::Naptr {
        order: fields.next("an order from 0 to 65535")?,
        preference: fields.next("a preference from 0 to 65535 after the order")?,
        flags: Octets(fields.bytes("flags, or \"\", after the preference")?),
        services: Octets(fields.bytes("services, or \"\", after the flags")?),
        regexp: Octets(fields.bytes("a regular expression, or \"\", after the services")?),
        replacement: fields.target("a name, or . for none, after the regular expression")?,
    })
}

fn hexadecimal(fields: &mut Fields, expected: Expected) -> Result<Vec<u8>, Expected> {
    hex::decode(fields.rest().collect::<Vec<_>>().concat()).map_err(|_| expected)
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
