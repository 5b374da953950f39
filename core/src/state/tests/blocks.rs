//! Blocks: built and executed alike, and every wrong one refused by name.

use super::offences::{accuse, false_claim};
use super::test_util::*;
use crate::base::{Digest, Height, Profile, SecretKey, Sequence, StrictSignature, UnixMillis, decode};
use crate::hypermesh::committee::FalseClaim;
use crate::hypermesh::ordering::CertificateFault;
use crate::hypermesh::proof::{ProofKind, SpaceProof, TimeProof};
use crate::state::*;
use crate::trustchain::dns::{Octets, RecordData};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// What lies between two beacons at least.
const PERIOD: u64 = Profile::Sim.beacon_ms_period();

/// A mesh with a block, and a next block with a batch in it.
fn scene() -> (Mesh, Block, Vec<Arc<CheckedBatch>>) {
    let mut mesh = Mesh::new();
    mesh.pass(1000);
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let batches = vec![mesh.checked(mesh.batch(&mesh.validators[1], vec![operation]))];
    let (block, _) = mesh.state.build(Candidate { batches: batches.clone(), ..mesh.candidate() });
    (mesh, block, batches)
}

fn fault(mesh: &Mesh, block: &Block, batches: &[Arc<CheckedBatch>]) -> BlockFault {
    mesh.state.execute(block, batches).err().expect("the block is invalid")
}

#[test]
fn a_block_that_was_built_executes_to_the_same_header_and_state() {
    let (mesh, block, batches) = scene();
    let executed = mesh.state.execute(&block, &batches).unwrap();
    assert_eq!(executed.state.head(), Some(&block.header));
    assert_eq!(executed.state.root(), block.header.state_root);
    assert_eq!(executed.receipts.len(), 1);
    assert_eq!(executed.state.height(), Height(2));
    assert_eq!(mesh.state.height(), Height(1), "the parent's state stands as it was");
}

#[test]
fn every_header_field_that_is_wrong_is_named() {
    let (mesh, block, batches) = scene();
    let wrong = |change: fn(&mut Header), field: &'static str| {
        let mut block = block.clone();
        change(&mut block.header);
        assert_eq!(fault(&mesh, &block, &batches), BlockFault::Header { field });
    };
    wrong(|header| header.version = BLOCK_VERSION - 1, "version");
    wrong(|header| header.version = BLOCK_VERSION + 1, "version");
    wrong(|header| header.genesis = Digest([1; 32]), "genesis");
    wrong(|header| header.height = Height(1), "height");
    wrong(|header| header.height = Height(3), "height");
    wrong(|header| header.parent = Digest::ZERO, "parent");
    wrong(|header| header.time = UnixMillis(BEGIN.0 + 1000), "time");
    wrong(|header| header.time = UnixMillis(BLOCK_TIME_MAX.0 + 1), "time");
    wrong(|header| header.proposer = alice().public(), "proposer");
    wrong(|header| header.body_root = Digest::ZERO, "body_root");
    wrong(|header| header.state_root = Digest::ZERO, "state_root");
    wrong(|header| header.log_size = 1, "log_size");
    wrong(|header| header.log_root = Digest::ZERO, "log_root");
    wrong(|header| header.validators_hash = Digest::ZERO, "validators_hash");
    wrong(|header| header.beacon = Digest::ZERO, "beacon");
    wrong(|header| header.parent_commit = Digest::ZERO, "parent_commit");
}

#[test]
fn a_block_is_later_than_its_parent_by_a_millisecond_at_least() {
    let mesh = scene().0;
    let at = |time| {
        let (block, _) = mesh.state.build(Candidate { time, ..mesh.candidate() });
        mesh.state.execute(&block, &[]).map(|_| ()).err()
    };
    assert_eq!(at(mesh.state.time()), Some(BlockFault::Header { field: "time" }));
    assert_eq!(at(mesh.state.time().plus(1)), None);
    assert_eq!(at(BLOCK_TIME_MAX), None);
    assert_eq!(at(BLOCK_TIME_MAX.plus(1)), Some(BlockFault::Header { field: "time" }));
}

