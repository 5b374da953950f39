//! Verifying a certificate offline, check by check, each with its name.

use super::bundle::BundleAnchor;
use super::{CertificateProof, TrustBundle};
use crate::base::{Height, LeafIndex, PublicKey, UnixMillis, decode};
use crate::state::{ConsensusProof, Genesis};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{
    CertificateRole, ChainAnchor, ChainCheck, ChainStep, ExpectedName, PROOF_BYTES_MAX, SignedCertificate,
    SubjectKey, parse_certificate,
};
use crate::trustchain::ct::{LogEntry, TreeHead, verify_inclusion};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckName {
    /// The trust bundle follows from its genesis.
    Bundle,
    /// The certificate is one, in its only encoding.
    Form,
    /// Leaf, issuing certificate and root are signed one by the other.
    Chain,
    /// All three are within their time.
    Time,
    /// It certifies the name that was asked for.
    Names,
    /// It carries the header of a block of this mesh.
    Approved,
    /// Its log entry is under that header's log root.
    Logged,
    /// A quorum of validators precommitted that header.
    Quorum,
    /// The log key signed, and a quorum cosigned, a checkpoint with that log root.
    Checkpoint,
    /// It is not revoked, by a revocation list or by what is proved of the state.
    Revocation,
}

/// A check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is about.
    pub name: CheckName,
    /// Whether it held; none if it was not made.
    pub passed: Option<bool>,
    /// In words: what was found, or why not.
    pub detail: String,
}

/// What came of verifying a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Whether every check held.
    pub valid: bool,
    /// The checks that were made, in order; the last one is the one that failed, if one did.
    pub checks: Vec<Check>,
    /// The block that approved it.
    pub height: Option<Height>,
    /// Its place in the log.
    pub leaf_index: Option<LeafIndex>,
    /// The validators whose precommits are in the proof file.
    pub approved_by: Vec<String>,
}

/// Verifies a certificate against a trust bundle, and with a proof file who approved it.
///
/// `name` is the name that the certificate is used for, if one is known. Nothing is looked up anywhere.
#[must_use]
pub fn verify_certificate(
    bundle: &TrustBundle,
    certificate_der: &[u8],
    proof: Option<&CertificateProof>,
    name: Option<&DomainName>,
    wall: UnixMillis,
) -> Verification {
    let mut verification = Verification::default();
    verification.valid = verification.run(bundle, certificate_der, proof, name, wall).is_some();
    verification
}

impl Verification {
    /// The check that keeps the certificate from being valid, if one does: the last, which did not hold or could not be made.
    #[must_use]
    pub fn failed(&self) -> Option<&Check> {
        self.checks.last().filter(|_| !self.valid)
    }

    fn run(
        &mut self,
        bundle: &TrustBundle,
        der: &[u8],
        proof: Option<&CertificateProof>,
        name: Option<&DomainName>,
        wall: UnixMillis,
    ) -> Option<()> {
        let anchor =
            self.note(CheckName::Bundle, bundle.anchor().map_err(|fault| fault.to_string()), |anchor| {
                format!("mesh {} with genesis {}", bundle.genesis.network, anchor.genesis_hash)
            })?;
        let leaf = parse_certificate(der).map_err(|fault| fault.to_string());
        let leaf = self.note(CheckName::Form, leaf, |leaf| format!("serial number {}", leaf.serial))?;
        let chain = chain(bundle, &anchor, &leaf, name, wall);
        let part = |wanted: fn(ChainStep) -> bool| {
            chain
                .iter()
                .filter(|(step, _)| wanted(*step))
                .find_map(|(_, fault)| fault.clone())
                .map_or(Ok(()), Err)
        };
        self.note(CheckName::Chain, part(is_signing), |()| {
            "leaf, issuing and root certificates".to_string()
        })?;
        self.note(CheckName::Time, part(is_timing), |()| format!("until {}", leaf.validity.not_after))?;
        self.note(CheckName::Names, part(is_naming), |()| listed(&leaf))?;
        let consensus = self.note(CheckName::Approved, approved(&anchor, &leaf), |consensus| {
            format!("by consensus at height {}", consensus.header.height)
        })?;
        self.height = Some(consensus.header.height);
        self.note(CheckName::Logged, logged(&anchor, &leaf, &consensus), |()| {
            format!("at index {} of {}", consensus.leaf_index, consensus.header.log_size)
        })?;
        self.leaf_index = Some(consensus.leaf_index);
        let Some(proof) = proof else { return Some(()) };
        let precommits = quorum(bundle, &anchor, &leaf, &consensus, proof);
        self.approved_by =
            self.note(CheckName::Quorum, precommits, |names| format!("of {}", names.join(", ")))?;
        self.note(CheckName::Checkpoint, checkpoint(bundle, &anchor, &consensus, proof), |names| {
            format!("signed by the log key, cosigned by {}", names.join(", "))
        })?;
        Some(())
    }

