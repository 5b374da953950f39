//! Where the state meets the certificate authority: who may have which names certified, what is approved,
//! logged and published, and the bytes that the committee is to sign.

use super::execute::Moment;
use super::row::Published;
use super::{
    Certificate, CheckedOperation, Draft, Due, Effect, IssueCertificate, Refusal, ServicePort, State,
};
use crate::base::{Digest, LeafIndex, PublicKey};
use crate::hypermesh::committee::KeyPurpose;
use crate::trustchain::DomainName;
use crate::trustchain::ca::{
    BuildFault, CertificateRequest, Issuer, LeafParameters, SerialNumber, SubjectNames, Validity,
};
use crate::trustchain::ct::LogEntry;
use crate::trustchain::dns::{RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType, tlsa_name};
use alloc::string::ToString;
use alloc::vec::Vec;
use sha2::{Digest as _, Sha256};

/// How long resolvers may keep what the mesh publishes by itself.
pub const PUBLISHED_TTL_SECONDS: u32 = 60;

impl State {
    /// Who issues, and for how long: known once the committee's keys are active.
    #[must_use]
    pub fn issuer(&self) -> Option<Issuer> {
        let committee = self.committee()?;
        let genesis = self.genesis_document();
        let root_validity = Validity::root(committee.time);
        Some(Issuer {
            network: genesis.network.clone(),
            zone: genesis.zone.clone(),
            root_key: committee.keys.public(KeyPurpose::Root)?,
            root_validity,
            issuing_key: committee.keys.public(KeyPurpose::Issuing)?,
            issuing_validity: Validity::issuing(committee.time, &root_validity),
        })
    }

    /// The root certificate's to-be-signed bytes.
    #[must_use]
    pub fn root_tbs(&self) -> Option<Vec<u8>> {
        self.issuer()?.root_tbs(self.authority_serial("root certificate")).ok()
    }

    /// The issuing certificate's to-be-signed bytes.
    #[must_use]
    pub fn issuing_tbs(&self) -> Option<Vec<u8>> {
        self.issuer()?.issuing_tbs(self.authority_serial("issuing certificate")).ok()
    }

    fn authority_serial(&self, which: &str) -> SerialNumber {
        SerialNumber::from_operation(&AUTHORITY_SERIAL.hash(&[&self.genesis_hash().0, which.as_bytes()]))
    }

    /// The log entry of the issuing certificate: its to-be-signed bytes under the root's key.
    #[must_use]
    pub(super) fn issuing_entry(&self) -> Option<Vec<u8>> {
        let committee = self.committee()?;
        let tbs = self.issuing_tbs()?;
        let entry =
            LogEntry { timestamp: committee.time, issuer_key_hash: self.issuer()?.root_key_hash(), tbs };
        Some(entry.encode())
    }

    /// Refuses names that are not this owner's to have certified.
    pub(super) fn require_names(&self, names: &SubjectNames, owner: PublicKey) -> Result<(), Refusal> {
        for name in names.dns() {
            self.require_owner(name, owner)?;
        }
        for address in names.ipv6() {
            let record = RecordData::Aaaa(*address);
            let here = |name: &DomainName| {
                let set = self.get::<RecordSet>(&(name.clone(), RecordType::Aaaa));
                set.is_some_and(|set| set.data.contains(&record))
            };
            if !names.dns().iter().any(here) {
                return Err(Refusal::Address { address: *address });
            }
        }
        names.spiffe().map_or(Ok(()), |id| self.require_spiffe(id, owner))
    }

    /// A SPIFFE ID belongs to the owner of the name that is its trust domain. In the trust domain that is the
    /// zone itself, its path begins with a name of the owner's, whole or without the zone.
    fn require_spiffe(&self, id: &str, owner: PublicKey) -> Result<(), Refusal> {
        let zone = &self.genesis_document().zone;
        let refusal = || Refusal::SpiffeTrustDomain { zone: zone.clone() };
        let rest = id.strip_prefix("spiffe://").ok_or_else(refusal)?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The text as it is: a verifier compares trust domains byte by byte.
        let parsed = domain.parse().ok().filter(|parsed: &DomainName| parsed.as_str() == domain);
        let domain = parsed.ok_or_else(refusal)?;
        if domain != *zone {
            return self.require_owner(&domain, owner);
        }
        let first = path.split('/').next().unwrap_or_default();
        let whole = first.parse::<DomainName>().ok().filter(|name| name.is_within(zone));
        let name = whole.or_else(|| zone.child(first).ok()).ok_or_else(refusal)?;
        self.require_owner(&name, owner)
    }