#[test]
fn a_parents_commit_that_is_missing_forged_or_of_another_block_is_refused() {
    let (mesh, block, batches) = scene();
    let with = |commit| {
        let mut block = block.clone();
        block.body.parent_commit = commit;
        block.header.parent_commit = block.body.parent_commit_hash();
        fault(&mesh, &block, &batches)
    };
    let parent = &mesh.blocks[0].header;
    let not_the_parents = BlockFault::Header { field: "parent_commit" };
    assert_eq!(with(None), not_the_parents);
    assert_eq!(with(Some(mesh.precommits(&block.header, &mesh.validators))), not_the_parents);
    let mut other = mesh.commit(Height(1)).unwrap();
    other.value_id = Digest([7; 32]);
    assert_eq!(with(Some(other)), not_the_parents);

    let few = mesh.precommits(parent, &mesh.validators[..2]);
    let no_quorum = CertificateFault::NoQuorum { signatures: 2, needed: 3 };
    assert_eq!(with(Some(few)), BlockFault::ParentCommit(no_quorum));
    let mut forged = mesh.commit(Height(1)).unwrap();
    forged.signatures[1].signature.0[3] ^= 1;
    let bad = CertificateFault::BadSignature { validator: mesh.validators[1].public() };
    assert_eq!(with(Some(forged)), BlockFault::ParentCommit(bad));
}

#[test]
fn the_first_block_has_no_parent_to_certify() {
    let mesh = Mesh::new();
    let (mut block, _) = mesh.state.build(mesh.candidate());
    block.body.parent_commit = Some(mesh.precommits(&block.header, &mesh.validators));
    block.header.parent_commit = block.body.parent_commit_hash();
    assert_eq!(fault(&mesh, &block, &[]), BlockFault::Header { field: "parent_commit" });
}

#[test]
fn two_good_commits_of_one_parent_make_two_good_blocks() {
    let (mesh, ..) = scene();
    let others = mesh.precommits(&mesh.blocks[0].header, &mesh.validators[1..]);
    let (block, _) = mesh.state.build(Candidate { parent_commit: Some(others), ..mesh.candidate() });
    let executed = mesh.state.execute(&block, &[]).unwrap();
    assert_eq!(executed.state.head(), Some(&block.header));
}

#[test]
fn a_batch_with_a_broken_proof_is_refused_and_the_proof_is_named() {
    let (mesh, block, batches) = scene();
    let kinds = |change: &dyn Fn(&mut Batch)| -> Vec<ProofKind> {
        let mut batch = batches[0].batch.clone();
        change(&mut batch);
        let checked = mesh.checked(batch.clone());
        let mut block = block.clone();
        block.body.batches = vec![batch];
        let BlockFault::Batch { position: 0, reason: Inadmissible::Proofs(rejection) } =
            fault(&mesh, &block, &[checked])
        else {
            panic!("not refused for its proofs");
        };
        rejection.kinds().collect()
    };
    assert_eq!(kinds(&|batch| batch.proofs.stake_proof.signature.0[0] ^= 1), [ProofKind::Stake]);
    assert_eq!(kinds(&|batch| batch.proofs.work_proof.nonces = [u64::MAX; 16]), [ProofKind::Work]);
    let named = Digest([9; 32]);
    let space = kinds(&|batch| batch.proofs.space_proof = SpaceProof::Ticket(named));
    assert_eq!(space, [ProofKind::Space]);
    let time = kinds(&|batch| batch.proofs.time_proof = TimeProof::Ticket(named));
    assert_eq!(time, [ProofKind::Time]);
}

