//! Each field wrong in turn: of operations, batches, proofs, blocks and certificates of commit. A new field does
//! not compile until it has its line here.

use super::test_util::*;
use crate::base::{Digest, PublicKey, SecretKey, Sequence};
use crate::hypermesh::ordering::{CommitCertificate, CommitSignature, Round};
use crate::hypermesh::proof::{
    Diligence, FourProofSet, ProofKind, SpaceProof, StakeProof, TimeProof, WorkProof,
};
use crate::state::*;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// The value with each of its fields changed, by the field's name. All of them: the pattern has no `..`.
macro_rules! each_field_wrong {
    ($value:expr, $kind:ident { $($field:ident: $change:expr),* $(,)? }) => {{
        let value: $kind = $value.clone();
        let $kind { $($field: _),* } = &value;
        vec![$({
            let mut changed = value.clone();
            let change: &dyn Fn(&mut _) = &$change;
            change(&mut changed.$field);
            assert_ne!(changed, value, "{} was not changed", stringify!($field));
            (stringify!($field), changed)
        }),*]
    }};
}

fn other(digest: &mut Digest) {
    digest.0[7] ^= 1;
}

fn somebody(key: &mut PublicKey) {
    *key = SecretKey::from_seed([77; 32]).public();
}

/// A mesh with a block, and a next block with a batch and a word of a validator's in it.
fn scene() -> (Mesh, Block, Vec<Arc<CheckedBatch>>) {
    let mut mesh = Mesh::new();
    mesh.pass(1000);
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let batches = vec![mesh.checked(mesh.batch(&mesh.validators[1], vec![operation]))];
    let reveal = &mesh.reveals[&mesh.validators[0].public()];
    let reveal = mesh.say(&mesh.validators[0], SystemAction::Reveal(reveal[reveal.len() - 2]));
    let candidate = Candidate { batches: batches.clone(), system: vec![reveal], ..mesh.candidate() };
    let (block, _) = mesh.state.build(candidate);
    assert_eq!((block.body.batches.len(), block.body.system.len()), (1, 1));
    assert!(mesh.state.execute(&block, &batches).is_ok());
    (mesh, block, batches)
}

fn bodies(body: &OperationBody) -> Vec<(&'static str, OperationBody)> {
    each_field_wrong!(
        body,
        OperationBody {
            genesis: other,
            owner: somebody,
            nonce: |nonce: &mut u64| *nonce += 1,
            expires: |expires: &mut crate::base::UnixMillis| expires.0 += 1,
            fee_max: |fee_max: &mut crate::base::MicroCaesar| fee_max.0 -= 1,
            action: |action: &mut Action| *action = transfer(&bob(), 6),
        }
    )
}

#[test]
fn an_operation_with_any_field_changed_is_not_its_owners() {
    let mut mesh = Mesh::new();
    let genesis = mesh.genesis_hash();
    let good = mesh.operation(&alice(), transfer(&bob(), 5));
    assert!(good.clone().check(&genesis).is_ok());
    let mut wrong: Vec<_> = bodies(&good.body)
        .into_iter()
        .map(|(field, body)| (field, Operation { body, ..good.clone() }))
        .collect();
    wrong.extend(each_field_wrong!(
        good,
        Operation {
            body: |body: &mut OperationBody| body.nonce += 1,
            signature: |signature: &mut crate::base::Signature| signature.0[5] ^= 1,
        }
    ));
    for (field, operation) in wrong {
        let fault = operation.check(&genesis).expect_err(field);
        let named = match field {
            "genesis" => matches!(fault, OperationFault::OtherMesh { .. }),
            _ => matches!(fault, OperationFault::Signature { .. }),
        };
        assert!(named, "{field}: {fault}");
    }
}

#[test]
fn an_operations_id_covers_every_field_so_none_can_be_changed_under_a_receipt() {
    let mut mesh = Mesh::new();
    let good = mesh.operation(&alice(), transfer(&bob(), 5));
    for (field, body) in bodies(&good.body) {
        assert_ne!(body.id(), good.id(), "{field}");
    }
}

