//! Where the state meets the certificate authority: who may have which names certified, what is approved,
//! logged and published, and the bytes that the committee is to sign.

use crate::base::{Digest, LeafIndex, PublicKey, UnixMillis};
use crate::hypermesh::committee::KeyPurpose;
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{Published, Row as _};
use crate::state::operations::Caller;
use crate::state::{
    Certificate, Due, Effect, IssueCertificate, IssuingCertificate, Refusal, ServicePort, State, StateDraft,
};
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
        self.issuer_at(self.newest_issuing()?)
    }

    /// The issuer with the issuing certificate of this number.
    #[must_use]
    pub fn issuer_at(&self, number: u32) -> Option<Issuer> {
        let committee = self.committee()?;
        let certificate = self.get::<IssuingCertificate>(&number)?;
        let genesis = self.genesis_document();
        let root_validity = Validity::root(committee.time);
        Some(Issuer {
            network: genesis.network.clone(),
            zone: genesis.zone.clone(),
            root_key: committee.keys.public(KeyPurpose::Root)?,
            root_validity,
            issuing_key: committee.keys.public(KeyPurpose::Issuing)?,
            issuing_validity: Validity::issuing(certificate.time, &root_validity),
        })
    }

    /// The number of the newest issuing certificate, once the committee's keys are active.
    #[must_use]
    pub fn newest_issuing(&self) -> Option<u32> {
        let key = self.last_key(IssuingCertificate::TAG)?;
        key.get(1..)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// The root certificate's to-be-signed bytes.
    #[must_use]
    pub fn root_tbs(&self) -> Option<Vec<u8>> {
        self.issuer()?.root_tbs(self.authority_serial("root certificate")).ok()
    }

    /// The to-be-signed bytes of the issuing certificate of this number.
    #[must_use]
    pub fn issuing_tbs(&self, number: u32) -> Option<Vec<u8>> {
        let which = match number {
            0 => "issuing certificate".to_string(),
            _ => alloc::format!("issuing certificate {number}"),
        };
        self.issuer_at(number)?.issuing_tbs(self.authority_serial(&which)).ok()
    }

    fn authority_serial(&self, which: &str) -> SerialNumber {
        SerialNumber::from_operation(&AUTHORITY_SERIAL.hash(&[&self.genesis_hash().0, which.as_bytes()]))
    }

    /// Refuses names that are not this owner's to have certified.
    pub(in crate::state) fn require_names(
        &self,
        names: &SubjectNames,
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        let dns = if planted::is(Bug::FirstOwnerOnly) { 1 } else { names.dns().len() };
        for name in names.dns().iter().take(dns) {
            self.require_owner(name, owner, at)?;
        }
        let ipv6 = if planted::is(Bug::FirstAddressOnly) { 1 } else { names.ipv6().len() };
        for address in names.ipv6().iter().take(ipv6) {
            let record = RecordData::Aaaa(*address);
            let here = |name: &DomainName| {
                let set = self.get::<RecordSet>(&(name.clone(), RecordType::Aaaa));
                set.is_some_and(|set| set.data.contains(&record))
            };
            if !names.dns().iter().any(here) {
                return Err(Refusal::Address { address: *address });
            }
        }
        names.spiffe().map_or(Ok(()), |id| self.require_spiffe(id, owner, at))
    }

    /// A SPIFFE ID belongs to the owner of the name that is its trust domain. In the trust domain that is the
    /// zone itself, its path begins with a name of the owner's, whole or without the zone.
    fn require_spiffe(&self, id: &str, owner: PublicKey, at: UnixMillis) -> Result<(), Refusal> {
        if planted::is(Bug::IdentityUnchecked) {
            return Ok(());
        }
        self.require_owner(&self.spiffe_name(id)?, owner, at)
    }

    /// The name to whose owner a SPIFFE ID belongs.
    pub(in crate::state) fn spiffe_name(&self, id: &str) -> Result<DomainName, Refusal> {
        let zone = &self.genesis_document().zone;
        let refusal = || Refusal::SpiffeTrustDomain { zone: zone.clone() };
        let rest = id.strip_prefix("spiffe://").ok_or_else(refusal)?;
        let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        // The text as it is: a verifier compares trust domains byte by byte.
        let parsed = domain.parse().ok().filter(|parsed: &DomainName| parsed.as_str() == domain);
        let domain = parsed.ok_or_else(refusal)?;
        if domain != *zone {
            return Ok(domain);
        }
        let first = path.split('/').next().unwrap_or_default();
        let whole = first.parse::<DomainName>().ok().filter(|name| name.is_within(zone));
        whole.or_else(|| zone.child(first).ok()).ok_or_else(refusal)
    }

    /// Refuses to publish keys at names that have been given to another owner, or that are aliases.
    fn require_publishable(
        &self,
        tlsa: &[DomainName],
        owner: PublicKey,
        at: UnixMillis,
    ) -> Result<(), Refusal> {
        for name in tlsa {
            if planted::is(Bug::PublishedAnywhere) {
                continue;
            }
            self.require_owner(name, owner, at)?;
            if self.get::<RecordSet>(&(name.clone(), RecordType::Cname)).is_some() {
                return Err(Refusal::Cname { name: name.clone() });
            }
        }
        Ok(())
    }
}

const AUTHORITY_SERIAL: crate::base::Domain = crate::base::Domain::new("hypermesh v1 authority serial");