#[test]
fn a_batch_may_not_be_in_a_block_out_of_turn() {
    let (mut mesh, ..) = scene();
    mesh.pass(PERIOD);
    let carrier = mesh.validators[1].clone();
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let admit = |mesh: &Mesh, batch: Batch| {
        let (block, _) = mesh.state.build(mesh.candidate());
        let block = Block { body: Body { batches: vec![batch.clone()], ..block.body }, ..block };
        match fault(mesh, &block, &[mesh.checked(batch)]) {
            BlockFault::Batch { position: 0, reason } => reason,
            other => panic!("{other}"),
        }
    };
    let at =
        |sequence, beacon| mesh.prove(&carrier, Sequence(sequence), beacon, true, vec![operation.clone()]);
    let sequence = Inadmissible::Sequence { given: Sequence(1), next: Sequence(0) };
    assert_eq!(admit(&mesh, at(1, 1)), sequence);
    assert_eq!(admit(&mesh, at(0, 2)), Inadmissible::Beacon { given: 2, current: 1 });

    let stranger = Batch { member: alice().public(), ..at(0, 1) };
    assert_eq!(admit(&mesh, stranger), Inadmissible::NotMember { member: alice().public() });

    let mut later = mesh.clone();
    later.pass(PERIOD);
    assert_eq!(admit(&later, at(0, 0)), Inadmissible::Beacon { given: 0, current: 2 });
}

#[test]
fn a_member_has_one_batch_in_a_block() {
    let (mesh, block, batches) = scene();
    let mut twice = block.clone();
    twice.body.batches.push(batches[0].batch.clone());
    let second = Inadmissible::Second { member: mesh.validators[1].public() };
    let batches = [Arc::clone(&batches[0]), Arc::clone(&batches[0])];
    assert_eq!(fault(&mesh, &twice, &batches), BlockFault::Batch { position: 1, reason: second });

    let (built, _) = mesh.state.build(Candidate { batches: batches.to_vec(), ..mesh.candidate() });
    assert_eq!(built.body.batches.len(), 1, "the builder leaves the second out");
}

#[test]
fn batches_of_several_members_stand_in_one_block_in_the_order_given() {
    let mut mesh = Mesh::new();
    let members = [mesh.validators[2].clone(), mesh.member.clone(), mesh.validators[0].clone()];
    let batches: Vec<_> = members
        .iter()
        .map(|member| {
            let operation = mesh.operation(&alice(), transfer(&bob(), 5));
            mesh.checked(mesh.batch(member, vec![operation]))
        })
        .collect();
    let receipts = mesh.advance(Candidate { batches: batches.clone(), ..mesh.candidate() });
    let ids: Vec<_> = receipts.iter().map(|receipt| receipt.operation).collect();
    let carried: Vec<_> = batches.iter().map(|batch| batch.operations[0].id).collect();
    assert_eq!(ids, carried);
    for member in members {
        let row: Member = mesh.state.get(&member.public()).unwrap();
        assert_eq!(row.next_sequence, Sequence(1));
    }
}

#[test]
fn a_malformed_batch_is_refused_before_any_state_is_looked_at() {
    let (mesh, _, batches) = scene();
    let good = &batches[0].batch;
    let check = |batch: Batch| batch.check(&mesh.genesis_hash()).err().unwrap();
    assert_eq!(check(Batch { genesis: Digest::ZERO, ..good.clone() }), BatchFault::OtherMesh);
    assert_eq!(check(Batch { operations: vec![], ..good.clone() }), BatchFault::Count { operations: 0 });
    let operation = &good.operations[0];
    let twice = vec![operation.clone(), operation.clone()];
    let repeated = BatchFault::Repeated { id: operation.id() };
    assert_eq!(check(Batch { operations: twice, ..good.clone() }), repeated);

    let mut resigned = operation.clone();
    resigned.body.owner = bob().public();
    let fault = OperationFault::Signature { owner: bob().public() };
    let operations = vec![operation.clone(), resigned];
    let wrong = BatchFault::Operation { position: 1, fault };
    assert_eq!(check(Batch { operations, ..good.clone() }), wrong);
}

