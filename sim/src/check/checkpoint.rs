//! Every signed checkpoint that anybody was shown is of the one log, and of one history: all pairs are consistent, as
//! an auditor who keeps them would find with the log's own proofs; and each certificate is included in the one beside it.
//!
//! The log's signature and a quorum of cosignatures are checked on every note that is new. What a liar cosigns in secret
//! is not seen.

use super::{Chain, ObservedAnswer, Shown, Violation};
use hypermesh_core::api::{CheckpointNote, IssuedCertificate};
use hypermesh_core::base::Digest;
use hypermesh_core::hypermesh::committee::KeyPurpose;
use hypermesh_core::state::{State, cosigner_name};
use hypermesh_core::trust::CertificateProof;
use hypermesh_core::trustchain::ct::{
    Cosigner, SignedCheckpoint, TreeHead, verify_consistency, verify_inclusion,
};
use std::collections::{BTreeMap, BTreeSet};

/// Watches checkpoints.
#[derive(Default)]
pub struct CheckpointCheck {
    /// The root that was shown for each size.
    shown: BTreeMap<u64, Digest>,
    /// The notes whose signatures were checked.
    checked: BTreeSet<Digest>,
}

impl CheckpointCheck {
    /// Looks at an answer.
    ///
    /// # Errors
    /// If it shows a checkpoint of another log, or a certificate that is not in it.
    pub(super) fn on_answer(
        &mut self,
        chain: &Chain,
        observed: &ObservedAnswer<'_>,
    ) -> Result<(), Violation> {
        let (Ok(response), Some(state)) = (observed.response, chain.newest()) else { return Ok(()) };
        let outcome = match Shown::by(response) {
            Shown::Checkpoint(CheckpointNote { note, size, root }) => {
                self.on_note(state, note).and_then(|head| {
                    match head == (TreeHead { size: *size, root: *root }) {
                        true => Ok(()),
                        false => Err("shows a checkpoint and says that it is another".to_string()),
                    }
                })
            }
            Shown::Certificate(issued) => self.on_issued(state, issued),
            Shown::Status(_)
            | Shown::List(_)
            | Shown::Records(_)
            | Shown::Proof(_)
            | Shown::RevocationLists(_)
            | Shown::Bundle(_)
            | Shown::Nothing => Ok(()),
        };
        outcome.map_err(|what| observed.observation.violation("checkpoints", what))
    }

    fn on_issued(&mut self, state: &State, issued: &IssuedCertificate) -> Result<(), String> {
        let proof = CertificateProof::from_pem(&issued.proof_pem).map_err(|fault| fault.to_string())?;
        let head = self.on_note(state, &proof.checkpoint)?;
        let (index, serial) = (issued.leaf_index, issued.serial_number);
        let leaf = state.log().leaf_hash(index).unwrap_or_default();
        let path = state.log().inclusion_proof(index, head.size).unwrap_or_default();
        verify_inclusion(&leaf, index, &path, &head)
            .map_err(|_| format!("shows {serial} beside a checkpoint in which it is not"))
    }

    /// Checks a note, and that what it says goes with all that was said before.
    fn on_note(&mut self, state: &State, text: &str) -> Result<TreeHead, String> {
        let note = SignedCheckpoint::from_note(text).map_err(|fault| fault.to_string())?;
        let head = note.checkpoint.head;
        let id = Digest(*blake3::hash(text.as_bytes()).as_bytes());
        if !self.checked.contains(&id) {
            check_signatures(state, &note)?;
            self.checked.insert(id);
        }
        self.on_head(state, head)?;
        Ok(head)
    }