#[test]
fn a_batch_with_any_field_changed_may_not_be_in_a_block() {
    let (mut mesh, block, _) = scene();
    let good = block.body.batches[0].clone();
    let more = mesh.operation(&alice(), transfer(&bob(), 7));
    let wrong = each_field_wrong!(
        good,
        Batch {
            genesis: other,
            member: |member: &mut PublicKey| *member = mesh.validators[2].public(),
            sequence: |sequence: &mut Sequence| *sequence = sequence.next(),
            beacon_index: |index: &mut u64| *index += 1,
            operations: |operations: &mut Vec<Operation>| operations.push(more.clone()),
            omitted: |omitted: &mut Vec<Omitted>| {
                omitted.push(Omitted { first: 1, height: 0, root: Digest([3; 32]) })
            },
            proofs: |proofs: &mut FourProofSet| proofs.work_proof.nonces[0] ^= 1,
        }
    );
    let time = mesh.state.time().plus(1000);
    for (field, batch) in wrong {
        // By whoever looks at the proofs first, and by whoever looks at the signatures first.
        let proofs = mesh.state.admit_proofs(&batch, time, Diligence::StopAtFirst);
        assert!(proofs.is_err() || field == "genesis", "{field}");
        if field == "omitted" {
            assert_eq!(batch.clone().check(&mesh.genesis_hash()).err(), Some(BatchFault::Shortened));
        }
        match batch.check_included(&mesh.genesis_hash()) {
            Err(fault) => assert_eq!((field, fault), ("genesis", BatchFault::OtherMesh)),
            Ok(checked) => {
                let refused = mesh.state.admit(&checked, time, Diligence::StopAtFirst).expect_err(field);
                assert_eq!(proofs.unwrap_err(), refused, "{field}");
            }
        }
    }
}

#[test]
fn a_set_with_any_proof_changed_names_that_proof() {
    let (mesh, block, _) = scene();
    let batch = &block.body.batches[0];
    let wrong = each_field_wrong!(
        batch.proofs,
        FourProofSet {
            space_proof: |proof: &mut SpaceProof| match proof {
                SpaceProof::Full(answer) => answer.labels[0][3] ^= 1,
                SpaceProof::Ticket(_) => panic!("the first batch under a beacon carries its ticket"),
            },
            stake_proof: |proof: &mut StakeProof| proof.signature.0[9] ^= 1,
            work_proof: |proof: &mut WorkProof| proof.nonces = proof.nonces.map(|nonce| nonce ^ 1 << 40),
            time_proof: |proof: &mut TimeProof| match proof {
                TimeProof::Full(steps) => other(&mut steps.root),
                TimeProof::Ticket(_) => panic!("the first batch under a beacon carries its ticket"),
            },
        }
    );
    let kinds = [ProofKind::Space, ProofKind::Stake, ProofKind::Work, ProofKind::Time];
    for ((field, proofs), kind) in wrong.into_iter().zip(kinds) {
        let batch = Batch { proofs, ..batch.clone() };
        let time = mesh.state.time().plus(1000);
        let Err(Inadmissible::Proofs(rejection)) = mesh.state.admit_proofs(&batch, time, Diligence::NameAll)
        else {
            panic!("{field}");
        };
        assert!(rejection.failed.iter().any(|failed| failed.proof == kind), "{field}: {rejection:?}");
    }
}

#[test]
fn a_header_with_any_field_changed_is_refused_by_the_fields_name() {
    let (mesh, block, batches) = scene();
    let wrong = each_field_wrong!(
        block.header,
        Header {
            version: |version: &mut u16| *version += 1,
            genesis: other,
            height: |height: &mut crate::base::Height| *height = height.next(),
            parent: other,
            time: |time: &mut crate::base::UnixMillis| time.0 = BEGIN.0,
            proposer: somebody,
            body_root: other,
            state_root: other,
            log_size: |size: &mut u64| *size += 1,
            log_root: other,
            validators_hash: other,
            beacon: other,
            parent_commit: other,
        }
    );
    for (field, header) in wrong {
        assert_ne!(header.hash(), block.header.hash(), "votes do not cover {field}");
        let wrong = Block { header, body: block.body.clone() };
        let fault = mesh.state.execute(&wrong, &batches).err();
        assert_eq!(fault, Some(BlockFault::Header { field }));
    }
}