#[test]
fn a_batch_holds_1024_operations_and_not_one_more() {
    let mut mesh = Mesh::new();
    let mut operations: Vec<_> =
        (0..BATCH_OPERATION_COUNT_MAX).map(|_| mesh.operation(&alice(), transfer(&bob(), 1))).collect();
    let full = mesh.batch(&mesh.validators[0], operations.clone());
    let receipts = mesh.advance(Candidate { batches: vec![mesh.checked(full.clone())], ..mesh.candidate() });
    assert_eq!(receipts.len(), BATCH_OPERATION_COUNT_MAX);
    operations.push(operations[0].clone());
    let fault = Batch { operations, ..full }.check(&mesh.genesis_hash()).err();
    assert_eq!(fault, Some(BatchFault::Count { operations: BATCH_OPERATION_COUNT_MAX + 1 }));
}

#[test]
fn a_batch_holds_its_length_at_the_limit_and_one_past_it() {
    let mut mesh = Mesh::new();
    let Action::IssueCertificate(template) = issue(&["given.demo.hypermesh"]) else { unreachable!() };
    let mut filler = |bytes: usize| {
        let issue = IssueCertificate { csr: vec![0; bytes], ..template.clone() };
        mesh.operation(&alice(), Action::IssueCertificate(issue))
    };
    let mut operations: Vec<_> = (0..50).map(|_| filler(60_000)).collect();
    operations.push(filler(0));
    let batch = Mesh::new().batch(&Mesh::new().member, operations);
    let short = BATCH_BYTES_MAX - crate::base::encode(&batch).len();
    let check = |bytes: usize| {
        let mut batch = batch.clone();
        let Action::IssueCertificate(last) = &mut batch.operations[50].body.action else { unreachable!() };
        last.csr = vec![0; bytes];
        batch.check(&Mesh::new().genesis_hash()).err().unwrap()
    };
    // Within its length it is looked into, and what is in it is no request.
    assert!(matches!(check(short), BatchFault::Operation { position: 0, .. }));
    assert_eq!(check(short + 1), BatchFault::TooLong { bytes: BATCH_BYTES_MAX + 1 });
}

#[test]
fn a_block_holds_64_batches_and_not_one_more() {
    let mut genesis = genesis();
    let template = genesis.members[0].clone();
    let members: Vec<_> = (0..=BLOCK_BATCH_COUNT_MAX)
        .map(|number| SecretKey::from_seed([u8::try_from(150 + number).unwrap(); 32]))
        .collect();
    let membership = |secret: &SecretKey| {
        let (key, plot_root) = (secret.public(), plot_of(&secret.public()).root());
        GenesisMember { key, plot_root, ..template.clone() }
    };
    genesis.members = members.iter().map(membership).collect();
    genesis.members.sort_by_key(|member| member.key);
    let mut mesh = Mesh::of(genesis);
    let batches: Vec<_> = members
        .iter()
        .map(|member| {
            let operation = mesh.operation(member, Action::Attest(Attest));
            mesh.checked(mesh.batch(member, vec![operation]))
        })
        .collect();
    let (mut block, _) = mesh.state.build(Candidate { batches: batches.clone(), ..mesh.candidate() });
    assert_eq!(block.body.batches.len(), BLOCK_BATCH_COUNT_MAX);
    block.body.batches.push(batches[BLOCK_BATCH_COUNT_MAX].batch.clone());
    let full = BlockFault::Batch { position: BLOCK_BATCH_COUNT_MAX, reason: Inadmissible::Full };
    assert_eq!(fault(&mesh, &block, &batches), full);
    mesh.advance(Candidate { batches: batches[..BLOCK_BATCH_COUNT_MAX].to_vec(), ..mesh.candidate() });
}

