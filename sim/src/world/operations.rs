//! What owners ask of the mesh, signed as a real client signs it.

use crate::base::identity;
use hypermesh_core::api::{IssueCertificateRequest, OperationRequest, Request};
use hypermesh_core::base::{Digest, MicroCaesar, PublicKey, SecretKey, UnixMillis};
use hypermesh_core::state::{
    Action, AnnounceService, Bond, CertificateProfile, GrantLimits, InstanceHealth, InstanceName,
    IssueCertificate, LEAF_SECONDS_DEFAULT, Location, Offer, OperationBody, Protocol, ReclaimName,
    RegisterName, RenewName, RevokeCertificate, ServicePort, ServiceProtocol, SetRecords, Transfer, Unbond,
    WithdrawService,
};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::ca::{RevocationReason, SerialNumber};
use rcgen::{CertificateParams, SanType};
use std::net::Ipv6Addr;

/// How long an operation may wait, in milliseconds.
pub(crate) const OPERATION_MS_LIFE: u64 = 10 * 60 * 1000;

/// An owner who asks.
#[derive(Clone)]
pub struct Owner {
    /// The owner's key.
    pub key: SecretKey,
    /// The mesh.
    pub genesis: Digest,
    /// When the owner asks.
    pub time: UnixMillis,
    /// How long an operation may wait, in milliseconds.
    pub life_ms: u64,
    /// The most that the owner pays for one.
    pub fee_max: MicroCaesar,
}

impl Owner {
    /// An owner whose operations may wait as long as a real client's.
    #[must_use]
    pub const fn new(key: SecretKey, genesis: Digest, time: UnixMillis) -> Self {
        Self { key, genesis, time, life_ms: OPERATION_MS_LIFE, fee_max: MicroCaesar(u64::MAX) }
    }

    /// Asks for a certificate for these names, whose key follows from the nonce.
    #[must_use]
    pub fn issue(&self, nonce: u64, names: &[&str]) -> Request {
        let issue = IssueCertificate {
            csr: certificate_request(nonce, names),
            profile: CertificateProfile::Endpoint,
            lifetime_seconds: LEAF_SECONDS_DEFAULT,
            services: Vec::new(),
        };
        let operation = self.body(nonce, Action::IssueCertificate(issue)).sign(&self.key);
        Request::IssueCertificate(IssueCertificateRequest { operation })
    }

    /// Asks for a certificate for these names, whose key follows from another nonce than the operation's.
    #[must_use]
    pub fn issue_for_key(&self, nonce: u64, key: u64, names: &[&str]) -> Request {
        let issue = IssueCertificate {
            csr: certificate_request(key, names),
            profile: CertificateProfile::Endpoint,
            lifetime_seconds: LEAF_SECONDS_DEFAULT,
            services: vec![ServicePort { port: 8443, protocol: Protocol::Tcp }],
        };
        let operation = self.body(nonce, Action::IssueCertificate(issue)).sign(&self.key);
        Request::IssueCertificate(IssueCertificateRequest { operation })
    }

    /// Asks for a certificate that lives so long, and whose key is published at 443/tcp.
    #[must_use]
    pub fn issue_published(&self, nonce: u64, names: &[&str], lifetime_seconds: u32) -> Request {
        let issue = IssueCertificate {
            csr: certificate_request(nonce, names),
            profile: CertificateProfile::Endpoint,
            lifetime_seconds,
            services: vec![ServicePort { port: 443, protocol: Protocol::Tcp }],
        };
        let operation = self.body(nonce, Action::IssueCertificate(issue)).sign(&self.key);
        Request::IssueCertificate(IssueCertificateRequest { operation })
    }

    /// Asks for a certificate for all that a request may name, whose key follows from the nonce.
    #[must_use]
    pub fn issue_for(
        &self,
        nonce: u64,
        subject: &RequestedNames,
        lifetime_seconds: u32,
        services: Vec<ServicePort>,
    ) -> Request {
        let issue = IssueCertificate {
            csr: certificate_request_for(nonce, subject),
            profile: CertificateProfile::Endpoint,
            lifetime_seconds,
            services,
        };
        let operation = self.body(nonce, Action::IssueCertificate(issue)).sign(&self.key);
        Request::IssueCertificate(IssueCertificateRequest { operation })
    }