impl Certificate {
    /// Whether it is the certificate with these pre-certificate bytes that was approved.
    #[must_use]
    pub fn is_of(&self, pre_tbs: &[u8]) -> bool {
        Digest(Sha256::digest(pre_tbs).into()) == self.precertificate
    }
}

impl StateDraft {
    /// Fixes and logs the next issuing certificate, and notes when it is to be renewed: at two thirds of its life, as
    /// long as the root allows the next a longer one.
    pub(in crate::state) fn renew_issuing(&mut self, position: BlockPosition) {
        let BlockPosition { height, time } = position;
        let (before, number) = match (self.state().issuer(), self.state().newest_issuing()) {
            (Some(issuer), Some(number)) => (Some(issuer), number + 1),
            _ => (None, 0),
        };
        let lasts_longer = |issuer: &Issuer| {
            let next = Validity::issuing(time, &issuer.root_validity);
            next.not_after > issuer.issuing_validity.not_after
        };
        if before.is_some_and(|issuer| !lasts_longer(&issuer)) {
            // The root ends first: another certificate would not outlast the one that stands.
            return;
        }
        let leaf_index = LeafIndex(self.state().log().size());
        self.put(&number, &IssuingCertificate { height, time, leaf_index });
        let tbs = self.state().issuing_tbs(number);
        let issuer = self.state().issuer();
        let (tbs, issuer) =
            tbs.zip(issuer).expect("a checked genesis and a block before the last time make a certificate");
        let entry = LogEntry { timestamp: time, issuer_key_hash: issuer.root_key_hash(), tbs };
        self.append(entry.encode());
        self.schedule(issuer.issuing_validity.renewal_due(), Due::Issuing);
    }

    /// Approves a certificate: fixes its bytes, appends its log entry, publishes its keys.
    pub(in crate::state) fn approve(
        &mut self,
        caller: &Caller<'_>,
        request: &CertificateRequest,
        issue: &IssueCertificate,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let issuer = self.state().issuer().ok_or(Refusal::NoCommittee)?;
        let issuer_ends = issuer.issuing_validity.not_after;
        let lifetime_ms = u64::from(issue.lifetime_seconds) * 1000;
        if position.time.plus(lifetime_ms) > issuer_ends {
            return Err(Refusal::OutlivesIssuer { issuer_ends });
        }
        let subject_key = request.subject_key.spki_hash();
        self.state().require_sound(&subject_key)?;
        let owner = caller.owner;
        let tlsa = tlsa_names(&request.names, &issue.services);
        self.state().require_publishable(&tlsa, owner, position.time)?;
        let serial = SerialNumber::from_operation(&caller.operation.0);
        let validity = Validity::leaf(position.time, lifetime_ms, &issuer.issuing_validity);
        let tbs = issuer.leaf_tbs(request, &LeafParameters { serial, validity }).map_err(unfit)?;
        let precertificate = Digest(Sha256::digest(&tbs).into());
        let entry = LogEntry { timestamp: position.time, issuer_key_hash: issuer.issuing_key_hash(), tbs };
        let leaf_index = match planted::is(Bug::LogAfterSigning) {
            true => LeafIndex(self.state().log().size()),
            false => self.append(entry.encode()),
        };
        let certificate = Certificate {
            owner,
            operation: caller.operation,
            names: request.names.clone(),
            precertificate,
            leaf_index,
            height: position.height,
            not_before: validity.not_before,
            not_after: validity.not_after,
            tlsa,
            subject_key,
            issued: position.time,
            revocation: None,
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
        self.note_bearer(serial, certificate);
        self.note_names(serial, certificate);
        self.schedule(certificate.not_after, Due::Certificate(serial));
    }

    /// Takes away the TLSA records of a certificate that holds no longer.
    pub(in crate::state) fn unpublish(&mut self, serial: &SerialNumber, certificate: &Certificate) {
        for name in &certificate.tlsa {
            let Some(mut published) = self.state().get::<Published>(name) else { continue };
            published.keys.retain(|(holder, _)| holder != serial);
            self.put_published(name, published);
        }
    }

    /// Sets a TLSA record set to the newest keys that are published at its name.
    fn put_published(&mut self, name: &DomainName, mut published: Published) {
        let excess = published.keys.len().saturating_sub(RECORDS_PER_SET_MAX);
        published.keys.drain(..excess);
        if published.keys.is_empty() {
            self.remove::<Published>(name);
            self.set_record_set(name, RecordType::Tlsa, None);
            return;
        }
        let data = published.keys.iter().map(|(_, hash)| tlsa_of_key_hash(hash)).collect();
        let set =
            RecordSet::new(PUBLISHED_TTL_SECONDS, data).expect("digests make records within every bound");
        self.set_record_set(name, RecordType::Tlsa, Some(&set));
        self.put(name, &published);
    }
}

fn unfit(fault: BuildFault) -> Refusal {
    Refusal::Unfit { reason: fault.to_string() }
}

/// The TLSA record `3 1 1` of a key, by the SHA-256 of its subject public key info.
pub(in crate::state) fn tlsa_of_key_hash(hash: &Digest) -> RecordData {
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
    pub header: crate::state::Header,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// The audit path from its leaf to the header's log root (RFC 9162 §2.1.3).
    pub inclusion: Vec<Digest>,
}

/// The name that a validator bears as a cosigner of checkpoints: its own, below the zone of the mesh.
#[must_use]
pub fn cosigner_name(validator: &str, zone: &DomainName) -> alloc::string::String {
    [validator, ".", &zone.to_string()].concat()
}
