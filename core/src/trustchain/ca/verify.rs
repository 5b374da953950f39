//! A chain judged offline: leaf, issuing certificate, root, each check a step with its own outcome.
//!
//! The steps say that the certificates hang together, hold at an instant, and lie in the zone of a root that the
//! caller already trusts. They do not say that consensus approved and logged the certificate, nor that it was
//! not revoked: the proof and the state are the caller's to check, on top.

use super::{CertificateRole, NameFault, SignedCertificate, SubjectNames, Validity};
use crate::base::{PublicKey, UnixMillis};
use crate::trustchain::DomainName;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::str::FromStr;
use serde::{Serialize, Serializer};

/// What the caller trusts, from a trust bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainAnchor {
    /// The committee's key for the root.
    pub root_key: PublicKey,
    /// The zone that the mesh speaks for.
    pub zone: DomainName,
}

/// A name that the leaf is expected to bear.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExpectedName {
    /// A DNS name, matched whole.
    Dns(DomainName),
    /// An address.
    Ipv6(Ipv6Addr),
    /// A SPIFFE ID.
    Spiffe(String),
}

/// A text that is none of the kinds of name that certificates bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a DNS name, an IPv6 address or a SPIFFE ID")]
pub struct InvalidExpectedName;

/// A chain to check.
#[derive(Clone, Copy, Debug)]
pub struct ChainCheck<'a> {
    /// The certificate in question.
    pub leaf: &'a SignedCertificate,
    /// The one that signed it.
    pub issuing: &'a SignedCertificate,
    /// The one that signed that.
    pub root: &'a SignedCertificate,
    /// What is trusted.
    pub anchor: &'a ChainAnchor,
    /// The instant to judge at.
    pub now: UnixMillis,
    /// The name that the leaf must bear, if one is asked for.
    pub expected: Option<&'a ExpectedName>,
}

/// One check of a chain, in the order in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ChainStep {
    /// The root certificate's key is the trusted one.
    RootAnchored,
    /// The root certificate is signed by its own key.
    RootSignature,
    /// The root certificate is an authority for this zone with one authority below it.
    RootProfile,
    /// The root certificate holds at the instant.
    RootValidity,
    /// The issuing certificate is signed by the root's key.
    IssuingSignature,
    /// The issuing certificate is an authority for this zone, named under the root, ending no later.
    IssuingProfile,
    /// The issuing certificate holds at the instant.
    IssuingValidity,
    /// The leaf is signed by the issuing key.
    LeafSignature,
    /// The leaf is one, is named under the issuing certificate, and ends no later.
    LeafProfile,
    /// The leaf holds at the instant.
    LeafValidity,
    /// The leaf's names lie in the zone.
    LeafNames,
    /// The leaf bears the name that was asked for. Made only if one was.
    ExpectedName,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// A root that nobody said to trust.
    #[error("the root's key is not the trusted one: check that the trust bundle is this network's")]
    NotAnchored,
    /// A signature that does not hold.
    #[error("the signature does not verify")]
    Signature,
    /// The wrong kind of certificate, or one for the wrong zone.
    #[error("{reason}")]
    Profile {
        /// What is wrong.
        reason: &'static str,
    },
    /// Before its time.
    #[error("not valid before {not_before}: check this machine's clock")]
    NotYetValid {
        /// The first instant.
        not_before: UnixMillis,
    },
    /// After its time.
    #[error("expired at {not_after}: renew it")]
    Expired {
        /// The last instant.
        not_after: UnixMillis,
    },
    /// A name that the mesh does not speak for.
    #[error(transparent)]
    Names(#[from] NameFault),
    /// The leaf does not bear the name that was asked for.
    #[error("the certificate does not name {expected}")]
    NameMismatch {
        /// The name.
        expected: String,
    },
}

/// What every step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ChainReport {
    steps: Vec<(ChainStep, Result<(), ChainFault>)>,
}