    /// Revokes a certificate.
    #[must_use]
    pub fn revoke(&self, nonce: u64, serial_number: SerialNumber, reason: RevocationReason) -> Request {
        let action = Action::RevokeCertificate(RevokeCertificate { serial_number, reason });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Registers a name for an owner.
    #[must_use]
    pub fn register(&self, nonce: u64, name: DomainName, owner: PublicKey) -> Request {
        self.grant(nonce, name, owner, GrantLimits::default())
    }

    /// Registers a name for an owner within limits.
    #[must_use]
    pub fn grant(&self, nonce: u64, name: DomainName, owner: PublicKey, limits: GrantLimits) -> Request {
        let action = Action::RegisterName(RegisterName { name, owner, limits });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Takes back a name that was granted.
    #[must_use]
    pub fn reclaim(&self, nonce: u64, name: DomainName) -> Request {
        let action = Action::ReclaimName(ReclaimName { name, start: None });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Sets records.
    #[must_use]
    pub fn set(&self, nonce: u64, records: SetRecords) -> Request {
        let operation = self.body(nonce, Action::SetRecords(records)).sign(&self.key);
        Request::Operation(OperationRequest { operation })
    }

    /// Announces an instance of a service, or renews it.
    #[must_use]
    pub fn announce(&self, nonce: u64, announcement: AnnounceService) -> Request {
        let action = Action::AnnounceService(announcement);
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Takes an instance of a service away.
    #[must_use]
    pub fn withdraw(&self, nonce: u64, instance: InstanceName) -> Request {
        let action = Action::WithdrawService(WithdrawService { instance });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Moves an amount.
    #[must_use]
    pub fn transfer(&self, nonce: u64, to: PublicKey, amount: MicroCaesar) -> Request {
        let action = Action::Transfer(Transfer { to, amount });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Pays for a name for another period.
    #[must_use]
    pub fn renew(&self, nonce: u64, name: DomainName) -> Request {
        let action = Action::RenewName(RenewName { name });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Puts an amount at stake.
    #[must_use]
    pub fn bond(&self, nonce: u64, amount: MicroCaesar) -> Request {
        let action = Action::Bond(Bond { amount });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// Takes an amount out of the stake.
    #[must_use]
    pub fn unbond(&self, nonce: u64, amount: MicroCaesar) -> Request {
        let action = Action::Unbond(Unbond { amount });
        Request::Operation(OperationRequest { operation: self.body(nonce, action).sign(&self.key) })
    }

    /// The same owner, whose operations may wait only so long.
    #[must_use]
    pub fn in_a_hurry(mut self, life: core::time::Duration) -> Self {
        self.life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The same owner, who pays no more than so much for an operation.
    #[must_use]
    pub const fn at_most(mut self, fee_max: MicroCaesar) -> Self {
        self.fee_max = fee_max;
        self
    }

    /// The body of an operation of this owner's.
    #[must_use]
    pub fn body(&self, nonce: u64, action: Action) -> OperationBody {
        OperationBody {
            genesis: self.genesis,
            owner: self.key.public(),
            nonce,
            expires: self.time.plus(self.life_ms),
            fee_max: self.fee_max,
            action,
        }
    }
}

/// What a certificate is asked for: names as they stand in the request, be they allowed or not.
#[derive(Clone, Debug, Default)]
pub struct RequestedNames {
    /// DNS names, or wildcards.
    pub dns: Vec<String>,
    /// Addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// A SPIFFE ID.
    pub spiffe: Option<String>,
}

impl RequestedNames {
    /// These DNS names alone.
    #[must_use]
    pub fn of(names: &[&str]) -> Self {
        Self { dns: names.iter().map(ToString::to_string).collect(), ..Self::default() }
    }
}

/// An instance of a service that speaks STOQ at a port, and has an address that follows from the port.
///
/// # Panics
/// If the service's name is none.
#[must_use]
pub fn announcement(service: &str, label: &str, port: u16, lease_seconds: u32) -> AnnounceService {
    let instance = InstanceName {
        service: super::name(service),
        protocol: ServiceProtocol::stoq(),
        label: label.to_string(),
    };
    let location = Location::Addresses(vec![[0xfd00, 0, 0, 0, 0, 0, 0, port].into()]);
    let health = InstanceHealth::Passing;
    let offer = Offer { location, port, priority: 0, weight: 1, health, tags: Vec::new() };
    AnnounceService { instance, offer, lease_seconds }
}

/// A certificate request (PKCS#10, DER) for these names, with an Ed25519 key that follows from the number.
///
/// # Panics
/// If a name is none.
#[must_use]
pub fn certificate_request(number: u64, names: &[&str]) -> Vec<u8> {
    certificate_request_for(number, &RequestedNames::of(names))
}

/// The same for all that a request may name.
///
/// # Panics
/// If a name is not of ASCII characters.
#[must_use]
pub fn certificate_request_for(number: u64, subject: &RequestedNames) -> Vec<u8> {
    let secret = identity(&format!("subject {number}"));
    let key = SubjectKey { public: secret.public(), secret };
    let text = |text: &String| text.as_str().try_into().expect("names are ASCII");
    let mut parameters = CertificateParams::default();
    parameters.subject_alt_names = subject.dns.iter().map(|name| SanType::DnsName(text(name))).collect();
    parameters.subject_alt_names.extend(subject.ipv6.iter().map(|one| SanType::IpAddress((*one).into())));
    parameters.subject_alt_names.extend(subject.spiffe.iter().map(|id| SanType::URI(text(id))));
    let request = parameters.serialize_request(&key).expect("an Ed25519 key signs");
    request.der().to_vec()
}

/// The key that a certificate is for, which signs as the keys of this build do.
struct SubjectKey {
    secret: SecretKey,
    public: PublicKey,
}

impl rcgen::PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for SubjectKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.sign_bytes(message).0.to_vec())
    }
}
