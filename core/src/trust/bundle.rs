//! The trust bundle: from genesis to the keys that sign.

use super::armour::{armour, unarmour};
use crate::base::{Digest, PublicKey, UnixMillis, decode, encode};
use crate::hypermesh::committee::{CommitteeKeys, KeyPurpose};
use crate::state::{Genesis, GenesisFault, SystemAction, SystemOperation, VALIDATOR_COUNT_MAX};
use crate::trustchain::ca::{
    CertificateFault, ChainAnchor, ChainCheck, ChainFault, ChainStep, SignedCertificate, Validity,
    parse_certificate,
};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most bytes in an encoded trust bundle.
pub const TRUST_BUNDLE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most issuing certificates in a trust bundle: a root's ten years see some fifteen.
pub const ISSUING_COUNT_MAX: usize = 64;
/// The label of its PEM armour.
pub const TRUST_PEM_LABEL: &str = "HYPERMESH TRUST BUNDLE";

/// What must be so of the root and the issuing certificate, whatever the time.
const AUTHORITY_STEPS: [ChainStep; 5] = [
    ChainStep::RootAnchored,
    ChainStep::RootSignature,
    ChainStep::RootProfile,
    ChainStep::IssuingSignature,
    ChainStep::IssuingProfile,
];

/// What a client anchors its trust in.
///
/// ```
/// use hypermesh_core::base::{Digest, UnixMillis};
/// use hypermesh_core::trust::{TrustBundle, verify_certificate};
///
/// /// Whether a certificate is one of the mesh whose genesis hash this program was given.
/// fn is_of_mesh(mesh: Digest, bundle_pem: &str, certificate_der: &[u8], now: UnixMillis) -> bool {
///     let Ok(bundle) = TrustBundle::from_pem(bundle_pem) else { return false };
///     // The hash is the trust anchor: all else in the bundle follows from it, or is refused.
///     bundle.genesis_hash() == mesh
///         && bundle.check().is_ok()
///         && verify_certificate(&bundle, certificate_der, None, None, now).valid
/// }
///
/// assert!(!is_of_mesh(Digest([7; 32]), "not a bundle", b"", UnixMillis(0)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TrustBundle {
    /// What the operators agreed on. Its hash names the mesh.
    pub genesis: Genesis,
    /// Each genesis validator's signed word that these are the committee's keys.
    pub confirmations: Vec<SystemOperation>,
    /// The root certificate, DER.
    #[serde(with = "hex::serde")]
    pub root_der: Vec<u8>,
    /// The issuing certificates, DER, oldest first: each is for the same key and takes over from the one before.
    pub issuing_ders: Vec<IssuingDer>,
}

/// An issuing certificate, DER.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssuingDer(#[serde(with = "hex::serde")] pub Vec<u8>);

/// A text that is no trust bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a trust bundle: expected the file that `hypermesh trust export` writes, unchanged")]
pub struct InvalidBundle;

/// A trust bundle that anchors nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleFault {
    /// Its genesis is none.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisFault),
    /// Not every validator confirmed the same keys.
    #[error("only {confirmed} of {validators} genesis validators confirm the same committee keys")]
    Confirmations {
        /// How many do.
        confirmed: usize,
        /// How many have to.
        validators: usize,
    },
    /// A certificate in it is malformed.
    #[error("{which} certificate: {fault}")]
    Certificate {
        /// Which.
        which: &'static str,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// The committee has no key for something.
    #[error("the committee's keys lack the one for {purpose}")]
    Keys {
        /// For what.
        purpose: KeyPurpose,
    },
    /// No issuing certificate, or too many.
    #[error("it has {count} issuing certificates: expected 1 to {ISSUING_COUNT_MAX}")]
    IssuingCount {
        /// How many it has.
        count: usize,
    },
    /// The issuing certificate is for another key.
    #[error("the issuing certificate is not for the committee's issuing key")]
    Issuing,
    /// The root or the issuing certificate is not the committee's.
    #[error("it does not hold that {step}: {fault}")]
    Chain {
        /// What should be so.
        step: ChainStep,
        /// Why it is not.
        fault: ChainFault,
    },
}

/// What a bundle anchors, once it has been checked.
#[derive(Clone, Debug)]
pub(super) struct BundleAnchor {
    pub(super) genesis_hash: Digest,
    pub(super) root_key: PublicKey,
    pub(super) issuing_key: PublicKey,
    pub(super) log_key: PublicKey,
    pub(super) root: SignedCertificate,
    /// Oldest first, at least one.
    pub(super) issuing: Vec<SignedCertificate>,
}

impl BundleAnchor {
    /// The issuing certificate to judge a certificate under, at an instant: the newest that holds then, and does not
    /// end before it. Where there is none, the newest, so that it can be said what is wrong.
    pub(super) fn issuing_for(&self, validity: &Validity, at: UnixMillis) -> Option<&SignedCertificate> {
        let outlasts = |issuing: &&SignedCertificate| validity.ends_within(&issuing.validity);
        let newest_first = || self.issuing.iter().rev();
        let holds = |issuing: &&SignedCertificate| issuing.validity.contains(at);
        newest_first()
            .filter(outlasts)
            .find(holds)
            .or_else(|| newest_first().find(outlasts))
            .or_else(|| self.issuing.last())
    }
}