    /// Refuses to publish keys at names that have been given to another owner, or that are aliases.
    fn require_publishable(&self, tlsa: &[DomainName], owner: PublicKey) -> Result<(), Refusal> {
        for name in tlsa {
            self.require_owner(name, owner)?;
            if self.get::<RecordSet>(&(name.clone(), RecordType::Cname)).is_some() {
                return Err(Refusal::Cname { name: name.clone() });
            }
        }
        Ok(())
    }
}

const AUTHORITY_SERIAL: crate::base::Domain = crate::base::Domain::new("hypermesh v1 authority serial");

impl Draft {
    /// Approves a certificate: fixes its bytes, appends its log entry, publishes its keys.
    pub(super) fn approve(
        &mut self,
        operation: &CheckedOperation,
        request: &CertificateRequest,
        issue: &IssueCertificate,
        moment: Moment,
    ) -> Result<Effect, Refusal> {
        let issuer = self.state().issuer().ok_or(Refusal::NoCommittee)?;
        let issuer_ends = issuer.issuing_validity.not_after;
        let lifetime_ms = u64::from(issue.lifetime_seconds) * 1000;
        if moment.time.plus(lifetime_ms) > issuer_ends {
            return Err(Refusal::OutlivesIssuer { issuer_ends });
        }
        let owner = operation.operation.body.owner;
        let tlsa = tlsa_names(&request.names, &issue.services);
        self.state().require_publishable(&tlsa, owner)?;
        let serial = SerialNumber::from_operation(&operation.id.0);
        let validity = Validity::leaf(moment.time, lifetime_ms, &issuer.issuing_validity);
        let tbs = issuer.leaf_tbs(request, &LeafParameters { serial, validity }).map_err(unfit)?;
        let precertificate = Digest(Sha256::digest(&tbs).into());
        let entry = LogEntry { timestamp: moment.time, issuer_key_hash: issuer.issuing_key_hash(), tbs };
        let leaf_index = self.append(entry.encode());
        let certificate = Certificate {
            owner,
            operation: operation.id,
            names: request.names.clone(),
            precertificate,
            leaf_index,
            height: moment.height,
            not_before: validity.not_before,
            not_after: validity.not_after,
            tlsa,
            subject_key: Digest(Sha256::digest(request.subject_key.spki_der()).into()),
        };
        self.record(serial, &certificate);
        Ok(Effect::CertificateApproved { serial, leaf_index, precertificate })
    }

    fn record(&mut self, serial: SerialNumber, certificate: &Certificate) {
        for name in &certificate.tlsa {
            let mut published = self.state().get::<Published>(name).unwrap_or_default();
            published.keys.push((serial, certificate.subject_key));
            self.put_published(name, published);
        }
        self.put(&serial, certificate);
        self.schedule(certificate.not_after, Due::Certificate(serial));
    }

    /// Sets a TLSA record set to the newest keys that are published at its name.
    pub(super) fn put_published(&mut self, name: &DomainName, mut published: Published) {
        let excess = published.keys.len().saturating_sub(RECORDS_PER_SET_MAX);
        published.keys.drain(..excess);
        let key = (name.clone(), RecordType::Tlsa);
        if published.keys.is_empty() {
            self.remove::<Published>(name);
            self.remove::<RecordSet>(&key);
            return;
        }
        let data = published.keys.iter().map(|(_, hash)| tlsa_of_key_hash(hash)).collect();
        let set =
            RecordSet::new(PUBLISHED_TTL_SECONDS, data).expect("digests make records within every bound");
        self.put(&key, &set);
        self.put(name, &published);
    }
}

fn unfit(fault: BuildFault) -> Refusal {
    Refusal::Unfit { reason: fault.to_string() }
}

/// The TLSA record `3 1 1` of a key, by the SHA-256 of its subject public key info.
pub(super) fn tlsa_of_key_hash(hash: &Digest) -> RecordData {
    RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: hash.0.to_vec() }
}

fn tlsa_names(names: &SubjectNames, services: &[ServicePort]) -> Vec<DomainName> {
    let pairs = names.dns().iter().flat_map(|name| services.iter().map(move |service| (name, service)));
    // A name so long that a port does not fit before it has no TLSA record.
    pairs.filter_map(|(name, service)| tlsa_name(service.port, service.protocol.into(), name).ok()).collect()
}

/// What stands in a leaf certificate's `ConsensusProof` extension: that consensus approved and logged it.
#[derive(Clone, Debug, PartialEq, Eq, borsh::BorshSerialize, borsh::BorshDeserialize)]
pub struct ConsensusProof {
    /// The header of the block that approved it.
    pub header: super::Header,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// The audit path from its leaf to the header's log root (RFC 9162 §2.1.3).
    pub inclusion: Vec<Digest>,
}

/// The most characters in a name that a cosigner bears in checkpoints.
#[must_use]
pub fn cosigner_name(validator: &str, zone: &DomainName) -> alloc::string::String {
    [validator, ".", &zone.to_string()].concat()
}