    fn on_head(&mut self, state: &State, head: TreeHead) -> Result<(), String> {
        let before = self.shown.range(..head.size).next_back().map(|(size, root)| (*size, *root));
        let after = self.shown.range(head.size + 1..).next().map(|(size, root)| (*size, *root));
        let root = *self.shown.entry(head.size).or_insert(head.root);
        if root != head.root || state.log().root_at(head.size) != Ok(head.root) {
            return Err(format!("shows a checkpoint of {} entries that the log never had", head.size));
        }
        // With its neighbours on both sides, each pair is consistent with every other.
        let pair = |(size, root): (u64, Digest)| TreeHead { size, root };
        let before = before.map(|other| (pair(other), head));
        let after = after.map(|other| (head, pair(other)));
        for (old, new) in before.into_iter().chain(after).filter(|(old, _)| old.size > 0) {
            let path = state.log().consistency_proof(old.size, new.size).unwrap_or_default();
            verify_consistency(&old, &new, &path).map_err(|_| {
                format!("the checkpoints of {} and {} entries contradict", old.size, new.size)
            })?;
        }
        Ok(())
    }
}

fn check_signatures(state: &State, note: &SignedCheckpoint) -> Result<(), String> {
    let genesis = state.genesis_document();
    let committee = state.committee().ok_or("shows a checkpoint before there are keys")?;
    let key = committee.keys.public(KeyPurpose::Log).ok_or("the committee has no key for the log")?;
    let cosigners: Vec<Cosigner> = genesis
        .validators
        .iter()
        .map(|one| Cosigner { name: cosigner_name(&one.name, &genesis.zone), key: one.member.key })
        .collect();
    let cosigned = note.verify(&key, &cosigners).map_err(|fault| fault.to_string())?;
    match 3 * cosigned.len() > 2 * cosigners.len() {
        true => Ok(()),
        false => Err(format!("shows a checkpoint with {} cosignatures", cosigned.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issue, world_with};
    use crate::world::World;
    use hypermesh_core::api::{CheckpointRequest, Request, Response};
    use hypermesh_core::base::LeafIndex;

    fn world() -> (World, String, IssuedCertificate) {
        let checkpoint = Request::LogCheckpoint(CheckpointRequest {});
        let (world, responses) = world_with(|world| vec![issue(world, 1), issue(world, 2), checkpoint]);
        let mut responses = responses.into_iter().skip(1);
        let (Some(Response::IssueCertificate(issued)), Some(Response::LogCheckpoint(shown))) =
            (responses.next(), responses.next())
        else {
            panic!("other responses")
        };
        (world, shown.note, issued)
    }

    #[test]
    fn it_fires_on_a_checkpoint_that_is_unsigned_or_of_another_log() {
        let (world, note, _) = world();
        let state = world.checks().chain().newest().unwrap();
        let mut check = CheckpointCheck::default();
        let head = check.on_note(state, &note).unwrap();
        let mut signed = SignedCheckpoint::from_note(&note).unwrap();
        signed.signatures.truncate(2);
        assert!(check.on_note(state, &signed.to_note().unwrap()).unwrap_err().contains("1 cosignatures"));
        signed.signatures.remove(0);
        assert!(check.on_note(state, &signed.to_note().unwrap()).is_err());
        let split = TreeHead { root: Digest([7; 32]), ..head };
        assert!(check.on_head(state, split).unwrap_err().contains("never had"));
        assert!(check.on_head(state, TreeHead { size: head.size + 1, ..head }).is_err());
    }

    #[test]
    fn it_fires_when_two_checkpoints_contradict() {
        let (world, note, _) = world();
        let state = world.checks().chain().newest().unwrap();
        let mut check = CheckpointCheck::default();
        check.shown.insert(1, Digest([7; 32]));
        assert!(check.on_note(state, &note).unwrap_err().contains("contradict"));
    }

    #[test]
    fn it_fires_when_a_certificate_is_not_in_the_checkpoint_beside_it() {
        let (world, _, issued) = world();
        let state = world.checks().chain().newest().unwrap();
        let mut check = CheckpointCheck::default();
        assert_eq!(check.on_issued(state, &issued), Ok(()));
        let later = IssuedCertificate { leaf_index: LeafIndex(state.log().size()), ..issued };
        assert!(check.on_issued(state, &later).unwrap_err().contains("is not"));
    }
}