    fn note<T>(
        &mut self,
        name: CheckName,
        outcome: Result<T, String>,
        detail: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let (passed, detail) = match &outcome {
            Ok(value) => (true, detail(value)),
            Err(reason) => (false, reason.clone()),
        };
        self.checks.push(Check { name, passed: Some(passed), detail });
        outcome.ok()
    }
}

/// Every step of the chain, with its fault where it has one.
fn chain(
    bundle: &TrustBundle,
    anchor: &BundleAnchor,
    leaf: &SignedCertificate,
    name: Option<&DomainName>,
    now: UnixMillis,
) -> Vec<(ChainStep, Option<String>)> {
    let root_key = anchor.root_key;
    let issuing = anchor.issuing_for(&leaf.validity, now).unwrap_or(&anchor.root);
    let expected = name.cloned().map(ExpectedName::Dns);
    let check = ChainCheck {
        leaf,
        issuing,
        root: &anchor.root,
        anchor: &ChainAnchor { root_key, zone: bundle.genesis.zone.clone() },
        now,
        expected: expected.as_ref(),
    };
    let report = check.run();
    report
        .steps()
        .iter()
        .map(|(step, outcome)| (*step, outcome.as_ref().err().map(ToString::to_string)))
        .collect()
}

const fn is_timing(step: ChainStep) -> bool {
    matches!(step, ChainStep::RootValidity | ChainStep::IssuingValidity | ChainStep::LeafValidity)
}

const fn is_naming(step: ChainStep) -> bool {
    matches!(step, ChainStep::LeafNames | ChainStep::ExpectedName)
}

const fn is_signing(step: ChainStep) -> bool {
    !is_timing(step) && !is_naming(step)
}

fn listed(leaf: &SignedCertificate) -> String {
    match &leaf.role {
        CertificateRole::Leaf(names) => names.to_string(),
        _ => "none".to_string(),
    }
}

fn approved(anchor: &BundleAnchor, leaf: &SignedCertificate) -> Result<ConsensusProof, String> {
    let missing = "it carries no proof that consensus approved it: never logged".to_string();
    let bytes = leaf.proof.as_ref().ok_or(missing)?;
    let malformed = |_| "its consensus proof is malformed".to_string();
    let consensus: ConsensusProof = decode(bytes, PROOF_BYTES_MAX).map_err(malformed)?;
    if consensus.header.genesis != anchor.genesis_hash {
        return Err(format!(
            "its consensus proof is of another mesh, with genesis {}",
            consensus.header.genesis
        ));
    }
    Ok(consensus)
}

fn logged(anchor: &BundleAnchor, leaf: &SignedCertificate, consensus: &ConsensusProof) -> Result<(), String> {
    let header = &consensus.header;
    let entry = LogEntry {
        timestamp: header.time,
        issuer_key_hash: SubjectKey::from(anchor.issuing_key).spki_hash(),
        tbs: leaf.pre_tbs.clone(),
    };
    let head = TreeHead { size: header.log_size, root: header.log_root };
    verify_inclusion(&entry.leaf_hash(), consensus.leaf_index, &consensus.inclusion, &head)
        .map_err(|_| "never logged: its entry is not under the log root that its proof names".to_string())
}

fn quorum(
    bundle: &TrustBundle,
    anchor: &BundleAnchor,
    leaf: &SignedCertificate,
    consensus: &ConsensusProof,
    proof: &CertificateProof,
) -> Result<Vec<String>, String> {
    if proof.serial_number != leaf.serial {
        return Err(format!("the proof file is of the certificate {}", proof.serial_number));
    }
    let header = &consensus.header;
    if proof.commit.height != header.height || proof.commit.value_id != header.hash() {
        return Err("never logged: the proof file's precommits are for another block than the certificate's"
            .to_string());
    }
    let validators = bundle.genesis.validator_set();
    proof.commit.verify(&anchor.genesis_hash, &validators).map_err(|fault| fault.to_string())?;
    Ok(proof
        .commit
        .signatures
        .iter()
        .map(|signature| validator_name(&bundle.genesis, &signature.validator))
        .collect())
}

fn checkpoint(
    bundle: &TrustBundle,
    anchor: &BundleAnchor,
    consensus: &ConsensusProof,
    proof: &CertificateProof,
) -> Result<Vec<String>, String> {
    let checked =
        bundle.verify_checkpoint_with(anchor, &proof.checkpoint).map_err(|refusal| refusal.to_string())?;
    let header = &consensus.header;
    if checked.head != (TreeHead { size: header.log_size, root: header.log_root }) {
        return Err("the checkpoint is of another log than the certificate's header".to_string());
    }
    // The mesh's own nodes wrote this checkpoint: a line that is by none of them was put in or altered.
    if checked.unknown_lines > 0 {
        return Err("the checkpoint has a signature that is by no validator of this mesh".to_string());
    }
    Ok(checked.cosigned.into_iter().map(|cosigned| cosigned.name).collect())
}

/// A validator's name by its key; the key itself for a stranger.
fn validator_name(genesis: &Genesis, key: &PublicKey) -> String {
    let validator = genesis.validators.iter().find(|validator| validator.member.key == *key);
    validator.map_or_else(|| key.to_string(), |validator| validator.name.clone())
}
