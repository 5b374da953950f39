//! What owners want, in as few words as tests can say it.

use super::test_util::{name, records};
use crate::base::{MicroCaesar, PublicKey, SecretKey};
use crate::state::*;
use crate::trustchain::ca::{RevocationReason, SerialNumber};
use crate::trustchain::dns::{RecordData, RecordType};
use alloc::vec;
use alloc::vec::Vec;

struct RequestKey<'a>(&'a SecretKey, PublicKey);

impl rcgen::PublicKeyData for RequestKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.1.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for RequestKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.0.sign_bytes(message).0.to_vec())
    }
}

/// A PKCS#10 request of this key for DNS names, addresses and URIs, told apart by their form.
pub(crate) fn csr(key: &SecretKey, names: &[&str]) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::default();
    params.subject_alt_names = names
        .iter()
        .map(|text| match text.parse() {
            Ok(address) => rcgen::SanType::IpAddress(address),
            Err(_) if text.contains("://") => rcgen::SanType::URI((*text).try_into().unwrap()),
            Err(_) => rcgen::SanType::DnsName((*text).try_into().unwrap()),
        })
        .collect();
    params.serialize_request(&RequestKey(key, key.public())).unwrap().der().to_vec()
}

/// The key that certificates in tests are for.
pub(crate) fn subject() -> SecretKey {
    SecretKey::from_seed([111; 32])
}

pub(crate) const HTTPS: ServicePort = ServicePort { port: 443, protocol: Protocol::Tcp };

/// A request for a day's certificate with these names, and TLSA at 443/tcp.
pub(crate) fn issue(names: &[&str]) -> Action {
    issue_for(&subject(), names)
}

pub(crate) fn issue_for(key: &SecretKey, names: &[&str]) -> Action {
    Action::IssueCertificate(IssueCertificate {
        csr: csr(key, names),
        profile: CertificateProfile::Endpoint,
        lifetime_seconds: LEAF_SECONDS_DEFAULT,
        services: vec![HTTPS],
    })
}

pub(crate) fn register(text: &str, owner: &SecretKey) -> Action {
    grant(text, owner, GrantLimits::default())
}

pub(crate) fn grant(text: &str, owner: &SecretKey, limits: GrantLimits) -> Action {
    Action::RegisterName(RegisterName { name: name(text), owner: owner.public(), limits })
}

pub(crate) fn reclaim(text: &str) -> Action {
    Action::ReclaimName(ReclaimName { name: name(text), start: None })
}

pub(crate) fn revoke(serial_number: SerialNumber, reason: RevocationReason) -> Action {
    Action::RevokeCertificate(RevokeCertificate { serial_number, reason })
}

pub(crate) fn transfer(to: &SecretKey, amount: u64) -> Action {
    Action::Transfer(Transfer { to: to.public(), amount: MicroCaesar(amount) })
}

pub(crate) fn set(text: &str, data: Vec<RecordData>) -> Action {
    let records = records(data);
    let record_type = records.record_type().unwrap();
    Action::SetRecords(SetRecords { name: name(text), record_type, records: Some(records) })
}

pub(crate) fn clear(text: &str, record_type: RecordType) -> Action {
    Action::SetRecords(SetRecords { name: name(text), record_type, records: None })
}

/// An instance of a service that speaks STOQ.
pub(crate) fn instance(service: &str, label: &str) -> InstanceName {
    InstanceName { service: name(service), protocol: ServiceProtocol::stoq(), label: label.into() }
}

/// What an instance with an address and nothing special says of itself.
pub(crate) fn offer(address: &str) -> Offer {
    Offer {
        location: Location::Addresses(vec![address.parse().unwrap()]),
        port: 7000,
        priority: 0,
        weight: 1,
        health: InstanceHealth::Passing,
        tags: Vec::new(),
    }
}

pub(crate) fn announce(instance: &InstanceName, offer: &Offer, lease_seconds: u32) -> Action {
    Action::AnnounceService(AnnounceService {
        instance: instance.clone(),
        offer: offer.clone(),
        lease_seconds,
    })
}

pub(crate) fn withdraw(instance: &InstanceName) -> Action {
    Action::WithdrawService(WithdrawService { instance: instance.clone() })
}