#[test]
fn a_block_holds_4096_operations_and_not_one_more() {
    let mut mesh = Mesh::new();
    let members: Vec<_> = mesh.validators.iter().chain([&mesh.member]).cloned().collect();
    let counts = [1024, 1024, 1024, 1023, 2];
    let mut batch = |member, count| {
        let operations = (0..count).map(|_| mesh.operation(&alice(), transfer(&bob(), 1))).collect();
        mesh.checked(mesh.batch(member, operations))
    };
    let mut batches: Vec<_> =
        members.iter().zip(counts).map(|(member, count)| batch(member, count)).collect();
    let single = batch(&members[4], 1);
    let (mut block, _) = mesh.state.build(Candidate { batches: batches.clone(), ..mesh.candidate() });
    let counts: Vec<usize> = block.body.batches.iter().map(|batch| batch.operations.len()).collect();
    assert_eq!(counts, [1023, 1024, 1024, 1023, 2], "the builder leaves out what is one too many");
    block.body.batches = batches.iter().map(|checked| checked.batch.clone()).collect();
    let full = BlockFault::Batch { position: 4, reason: Inadmissible::Full };
    assert_eq!(fault(&mesh, &block, &batches), full);
    batches[4] = single;
    mesh.advance(Candidate { batches, ..mesh.candidate() });
}

#[test]
fn a_builder_leaves_out_what_would_make_the_block_too_long() {
    let mut mesh = Mesh::new();
    let text = |number: u8| RecordData::Txt(vec![Octets(vec![number; 250]); 4]);
    let action = set("given.demo.hypermesh", (0..32).map(text).collect());
    let members: Vec<_> = mesh.validators[..3].to_vec();
    let mut batch = |member| {
        let operations = (0..45).map(|_| mesh.operation(&alice(), action.clone())).collect();
        mesh.checked(mesh.batch(member, operations))
    };
    let batches: Vec<_> = members.iter().map(&mut batch).collect();
    let bytes: usize = batches.iter().map(|batch| batch.bytes).sum();
    assert!(bytes > BLOCK_BYTES_MAX, "{bytes} bytes");
    let (block, _) = mesh.state.build(Candidate { batches: batches.clone(), ..mesh.candidate() });
    let length = block.to_bytes().len();
    assert!((BLOCK_BYTES_MAX - 128 * 1024..=BLOCK_BYTES_MAX).contains(&length), "{length} bytes");
    let counts: Vec<usize> = block.body.batches.iter().map(|batch| batch.operations.len()).collect();
    assert!(counts.len() == 3 && counts.iter().all(|count| (38..45).contains(count)), "{counts:?}");
    mesh.advance(Candidate { batches, ..mesh.candidate() });
}

#[test]
#[should_panic(expected = "a block is executed with its own batches")]
fn a_block_is_never_executed_with_other_batches() {
    let (mesh, block, _) = scene();
    let _never = mesh.state.execute(&block, &[]);
}

#[test]
fn system_operations_hold_their_count_at_it_and_one_past_it() {
    let (mesh, block, batches) = scene();
    let aborts = |count: usize| -> Vec<_> {
        let abort = |attempt| SystemAction::GenerationAbort {
            attempt: u32::try_from(attempt).unwrap(),
            accused: vec![],
            reason: "restarted".into(),
        };
        (0..count).map(|attempt| mesh.say(&mesh.validators[0], abort(attempt))).collect()
    };
    let system = aborts(SYSTEM_OPERATION_COUNT_MAX + 1);
    let (built, _) = mesh.state.build(Candidate { system: system.clone(), ..mesh.candidate() });
    assert_eq!(built.body.system.len(), SYSTEM_OPERATION_COUNT_MAX);
    assert!(mesh.state.execute(&built, &[]).is_ok());
    let mut block = block;
    block.body.system = system;
    assert_eq!(fault(&mesh, &block, &batches), BlockFault::TooMany { what: "system operations" });
}

#[test]
fn bytes_that_are_no_block_or_whose_header_belongs_to_another_body_are_refused() {
    let (_, block, _) = scene();
    let bytes = block.to_bytes();
    assert_eq!(Block::identify(&bytes), Some(block.header.hash()));
    assert_eq!(Block::from_bytes(&bytes[..bytes.len() - 1]), None);
    assert_eq!(Block::from_bytes(&[&bytes[..], &[0]].concat()), None);
    let mut other = block.clone();
    other.body.batches.clear();
    assert_eq!(Block::from_bytes(&other.to_bytes()), None);
    let mut other = block;
    other.body.parent_commit.as_mut().unwrap().signatures.pop();
    assert_eq!(Block::from_bytes(&other.to_bytes()), None);
}

