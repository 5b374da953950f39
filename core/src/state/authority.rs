//! Where the state meets the certificate authority: who may have which names certified, what is approved,
//! logged and published, and the bytes that the committee is to sign.

use super::execute::Moment;
use super::row::Published;
use super::{
    Certificate, CheckedOperation, Draft, Due, Effect, IssueCertificate, Refusal, ServicePort, State,
};
use crate::base::{Digest, LeafIndex, PublicKey, UnixMillis};
use crate::hypermesh::committee::KeyPurpose;
use crate::trustchain::DomainName;
use crate::trustchain::ca::{
    AuthorityParameters, CLOCK_MS_TOLERANCE, CertificateRequest, Issuer, LeafParameters, SerialNumber, SubjectNames,
    issuing_tbs, leaf_tbs, root_tbs, serial_number, sha256,
};
use crate::trustchain::ct;
use crate::trustchain::dns::{RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType, tlsa_name};
use alloc::string::ToString;
use alloc::vec::Vec;

/// The root certificate lives ten years from the committee's first block.
pub const ROOT_MS_LIFE: u64 = 10 * 365 * DAY_MS;
/// The issuing certificate lives one year.
pub const ISSUING_MS_LIFE: u64 = 365 * DAY_MS;
/// How long resolvers may keep what the mesh publishes by itself.
pub const PUBLISHED_TTL_SECONDS: u32 = 60;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl State {
    /// Who issues: known once the committee's keys are active.
    #[must_use]
    pub fn issuer(&self) -> Option<Issuer> {
        let committee = self.committee()?;
        let genesis = self.genesis_document();
        let key = |purpose| committee.keys.public(purpose);
        Some(Issuer {
            network: genesis.network.clone(),
            zone: genesis.zone.clone(),
            root_key: key(KeyPurpose::Root),
            issuing_key: key(KeyPurpose::Issuing),
        })
    }

    /// When the root certificate begins and ends.
    fn root_life(&self, begun: UnixMillis) -> AuthorityParameters {
        self.life("root certificate", begun, ROOT_MS_LIFE)
    }

    fn issuing_life(&self, begun: UnixMillis) -> AuthorityParameters {
        self.life("issuing certificate", begun, ISSUING_MS_LIFE)
    }

    fn life(&self, which: &str, begun: UnixMillis, life: u64) -> AuthorityParameters {
        AuthorityParameters {
            serial: serial_number(&AUTHORITY_SERIAL.hash(&[&self.genesis_hash().0, which.as_bytes()])),
            not_before: begun.minus(CLOCK_MS_TOLERANCE),
            not_after: begun.plus(life),
        }
    }

    /// The root certificate's to-be-signed bytes.
    #[must_use]
    pub fn root_tbs(&self) -> Option<Vec<u8>> {
        let committee = self.committee()?;
        Some(root_tbs(&self.issuer()?, &self.root_life(committee.time)))
    }

    /// The issuing certificate's to-be-signed bytes.
    #[must_use]
    pub fn issuing_tbs(&self) -> Option<Vec<u8>> {
        let committee = self.committee()?;
        Some(issuing_tbs(&self.issuer()?, &self.issuing_life(committee.time)))
    }

    /// The last moment of the issuing certificate.
    #[must_use]
    pub fn issuing_ends(&self) -> Option<UnixMillis> {
        self.committee().map(|committee| self.issuing_life(committee.time).not_after)
    }

    /// The log entry of the issuing certificate: its to-be-signed bytes under the root's key.
    #[must_use]
    pub(super) fn issuing_entry(&self) -> Option<Vec<u8>> {
        let committee = self.committee()?;
        let issuer = self.issuer()?;
        Some(ct::precertificate_entry(committee.time, &issuer.root_key_hash(), &self.issuing_tbs()?))
    }

    /// Refuses names that are not this owner's to have certified.
    pub(super) fn require_names(&self, names: &SubjectNames, owner: PublicKey) -> Result<(), Refusal> {
        for name in &names.dns {
            self.require_owner(name, owner)?;
        }
        for address in &names.ipv6 {
            let record = RecordData::Aaaa(*address);
            let here = |name: &DomainName| {
                let set = self.get::<RecordSet>(&(name.clone(), RecordType::Aaaa));
                set.is_some_and(|set| set.data.contains(&record))
            };
            if !names.dns.iter().any(here) {
                return Err(Refusal::Address { address: *address });
            }
        }
        names.spiffe.as_ref().map_or(Ok(()), |id| self.require_spiffe(id, owner))
    }

    /// A SPIFFE ID belongs to the owner of the name that is its trust domain. In the trust domain that is the
    /// zone itself, its path begins with a name of the owner's, whole or without the zone.
    fn require_spiffe(&self, id: &str, owner: PublicKey) -> Result<(), Refusal> {
        let zone = &self.genesis_document().zone;
        let refusal = || Refusal::SpiffeTrustDomain { zone: zone.clone() };
        let rest = id.strip_prefix("spiffe://").ok_or_else(refusal)?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        let domain: DomainName = domain.parse().map_err(|_| refusal())?;
        if domain != *zone {
            return self.require_owner(&domain, owner);
        }
        let first = path.split('/').next().unwrap_or_default();
        let whole = first.parse::<DomainName>().ok().filter(|name| name.is_within(zone));
        let name = whole.or_else(|| zone.child(first).ok()).ok_or_else(refusal)?;
        self.require_owner(&name, owner)
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
        let state = self.state();
        let issuer = state.issuer().ok_or(Refusal::NoCommittee)?;
        let issuer_ends = state.issuing_ends().ok_or(Refusal::NoCommittee)?;
        let not_after = moment.time.plus(u64::from(issue.lifetime_seconds) * 1000);
        if not_after > issuer_ends {
            return Err(Refusal::OutlivesIssuer { issuer_ends });
        }
        let serial = serial_number(&operation.id.0);
        let life = LeafParameters { serial, not_before: moment.time.minus(CLOCK_MS_TOLERANCE), not_after };
        let tbs = leaf_tbs(&issuer, request, &life);
        let precertificate = sha256(&tbs);
        let leaf_index = self.append(ct::precertificate_entry(moment.time, &issuer.issuing_key_hash(), &tbs));
        let certificate = Certificate {
            owner: operation.operation.body.owner,
            operation: operation.id,
            names: request.names.clone(),
            precertificate,
            leaf_index,
            height: moment.height,
            not_before: life.not_before,
            not_after,
            tlsa: tlsa_names(&request.names, &issue.services),
            subject_key: sha256(&request.subject_key.spki_der),
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
        let data = published.keys.iter().map(|(_, hash)| RecordData::tlsa_of_key_hash(hash)).collect();
        let set = RecordSet::new(PUBLISHED_TTL_SECONDS, data).expect("digests make records within every bound");
        self.put(&key, &set);
        self.put(name, &published);
    }
}

fn tlsa_names(names: &SubjectNames, services: &[ServicePort]) -> Vec<DomainName> {
    let pairs = names.dns.iter().flat_map(|name| services.iter().map(move |service| (name, service)));
    // A name so long that a port does not fit before it has no TLSA record.
    pairs.filter_map(|(name, service)| tlsa_name(service.port, service.protocol.name(), name).ok()).collect()
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

/// The most bytes that a proof extension's content may have.
pub const CONSENSUS_PROOF_BYTES_MAX: usize = 4096;

/// The most characters in a name that a cosigner bears in checkpoints.
#[must_use]
pub fn cosigner_name(validator: &str, zone: &DomainName) -> alloc::string::String {
    [validator, ".", &zone.to_string()].concat()
}
