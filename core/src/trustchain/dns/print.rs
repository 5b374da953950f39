//! Records as people read them: what is printed here, [`RecordData::parse`] reads back to the same record.

use super::octets::escape;
use super::{Octets, RecordData, SvcbParameters};
use crate::trustchain::DomainName;
use core::fmt::{self, Write};

impl fmt::Display for RecordData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => write!(formatter, "{address}"),
            Self::Aaaa(address) => write!(formatter, "{address}"),
            Self::Srv { priority, weight, port, target } => {
                write!(formatter, "{priority} {weight} {port} {}", Target(target.as_ref()))
            }
            Self::Svcb { priority, target, parameters } | Self::Https { priority, target, parameters } => {
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
            Self::Mx { preference, exchange } => {
                write!(formatter, "{preference} {}", Target(exchange.as_ref()))
            }
            Self::Sshfp { algorithm, fingerprint_type, fingerprint } => {
                write!(formatter, "{algorithm} {fingerprint_type} {}", hex::encode(fingerprint))
            }
            Self::Naptr { order, preference, flags, services, regexp, replacement } => {
                write!(formatter, "{order} {preference} ")?;
                write_list([flags, services, regexp].into_iter().map(Quoted), " ", formatter)?;
                write!(formatter, " {}", Target(replacement.as_ref()))
            }
            Self::Unknown { data, .. } if data.is_empty() => formatter.write_str("\\# 0"),
            Self::Unknown { data, .. } => write!(formatter, "\\# {} {}", data.len(), hex::encode(data)),
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
