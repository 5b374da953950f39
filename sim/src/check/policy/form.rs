//! What may be in no block, whatever the state: operations that break a bound or a rule of form.
//!
//! `docs/protocol.md` ("Operations and batches", "Certificates and their consensus proof", "DNS"), `docs/discovery.md`
//! ("Limits"). Signatures are for the check `validity`.

use hypermesh_core::base::encode;
use hypermesh_core::state::{
    Action, AnnounceService, Attest, InstanceName, IssueCertificate, Location, Operation, SetRecords,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{CertificateRequest, SubjectNames};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType};
use idna::uts46::{AsciiDenyList, Hyphens, Uts46};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

const OPERATION_BYTES_MAX: usize = 64 * 1024;
const CSR_BYTES_MAX: usize = 4096;
const LIFETIME_SECONDS: core::ops::RangeInclusive<u32> = 300..=90 * 24 * 60 * 60;
const PORT_COUNT_MAX: usize = 16;
const TLSA_COUNT_MAX: usize = 64;
const NAME_COUNT_MAX: usize = 32;
const NAMES_BYTES_MAX: usize = 1024;
const SET_COUNT_MAX: usize = 32;
const RECORD_BYTES_MAX: usize = 1024;
const TTL_SECONDS: core::ops::RangeInclusive<u32> = 1..=7 * 24 * 60 * 60;
const LEASE_SECONDS: core::ops::RangeInclusive<u32> = 10..=24 * 60 * 60;
const PRIORITY_MAX: u16 = 65_534;
const TAG_COUNT_MAX: usize = 16;
const TAG_BYTES_MAX: usize = 64;
const ADDRESS_COUNT_MAX: usize = 4;
const PROTOCOL_BYTES_MAX: usize = 15;