#[test]
fn a_bit_flipped_anywhere_in_a_block_makes_it_invalid_whatever_its_hashes_are_mended_to() {
    let (mesh, block, _) = scene();
    let bytes = block.to_bytes();
    let mut executed = 0;
    for position in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1 << (position % 8);
        let Ok(mut other) = decode::<Block>(&bytes, BLOCK_BYTES_MAX) else { continue };
        other.header.body_root = other.body.root();
        other.header.parent_commit = other.body.parent_commit_hash();
        if other == block {
            continue;
        }
        let checked = other.body.batches.iter().map(|batch| batch.clone().check(&mesh.genesis_hash()));
        let Ok(checked) = checked.map(|batch| batch.map(Arc::new)).collect::<Result<Vec<_>, _>>() else {
            continue;
        };
        executed += 1;
        assert!(mesh.state.execute(&other, &checked).is_err(), "byte {position}");
    }
    assert!(executed > bytes.len() / 2);
}

#[test]
fn a_restored_state_is_the_same_and_goes_on_alike() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), issue(&["given.demo.hypermesh"]));
    let rows = mesh.rows.clone();
    let log = mesh.entries.iter().map(|entry| crate::trustchain::ct::leaf_hash(entry)).collect();
    let head = mesh.state.head().cloned();
    let restored = State::restore(Arc::clone(&mesh.genesis), head, rows, log);
    assert_eq!(restored.root(), mesh.state.root());
    assert_eq!(restored.log().root(), mesh.state.log().root());
    let candidate = mesh.candidate();
    let (block, _) = mesh.state.build(candidate.clone());
    assert_eq!(restored.build(candidate).0, block);
}

#[test]
fn a_row_that_comes_and_goes_within_a_block_leaves_the_root_alone() {
    let mesh = Mesh::new();
    let mut draft = mesh.state.draft();
    draft.put(&alice().public(), &mesh.state.get::<Account>(&alice().public()).unwrap());
    draft.put(&pauper().public(), &Account::default());
    draft.remove::<Account>(&pauper().public());
    let (after, ..) = draft.finish();
    assert_eq!(after.root(), mesh.state.root());
}

#[test]
fn system_operations_take_their_room_from_batches() {
    let mut mesh = Mesh::active();
    let members: Vec<_> = [0, 1, 3].iter().map(|place| mesh.validators[*place].clone()).collect();
    members.iter().for_each(|member| mesh.await_ticket_time(member));
    let liar = mesh.validators[2].clone();
    let FalseClaim { mut claim, .. } = false_claim(&mesh, &liar, 1);
    let message = vec![7; SYSTEM_OPERATION_BYTES_MAX - 4096];
    claim.message = StrictSignature::message_digest(&message);
    claim.word = liar.sign(&claim.digest());
    let system = vec![accuse(&mesh, 0, Offence::FalseClaim(FalseClaim { claim, message }))];
    let text = |number: u8| RecordData::Txt(vec![Octets(vec![number; 250]); 4]);
    let action = set("given.demo.hypermesh", (0..32).map(text).collect());
    let batches: Vec<_> = members
        .iter()
        .map(|member| {
            let operations = (0..60).map(|_| mesh.operation(&alice(), action.clone())).collect();
            mesh.checked(mesh.batch(member, operations))
        })
        .collect();
    let candidate = Candidate { batches, system, ..mesh.candidate() };
    let (block, _) = mesh.state.build(candidate.clone());
    assert_eq!(block.body.system.len(), 1);
    let length = block.to_bytes().len();
    assert!((BLOCK_BYTES_MAX - 128 * 1024..=BLOCK_BYTES_MAX).contains(&length), "{length} bytes");
    mesh.advance(candidate);
}