impl TrustBundle {
    /// The mesh that it anchors.
    #[must_use]
    pub fn genesis_hash(&self) -> Digest {
        self.genesis.hash()
    }

    /// Checks that all its parts follow from its genesis.
    ///
    /// # Errors
    /// With the first part that does not.
    pub fn check(&self) -> Result<(), BundleFault> {
        self.anchor().map(|_| ())
    }

    /// The bundle in PEM armour (RFC 7468).
    #[must_use]
    pub fn to_pem(&self) -> String {
        armour(TRUST_PEM_LABEL, &encode(self))
    }

    /// The bundle in this armour. Nothing in it is checked yet: see [`Self::check`].
    ///
    /// # Errors
    /// If the text is not one bundle and nothing else.
    pub fn from_pem(text: &str) -> Result<Self, InvalidBundle> {
        let bytes = unarmour(TRUST_PEM_LABEL, text, TRUST_BUNDLE_BYTES_MAX).ok_or(InvalidBundle)?;
        decode(&bytes, TRUST_BUNDLE_BYTES_MAX).map_err(|_| InvalidBundle)
    }

    pub(super) fn anchor(&self) -> Result<BundleAnchor, BundleFault> {
        self.genesis.check()?;
        let genesis_hash = self.genesis.hash();
        let keys = self.confirmed_keys(&genesis_hash)?;
        let key = |purpose: KeyPurpose| keys.public(purpose).ok_or(BundleFault::Keys { purpose });
        let (root_key, issuing_key) = (key(KeyPurpose::Root)?, key(KeyPurpose::Issuing)?);
        let log_key = key(KeyPurpose::Log)?;
        let root = parse("root", &self.root_der)?;
        let count = self.issuing_ders.len();
        if !(1..=ISSUING_COUNT_MAX).contains(&count) {
            return Err(BundleFault::IssuingCount { count });
        }
        let mut issuing = Vec::with_capacity(count);
        for IssuingDer(der) in &self.issuing_ders {
            let certificate = parse("issuing", der)?;
            if certificate.subject_key.ed25519() != Some(issuing_key) {
                return Err(BundleFault::Issuing);
            }
            self.check_authorities(root_key, &root, &certificate)?;
            issuing.push(certificate);
        }
        Ok(BundleAnchor { genesis_hash, root_key, issuing_key, log_key, root, issuing })
    }

    /// Takes in an issuing certificate that came later than the bundle, such as lies beside a certificate. The bundle
    /// anchors it: it has to be for the committee's issuing key, and signed by its root's.
    ///
    /// # Errors
    /// If the bundle does not anchor it, or anchors nothing itself.
    pub fn take_in(&mut self, issuing_der: &[u8]) -> Result<(), BundleFault> {
        let der = IssuingDer(issuing_der.to_vec());
        if self.issuing_ders.contains(&der) {
            return Ok(());
        }
        let mut extended = self.clone();
        extended.issuing_ders.push(der);
        extended.check()?;
        *self = extended;
        Ok(())
    }

    /// The root is the committee's and the issuing certificate is under it. When they hold is not asked: that
    /// is judged with each certificate, at its instant.
    fn check_authorities(
        &self,
        root_key: PublicKey,
        root: &SignedCertificate,
        issuing: &SignedCertificate,
    ) -> Result<(), BundleFault> {
        let check = ChainCheck {
            // There is no leaf yet: the steps about it are passed over below.
            leaf: issuing,
            issuing,
            root,
            anchor: &ChainAnchor { root_key, zone: self.genesis.zone.clone() },
            now: self.genesis.time,
            expected: None,
        };
        let report = check.run();
        let mut steps = report.steps().iter().filter(|(step, _)| AUTHORITY_STEPS.contains(step));
        steps.try_for_each(|(step, outcome)| {
            outcome.clone().map_err(|fault| BundleFault::Chain { step: *step, fault })
        })
    }

    /// The keys that every genesis validator confirmed with its signature.
    fn confirmed_keys(&self, genesis_hash: &Digest) -> Result<CommitteeKeys, BundleFault> {
        let validators = self.genesis.validator_set();
        let fault = |confirmed| BundleFault::Confirmations { confirmed, validators: validators.count() };
        let mut agreed: Option<(u32, &CommitteeKeys)> = None;
        let mut confirmed: BTreeSet<PublicKey> = BTreeSet::new();
        for operation in self.confirmations.iter().take(VALIDATOR_COUNT_MAX) {
            let SystemAction::GenerationConfirm { attempt, keys } = &operation.action else { continue };
            let same = *agreed.get_or_insert((*attempt, keys)) == (*attempt, keys);
            if same && validators.contains(&operation.validator) && operation.is_signed(genesis_hash) {
                confirmed.insert(operation.validator);
            }
        }
        match agreed {
            Some((_, keys)) if confirmed.len() == validators.count() => Ok(keys.clone()),
            _ => Err(fault(confirmed.len())),
        }
    }
}

fn parse(which: &'static str, der: &[u8]) -> Result<SignedCertificate, BundleFault> {
    parse_certificate(der).map_err(|fault| BundleFault::Certificate { which, fault })
}
