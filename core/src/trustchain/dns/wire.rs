//! Between our records and hickory-proto's, whose wire format is the only one.

use super::resolve::QueriedTypes;
use super::{RecordData, RecordType, Soa, SvcbKey, SvcbParameters};
use crate::trustchain::DomainName;
use alloc::string::String;
use alloc::vec::Vec;
use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory, SvcParamKey, SvcParamValue};
use hickory_proto::rr::rdata::{
    A, AAAA, CAA, CNAME, HTTPS, MX, NAPTR, NS, NULL, PTR, SOA, SRV, SSHFP, SVCB, TLSA, TXT,
};
use hickory_proto::rr::{self, Name, RData};

/// The name on the wire.
pub(super) fn to_name(name: &DomainName) -> Name {
    let mut labels = Name::new();
    labels.set_fqdn(true);
    name.labels().fold(labels, |labels, label| {
        labels.append_label(label.as_bytes()).expect("a domain name is at most 253 characters and so fits")
    })
}

/// The name that a name on the wire is, if it can be one.
pub(super) fn to_domain_name(name: &Name) -> Option<DomainName> {
    join(name.iter())
}

/// The longest part of a name, from the right, that can be a domain name.
pub(super) fn storable_ancestor(name: &Name) -> Option<DomainName> {
    let labels: Vec<&[u8]> = name.iter().collect();
    (1..labels.len()).find_map(|skipped| join(labels.iter().skip(skipped).copied()))
}

fn join<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Option<DomainName> {
    let mut text = String::with_capacity(Name::MAX_LENGTH);
    for label in labels {
        // A dot inside of a label must not pass for one between labels, nor raw UTF-8 for the A-label that it stands for.
        if label.contains(&b'.') || !label.is_ascii() {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(core::str::from_utf8(label).ok()?);
    }
    text.parse().ok()
}

/// What a question for this type asks for.
pub(super) fn queried_types(record_type: rr::RecordType) -> QueriedTypes {
    match record_type {
        rr::RecordType::ANY => QueriedTypes::Any,
        record_type => QueriedTypes::Type(RecordType::from_number(u16::from(record_type))),
    }
}

/// A record's data on the wire.
pub(super) fn to_rdata(data: &RecordData) -> RData {
    match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Srv { priority, weight, port, target } => {
            RData::SRV(SRV::new(*priority, *weight, *port, to_target(target.as_ref())))
        }
        RecordData::Svcb { priority, target, parameters } => {
            RData::SVCB(to_binding(*priority, target.as_ref(), parameters))
        }
        RecordData::Txt(strings) => {
            RData::TXT(TXT::from_bytes(strings.iter().map(|string| string.0.as_slice()).collect()))
        }
        RecordData::Tlsa { usage, selector, matching, data } => {
            RData::TLSA(TLSA::new((*usage).into(), (*selector).into(), (*matching).into(), data.clone()))
        }
        RecordData::Cname(target) => RData::CNAME(CNAME(to_name(target))),
        RecordData::Caa { critical, tag, value } => {
            // The only constructor for a tag of any kind.
            let mut caa = CAA::new_issue(*critical, None, Vec::new());
            caa.tag.clone_from(tag);
            caa.value.clone_from(&value.0);
            RData::CAA(caa)
        }
        RecordData::Ptr(target) => RData::PTR(PTR(to_name(target))),
        RecordData::Soa(soa) => RData::SOA(to_soa(soa)),
        RecordData::Ns(target) => RData::NS(NS(to_name(target))),
        RecordData::Mx { preference, exchange } => {
            RData::MX(MX::new(*preference, to_target(exchange.as_ref())))
        }
        RecordData::Https { priority, target, parameters } => {
            RData::HTTPS(HTTPS(to_binding(*priority, target.as_ref(), parameters)))
        }
        RecordData::Sshfp { algorithm, fingerprint_type, fingerprint } => {
            RData::SSHFP(SSHFP::new((*algorithm).into(), (*fingerprint_type).into(), fingerprint.clone()))
        }
        RecordData::Naptr { order, preference, flags, services, regexp, replacement } => {
            let [flags, services, regexp] =
                [flags, services, regexp].map(|string| string.0.as_slice().into());
            let replacement = to_target(replacement.as_ref());
            RData::NAPTR(NAPTR::new(*order, *preference, flags, services, regexp, replacement))
        }
        RecordData::Unknown { record_type, data } => {
            let rdata = if data.is_empty() { NULL::new() } else { NULL::with(data.clone()) };
            RData::Unknown { code: record_type.record_type().number().into(), rdata }
        }
    }
}

fn to_binding(priority: u16, target: Option<&DomainName>, parameters: &SvcbParameters) -> SVCB {
    SVCB::new(priority, to_target(target), to_parameters(parameters))
}

fn to_target(target: Option<&DomainName>) -> Name {
    target.map_or_else(Name::root, to_name)
}

fn to_soa(soa: &Soa) -> SOA {
    // hickory keeps these three signed; past 68 years the difference is nobody's.
    let signed = |seconds: u32| i32::try_from(seconds).unwrap_or(i32::MAX);
    SOA::new(
        to_name(&soa.primary),
        to_name(&soa.responsible),
        soa.serial,
        signed(soa.refresh_seconds),
        signed(soa.retry_seconds),
        signed(soa.expire_seconds),
        soa.negative_ttl_seconds,
    )
}

/// In the order of their numbers, as RFC 9460 §2.2 demands.
fn to_parameters(parameters: &SvcbParameters) -> Vec<(SvcParamKey, SvcParamValue)> {
    let SvcbParameters { mandatory, alpn, no_default_alpn, port, ipv4_hint, ipv6_hint } = parameters;
    let mut out = Vec::new();
    if !mandatory.is_empty() {
        let keys = mandatory.iter().map(|key| to_key(*key)).collect();
        out.push((SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys))));
    }
    if !alpn.is_empty() {
        out.push((SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(alpn.clone()))));
    }
    if *no_default_alpn {
        out.push((SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn));
    }
    if let Some(port) = port {
        out.push((SvcParamKey::Port, SvcParamValue::Port(*port)));
    }
    if !ipv4_hint.is_empty() {
        let hints = ipv4_hint.iter().copied().map(A).collect();
        out.push((SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(hints))));
    }
    if !ipv6_hint.is_empty() {
        let hints = ipv6_hint.iter().copied().map(AAAA).collect();
        out.push((SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(hints))));
    }
    out
}

const fn to_key(key: SvcbKey) -> SvcParamKey {
    match key {
        SvcbKey::Alpn => SvcParamKey::Alpn,
        SvcbKey::NoDefaultAlpn => SvcParamKey::NoDefaultAlpn,
        SvcbKey::Port => SvcParamKey::Port,
        SvcbKey::Ipv4Hint => SvcParamKey::Ipv4Hint,
        SvcbKey::Ipv6Hint => SvcParamKey::Ipv6Hint,
    }
}