impl ChainCheck<'_> {
    /// Makes every check, also those after one that failed, so that all can be shown.
    pub fn run(&self) -> ChainReport {
        let mut steps = Vec::from([
            (ChainStep::RootAnchored, self.root_anchored()),
            (ChainStep::RootSignature, signed_by(self.root, self.root)),
            (ChainStep::RootProfile, self.authority(self.root, self.root, 1)),
            (ChainStep::RootValidity, holds(&self.root.validity, self.now)),
            (ChainStep::IssuingSignature, signed_by(self.issuing, self.root)),
            (ChainStep::IssuingProfile, self.authority(self.issuing, self.root, 0)),
            (ChainStep::IssuingValidity, holds(&self.issuing.validity, self.now)),
            (ChainStep::LeafSignature, signed_by(self.leaf, self.issuing)),
            (ChainStep::LeafProfile, self.leaf_profile()),
            (ChainStep::LeafValidity, holds(&self.leaf.validity, self.now)),
            (ChainStep::LeafNames, self.leaf_names()),
        ]);
        if let Some(expected) = self.expected {
            steps.push((ChainStep::ExpectedName, self.bears(expected)));
        }
        ChainReport { steps }
    }

    fn root_anchored(&self) -> Result<(), ChainFault> {
        match self.root.subject_key.ed25519() {
            Some(key) if key == self.anchor.root_key => Ok(()),
            Some(_) | None => Err(ChainFault::NotAnchored),
        }
    }

    fn authority(
        &self,
        certificate: &SignedCertificate,
        issuer: &SignedCertificate,
        length: u8,
    ) -> Result<(), ChainFault> {
        let CertificateRole::Authority { path_length, zone } = &certificate.role else {
            return profile("it is a leaf, not an authority");
        };
        if *path_length != length {
            return profile("the number of authorities allowed below it is wrong");
        }
        if *zone != self.anchor.zone {
            return profile("its name constraints are not the mesh's zone");
        }
        named_under(certificate, issuer)
    }

    fn leaf_profile(&self) -> Result<(), ChainFault> {
        match &self.leaf.role {
            CertificateRole::Leaf(_) => named_under(self.leaf, self.issuing),
            CertificateRole::Authority { .. } => profile("it is an authority, not a leaf"),
        }
    }

    fn names(&self) -> Result<&SubjectNames, ChainFault> {
        match &self.leaf.role {
            CertificateRole::Leaf(names) => Ok(names),
            CertificateRole::Authority { .. } => {
                Err(ChainFault::Profile { reason: "it is an authority, not a leaf" })
            }
        }
    }

    fn leaf_names(&self) -> Result<(), ChainFault> {
        Ok(self.names()?.within(&self.anchor.zone)?)
    }

    fn bears(&self, expected: &ExpectedName) -> Result<(), ChainFault> {
        let names = self.names()?;
        let found = match expected {
            ExpectedName::Dns(name) => names.dns().contains(name),
            ExpectedName::Ipv6(address) => names.ipv6().contains(address),
            ExpectedName::Spiffe(uri) => names.spiffe() == Some(uri.as_str()),
        };
        if found { Ok(()) } else { Err(ChainFault::NameMismatch { expected: expected.to_string() }) }
    }
}

impl ChainReport {
    /// Every step that was made, in order.
    pub fn steps(&self) -> &[(ChainStep, Result<(), ChainFault>)] {
        &self.steps
    }

    /// The first step that failed, and why.
    #[must_use]
    pub fn first_fault(&self) -> Option<(ChainStep, &ChainFault)> {
        self.steps.iter().find_map(|(step, outcome)| Some((*step, outcome.as_ref().err()?)))
    }

    /// Whether every step holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.first_fault().is_none()
    }
}

fn signed_by(certificate: &SignedCertificate, issuer: &SignedCertificate) -> Result<(), ChainFault> {
    let key = issuer.subject_key.ed25519().ok_or(ChainFault::Signature)?;
    certificate.signed_by(&key).map(|_| ()).map_err(|_| ChainFault::Signature)
}

fn named_under(certificate: &SignedCertificate, issuer: &SignedCertificate) -> Result<(), ChainFault> {
    if certificate.issuer_name != issuer.subject_name {
        return profile("its issuer's name is not the subject above it");
    }
    if certificate.authority_key_id != issuer.subject_key_id {
        return profile("its authority key identifier is not the key above it");
    }
    if !certificate.validity.ends_within(&issuer.validity) {
        return profile("it ends after the certificate above it");
    }
    Ok(())
}

fn holds(validity: &Validity, now: UnixMillis) -> Result<(), ChainFault> {
    if validity.contains(now) {
        return Ok(());
    }
    if now < validity.not_before {
        return Err(ChainFault::NotYetValid { not_before: validity.not_before });
    }
    Err(ChainFault::Expired { not_after: validity.not_after })
}

const fn profile(reason: &'static str) -> Result<(), ChainFault> {
    Err(ChainFault::Profile { reason })
}

impl fmt::Display for ChainStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::RootAnchored => "the root is the trusted one",
            Self::RootSignature => "the root is signed by itself",
            Self::RootProfile => "the root is an authority for the zone",
            Self::RootValidity => "the root is in its time",
            Self::IssuingSignature => "the issuing certificate is signed by the root",
            Self::IssuingProfile => "the issuing certificate is an authority for the zone",
            Self::IssuingValidity => "the issuing certificate is in its time",
            Self::LeafSignature => "the certificate is signed by the issuing key",
            Self::LeafProfile => "the certificate is a leaf under the issuing certificate",
            Self::LeafValidity => "the certificate is in its time",
            Self::LeafNames => "the certificate's names lie in the zone",
            Self::ExpectedName => "the certificate bears the name asked for",
        })
    }
}

impl Serialize for ChainStep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for ExpectedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => fmt::Display::fmt(name, formatter),
            Self::Ipv6(address) => fmt::Display::fmt(address, formatter),
            Self::Spiffe(uri) => formatter.write_str(uri),
        }
    }
}

impl FromStr for ExpectedName {
    type Err = InvalidExpectedName;

    fn from_str(text: &str) -> Result<Self, InvalidExpectedName> {
        if text.starts_with("spiffe://") {
            return Ok(Self::Spiffe(text.to_string()));
        }
        let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = address.parse() {
            return Ok(Self::Ipv6(address));
        }
        text.parse().map(Self::Dns).map_err(|_| InvalidExpectedName)
    }
}
