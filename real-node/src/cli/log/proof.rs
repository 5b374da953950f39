//! Proof files, and checking them offline against a trust bundle.

use hypermesh_core::base::{Digest, LeafIndex};
use hypermesh_core::trust::{CheckedCheckpoint, TrustBundle};
use hypermesh_core::trustchain::ct::{TreeHead, leaf_hash, verify_consistency, verify_inclusion};
use serde::{Deserialize, Serialize};

/// What `log prove` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum LogProofFile {
    /// That an entry is in the log.
    Inclusion(InclusionProof),
    /// That the log only grew.
    Consistency(ConsistencyProof),
}

/// That an entry is in the log that a checkpoint signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InclusionProof {
    /// The entry's place.
    pub(super) index: LeafIndex,
    /// The entry: a `MerkleTreeLeaf` (RFC 6962 §3.4).
    #[serde(with = "hex::serde")]
    pub(super) entry: Vec<u8>,
    /// The log's size in the checkpoint.
    pub(super) size: u64,
    /// The log's root in the checkpoint.
    pub(super) root: Digest,
    /// The hashes that lead from the entry to the root.
    pub(super) path: Vec<Digest>,
    /// The checkpoint, a signed note.
    pub(super) checkpoint: String,
}

/// That a log continues an older one, and that a checkpoint signs what both became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsistencyProof {
    /// The older log.
    pub(super) old: TreeHead,
    /// The newer one.
    pub(super) new: TreeHead,
    /// The hashes that show that the newer continues the older.
    pub(super) path: Vec<Digest>,
    /// The hashes that show that the checkpoint's log continues the newer.
    pub(super) path_to_checkpoint: Vec<Digest>,
    /// The checkpoint, a signed note.
    pub(super) checkpoint: String,
}

/// The checks that were made, in order; the last one is the one that failed, if one did.
#[derive(Debug, Serialize)]
pub(super) struct LogReport {
    valid: bool,
    checks: Vec<LogCheck>,
}

#[derive(Debug, Serialize)]
struct LogCheck {
    name: &'static str,
    passed: bool,
    detail: String,
}

impl LogReport {
    /// Why it does not hold, if so.
    pub(super) fn failure(&self) -> Option<&str> {
        self.checks.iter().find(|check| !check.passed).map(|check| check.detail.as_str())
    }

    /// One line for each check.
    pub(super) fn text(&self) -> String {
        let verdict = |passed| if passed { "ok" } else { "failed" };
        let line =
            |check: &LogCheck| format!("{:<12} {:<7} {}\n", check.name, verdict(check.passed), check.detail);
        self.checks.iter().map(line).collect()
    }

    fn note<T>(
        &mut self,
        name: &'static str,
        outcome: Result<T, impl std::fmt::Display>,
        detail: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let (passed, detail) = match &outcome {
            Ok(value) => (true, detail(value)),
            Err(reason) => (false, reason.to_string()),
        };
        self.checks.push(LogCheck { name, passed, detail });
        outcome.ok()
    }

    fn checkpoint(&mut self, note: &str, bundle: &TrustBundle) -> Option<CheckedCheckpoint> {
        self.note("checkpoint", bundle.verify_checkpoint(note), |checked| {
            let names: Vec<&str> = checked.cosigned.iter().map(|cosigned| cosigned.name.as_str()).collect();
            let size = checked.head.size;
            format!("log of {size} entries, signed by the log key, cosigned by {}", names.join(", "))
        })
    }
}

/// Verifies a checkpoint.
pub(super) fn verify_note(note: &str, bundle: &TrustBundle) -> LogReport {
    let mut report = LogReport { valid: false, checks: Vec::new() };
    report.valid = report.checkpoint(note, bundle).is_some();
    report
}

/// Verifies a proof: its checkpoint first, then the hashes that lead to it.
pub(super) fn verify_log_proof(proof: &LogProofFile, bundle: &TrustBundle) -> LogReport {
    let mut report = LogReport { valid: false, checks: Vec::new() };
    let holds = match proof {
        LogProofFile::Inclusion(proof) => inclusion(&mut report, proof, bundle),
        LogProofFile::Consistency(proof) => consistency(&mut report, proof, bundle),
    };
    report.valid = holds.is_some();
    report
}

fn inclusion(report: &mut LogReport, proof: &InclusionProof, bundle: &TrustBundle) -> Option<()> {
    let head = report.checkpoint(&proof.checkpoint, bundle)?.head;
    let same = match head == (TreeHead { size: proof.size, root: proof.root }) {
        true => verify_inclusion(&leaf_hash(&proof.entry), proof.index, &proof.path, &head)
            .map_err(|fault| fault.to_string()),
        false => Err("the proof's size and root are not the checkpoint's".to_owned()),
    };
    report.note("logged", same, |()| format!("at index {} of {}", proof.index, proof.size))
}

fn consistency(report: &mut LogReport, proof: &ConsistencyProof, bundle: &TrustBundle) -> Option<()> {
    let head = report.checkpoint(&proof.checkpoint, bundle)?.head;
    let ConsistencyProof { old, new, path, path_to_checkpoint, .. } = proof;
    report.note("signed", verify_consistency(new, &head, path_to_checkpoint), |()| {
        format!("the log of {} entries is the beginning of the checkpoint's", new.size)
    })?;
    report.note("consistent", verify_consistency(old, new, path), |()| {
        format!("the log of {} entries is the beginning of the one of {}", old.size, new.size)
    })
}