/// Looks at the form of an operation. Gives what it asks to have certified, if it asks for a certificate.
///
/// # Errors
/// With the rule that it breaks.
pub(super) fn check(operation: &Operation) -> Result<Option<CertificateRequest>, String> {
    let bytes = encode(operation).len();
    require(bytes <= OPERATION_BYTES_MAX, || format!("it has {bytes} bytes"))?;
    let above_zero = |amount: u64| require(amount > 0, || "its amount is zero".to_string()).map(|()| None);
    match &operation.body.action {
        Action::Attest(Attest)
        | Action::RevokeCertificate(_)
        | Action::RenewName(_)
        | Action::ReclaimName(_) => Ok(None),
        Action::IssueCertificate(issue) => check_certificate(issue).map(Some),
        Action::RegisterName(register) => check_script(&register.name).map(|()| None),
        Action::SetRecords(set) => check_records(set).map(|()| None),
        Action::Transfer(transfer) => above_zero(transfer.amount.0),
        Action::Bond(bond) => above_zero(bond.amount.0),
        Action::Unbond(unbond) => above_zero(unbond.amount.0),
        Action::AnnounceService(announce) => check_announcement(announce).map(|()| None),
        Action::WithdrawService(withdraw) => check_instance(&withdraw.instance).map(|()| None),
    }
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// A label such as `xn--…` is what UTS 46 writes for a label of one script. Look-alikes of ASCII, and which characters stand
/// beside which, are left to the core's own tests.
fn check_script(name: &DomainName) -> Result<(), String> {
    let is_of_one_script = |label: &str| {
        let (unicode, valid) = Uts46::new().to_unicode(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        valid.is_ok()
            && idna::domain_to_ascii(&unicode).is_ok_and(|again| again == label)
            && unicode.check_restriction_level(RestrictionLevel::SingleScript)
    };
    let mut other_scripts = name.labels().filter(|label| label.get(2..4) == Some("--"));
    require(other_scripts.all(is_of_one_script), || format!("{name} is not of one script"))
}

fn check_certificate(issue: &IssueCertificate) -> Result<CertificateRequest, String> {
    let IssueCertificate { csr, profile: _, lifetime_seconds, services } = issue;
    require(csr.len() <= CSR_BYTES_MAX, || format!("its request has {} bytes", csr.len()))?;
    require(LIFETIME_SECONDS.contains(lifetime_seconds), || format!("a lifetime of {lifetime_seconds} s"))?;
    require(services.len() <= PORT_COUNT_MAX, || format!("{} ports", services.len()))?;
    require(services.is_sorted_by(|a, b| a < b), || "ports in no order".to_string())?;
    let request = CertificateRequest::from_csr(csr).map_err(|fault| fault.to_string())?;
    check_names(&request.names)?;
    let published = request.names.dns().len() * services.len();
    require(published <= TLSA_COUNT_MAX, || format!("{published} TLSA records"))?;
    Ok(request)
}

fn check_names(names: &SubjectNames) -> Result<(), String> {
    let (dns, ipv6, spiffe) = (names.dns(), names.ipv6(), names.spiffe());
    let count = dns.len() + ipv6.len() + usize::from(spiffe.is_some());
    require((1..=NAME_COUNT_MAX).contains(&count), || format!("{count} names to certify"))?;
    let texts: usize = dns.iter().map(|name| name.as_str().len()).chain(spiffe.map(str::len)).sum();
    let bytes = texts + 16 * ipv6.len();
    require(bytes <= NAMES_BYTES_MAX, || format!("{bytes} bytes of names to certify"))?;
    dns.iter().try_for_each(check_script)?;
    for name in dns {
        require(!name.as_str().contains('*'), || format!("the wildcard {name}"))?;
    }
    for address in ipv6 {
        let usable =
            address.to_ipv4_mapped().is_none() && !address.is_unspecified() && !address.is_multicast();
        require(usable, || format!("the address {address}"))?;
    }
    let domain = spiffe.and_then(|id| id.strip_prefix("spiffe://")).and_then(|rest| rest.split('/').next());
    domain.and_then(|domain| domain.parse().ok()).map_or(Ok(()), |domain| check_script(&domain))
}

/// Types of records that nobody sets, by number: what is reserved and for queries; delegations (NS, DS); what a zone says of
/// itself (SOA, CSYNC, ZONEMD) and its signatures; DNAME; and obsolete ones (RFC 3597 §4).
const UNSETTABLE: [u16; 32] = [
    0, 2, 3, 4, 6, 7, 8, 9, 10, 14, 17, 18, 21, 24, 25, 26, 30, 38, 39, 41, 43, 46, 47, 48, 50, 51, 59, 60,
    62, 63, 32_768, 32_769,
];

fn check_type(record_type: RecordType) -> Result<(), String> {
    let number = record_type.number();
    let settable = !UNSETTABLE.contains(&number) && !(128..256).contains(&number) && number != u16::MAX;
    require(settable, || format!("records of type {record_type}, which nobody sets"))
}

fn check_records(set: &SetRecords) -> Result<(), String> {
    check_script(&set.name)?;
    check_type(set.record_type)?;
    let Some(RecordSet { ttl_seconds, data }) = &set.records else { return Ok(()) };
    require(TTL_SECONDS.contains(ttl_seconds), || format!("a time to live of {ttl_seconds} s"))?;
    require((1..=SET_COUNT_MAX).contains(&data.len()), || format!("{} records in a set", data.len()))?;
    require(data.is_sorted_by(|a, b| a < b), || "records in no order".to_string())?;
    for record in data {
        require(record.record_type() == set.record_type, || "records of another type".to_string())?;
        require(record.wire_bytes() <= RECORD_BYTES_MAX, || "a record that is too long".to_string())?;
    }
    require(set.record_type != RecordType::Cname || data.len() == 1, || "two aliases".to_string())?;
    let no_mail = data.iter().any(|record| matches!(record, RecordData::Mx { exchange: None, .. }));
    require(!no_mail || data.len() == 1, || "no mail beside mail servers".to_string())
}

fn check_announcement(announce: &AnnounceService) -> Result<(), String> {
    let AnnounceService { instance, offer, lease_seconds } = announce;
    check_instance(instance)?;
    require(LEASE_SECONDS.contains(lease_seconds), || format!("a lease of {lease_seconds} s"))?;
    require(offer.port > 0, || "port 0".to_string())?;
    require(offer.priority <= PRIORITY_MAX, || format!("priority {}", offer.priority))?;
    require(offer.tags.len() <= TAG_COUNT_MAX, || format!("{} tags", offer.tags.len()))?;
    require(offer.tags.is_sorted_by(|a, b| a < b), || "tags in no order".to_string())?;
    let is_tag = |tag: &String| {
        (1..=TAG_BYTES_MAX).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_graphic())
    };
    require(offer.tags.iter().all(is_tag), || "a tag that is none".to_string())?;
    match &offer.location {
        Location::Addresses(addresses) => {
            let count = addresses.len();
            require((1..=ADDRESS_COUNT_MAX).contains(&count), || format!("{count} addresses"))?;
            require(addresses.is_sorted_by(|a, b| a < b), || "addresses in no order".to_string())
        }
        Location::Host(_) => Ok(()),
    }
}

fn check_instance(instance: &InstanceName) -> Result<(), String> {
    let InstanceName { service, protocol, label } = instance;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = &protocol.name;
    let is_protocol = (1..=PROTOCOL_BYTES_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !(name.starts_with('-') || name.ends_with('-') || name.contains("--"));
    require(is_protocol, || format!("the protocol {name:?}"))?;
    let is_label = label.bytes().all(is_plain) && !label.contains('.');
    let full = format!("{label}._{name}._{}.{service}", protocol.transport.name());
    match full.parse::<DomainName>() {
        Ok(full) if is_label => check_script(&full),
        Ok(_) | Err(_) => Err(format!("the instance {full:?}")),
    }
}