#[test]
fn a_body_with_any_field_changed_is_refused_whether_its_header_is_mended_or_not() {
    let (mesh, block, batches) = scene();
    let wrong = each_field_wrong!(
        block.body,
        Body {
            batches: |batches: &mut Vec<Batch>| batches.clear(),
            system: |system: &mut Vec<SystemOperation>| system.clear(),
            parent_commit: |commit: &mut Option<CommitCertificate>| *commit = None,
        }
    );
    for (field, body) in wrong {
        let kept: Vec<_> =
            batches.iter().filter(|batch| body.batches.contains(&batch.batch)).cloned().collect();
        let mut changed = Block { header: block.header.clone(), body };
        assert!(Block::from_bytes(&changed.to_bytes()).is_none(), "{field}: the header is of another body");
        assert!(mesh.state.execute(&changed, &kept).is_err(), "{field}");
        changed.header.body_root = changed.body.root();
        changed.header.parent_commit = changed.body.parent_commit_hash();
        assert!(Block::from_bytes(&changed.to_bytes()).is_some(), "{field}");
        assert!(mesh.state.execute(&changed, &kept).is_err(), "{field}: with its hashes mended");
    }
}

#[test]
fn a_commit_certificate_with_any_field_changed_proves_nothing() {
    let (mesh, block, batches) = scene();
    let good = block.body.parent_commit.clone().unwrap();
    let holds =
        |commit: &CommitCertificate| commit.verify(&mesh.genesis_hash(), mesh.state.validators()).is_ok();
    assert!(holds(&good));
    let mut wrong = each_field_wrong!(
        good,
        CommitCertificate {
            height: |height: &mut crate::base::Height| *height = height.next(),
            round: |round: &mut Round| round.0 += 1,
            value_id: other,
            signatures: |signatures: &mut Vec<CommitSignature>| signatures.truncate(2),
        }
    );
    let first = good.signatures[0];
    let signatures = each_field_wrong!(
        first,
        CommitSignature {
            validator: somebody,
            signature: |signature: &mut crate::base::Signature| signature.0[40] ^= 1,
        }
    );
    wrong.extend(signatures.into_iter().map(|(field, signature)| {
        let mut commit = good.clone();
        commit.signatures[0] = signature;
        (field, commit)
    }));
    for (field, commit) in wrong {
        assert!(!holds(&commit), "{field}");
        let mut changed = block.clone();
        changed.body.parent_commit = Some(commit);
        changed.header.parent_commit = changed.body.parent_commit_hash();
        assert!(mesh.state.execute(&changed, &batches).is_err(), "{field}");
    }
}

#[test]
fn a_system_operation_with_any_field_changed_is_not_its_validators() {
    let (mesh, block, batches) = scene();
    let good = block.body.system[0].clone();
    let wrong = each_field_wrong!(
        good,
        SystemOperation {
            genesis: other,
            validator: |validator: &mut PublicKey| *validator = mesh.validators[2].public(),
            action: |action: &mut SystemAction| *action = SystemAction::Reveal(Digest([3; 32])),
            signature: |signature: &mut crate::base::Signature| signature.0[1] ^= 1,
        }
    );
    for (field, operation) in wrong {
        assert!(!operation.is_signed(&mesh.genesis_hash()), "{field}");
        let mut changed = block.clone();
        changed.body.system = vec![operation];
        changed.header.body_root = changed.body.root();
        let fault = mesh.state.execute(&changed, &batches).err();
        assert_eq!(fault, Some(BlockFault::System { position: 0 }), "{field}");
    }
}
