//! What is not paid for is in no block; who has waited longest comes first; and everybody has a share of the room.

use super::test_util::*;
use crate::base::{MicroCaesar, Profile, SecretKey, Sequence};
use crate::caesar::{FEE_RATE_FLOOR, LedgerAccount, TRANSFER_FEE};
use crate::hypermesh::proof::Diligence;
use crate::state::block::execute::BlockPosition;
use crate::state::block::include::Included;
use crate::state::*;
use crate::trustchain::dns::{Octets, RecordData};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// An operation of each kind that nobody pays for: expired, too far ahead, of an empty account, beyond its limit.
fn unpaid(mesh: &mut Mesh) -> Vec<Operation> {
    let time = mesh.candidate().time;
    let expired = mesh.operation_until(&alice(), transfer(&bob(), 1), time.minus(1));
    let far = mesh.operation_until(&alice(), transfer(&bob(), 1), time.plus(OPERATION_MS_LIFE_MAX + 1));
    let poor = mesh.operation(&pauper(), transfer(&bob(), 1));
    let limited = mesh.operation(&alice(), transfer(&bob(), 1));
    let body = OperationBody { fee_max: MicroCaesar(TRANSFER_FEE.0 - 1), ..limited.body };
    vec![expired, far, poor, body.sign(&alice())]
}

fn next_sequence(mesh: &Mesh, member: &SecretKey) -> Sequence {
    mesh.state.get::<Member>(&member.public()).unwrap().next_sequence
}

#[test]
fn forty_batches_of_what_nobody_pays_for_change_neither_fees_nor_difficulty() {
    let mut mesh = Mesh::new();
    let member = mesh.member.clone();
    let difficulty = mesh.state.beacon().difficulty;
    let mut paid = 0;
    for number in 0..40 {
        mesh.await_ticket_time(&member);
        let beacon = mesh.state.beacon().index;
        let mut operations: Vec<_> = (0..16).flat_map(|_| unpaid(&mut mesh)).collect();
        if number % 2 == 0 {
            operations.push(mesh.operation(&alice(), transfer(&bob(), 1)));
        }
        let before = next_sequence(&mesh, &member);
        let receipts = mesh.carry_by(&member, operations);
        assert_eq!(receipts.len(), 1 - number % 2, "only what is paid for has a receipt");
        let next = if number % 2 == 0 { before.next() } else { before };
        assert_eq!(next_sequence(&mesh, &member), next, "a batch of nothing else is in no block");
        paid = if mesh.state.beacon().index == beacon { paid + receipts.len() as u64 } else { 0 };
        assert!(mesh.state.beacon().operations <= paid.max(1), "what nobody pays for is no load");
        assert_eq!(mesh.state.fee_rate().thousandths, FEE_RATE_FLOOR);
        assert!(mesh.state.beacon().difficulty <= difficulty);
    }
    assert!(mesh.rows.keys().filter(|key| key[0] == Receipt::TAG).count() <= 20);
}

#[test]
fn a_block_with_an_operation_that_nobody_pays_for_is_invalid_and_without_it_valid() {
    let mut mesh = Mesh::new();
    let carrier = mesh.validators[0].clone();
    let done = mesh.operation(&alice(), transfer(&bob(), 1));
    mesh.carry(vec![done.clone()]);
    for bad in unpaid(&mut mesh).into_iter().chain([done]) {
        let good = mesh.operation(&alice(), transfer(&bob(), 1));
        let too = mesh.operation(&bob(), transfer(&alice(), 1));
        let whole = mesh.checked(mesh.batch(&carrier, vec![good, bad.clone(), too]));
        let (mut block, _) = mesh.state.build(Candidate { batches: vec![whole.clone()], ..mesh.candidate() });
        let kept = &block.body.batches[0];
        assert_eq!((kept.operations.len(), kept.omitted_count(), kept.root()), (2, 1, whole.root));
        assert_eq!(kept.id(), whole.id, "it is known by what the member proved");
        let batches = included(&block, core::slice::from_ref(&whole));
        assert!(mesh.state.execute(&block, &batches).is_ok());
        block.body.batches = vec![whole.batch.clone()];
        match mesh.state.execute(&block, &[whole]).err() {
            Some(BlockFault::Batch { position: 0, reason: Inadmissible::Unpaid { operation, .. } }) => {
                assert_eq!(operation, bad.id());
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_an_earlier_operation_of_the_block_spends_is_not_there_for_a_later_one() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), transfer(&pauper(), 2 * (TRANSFER_FEE.0 + 1)));
    let forty: Vec<_> = (0..40).map(|_| mesh.operation(&pauper(), transfer(&bob(), 1))).collect();
    let receipts = mesh.carry(forty.clone());
    let carried: Vec<_> = receipts.iter().map(|receipt| receipt.operation).collect();
    assert_eq!(carried, [forty[0].id(), forty[1].id()]);
    assert_eq!(mesh.state.balance(LedgerAccount::Account(pauper().public())), MicroCaesar::ZERO);
    let kept = &mesh.blocks.last().unwrap().body.batches[0];
    assert_eq!(kept.omitted_count(), 38);
    assert!(kept.omitted.len() <= 6, "{} hashes stand for 38 operations", kept.omitted.len());
}

#[test]
fn a_proposer_that_leaves_out_more_than_it_must_delays_and_charges_nobody() {
    let mut mesh = Mesh::new();
    let carrier = mesh.validators[0].clone();
    let two: Vec<_> = (0..2).map(|_| mesh.operation(&alice(), transfer(&bob(), 1))).collect();
    let whole = mesh.checked(mesh.batch(&carrier, two.clone()));
    let (mut block, _) = mesh.state.build(Candidate { batches: vec![whole.clone()], ..mesh.candidate() });
    block.body.batches = vec![whole.keeping(&[false, true])];
    let batches = included(&block, core::slice::from_ref(&whole));
    // What the liar would have to write into its header is what the others compute.
    let mut draft = mesh.state.draft();
    let position = BlockPosition { height: mesh.state.height().next(), time: mesh.candidate().time };
    let mut into = Included::default();
    assert_eq!(draft.include(&batches[0], position, &mut into), Ok(()));
    let (after, ..) = draft.finish();
    assert!(after.get::<Receipt>(&two[0].id()).is_none() && after.get::<Receipt>(&two[1].id()).is_some());
    let left = two[0].clone().check(&mesh.genesis_hash()).unwrap();
    assert!(after.payable(&left, mesh.candidate().time).is_ok(), "it can come again");
    // Nothing at all is no batch, and what its member never proved is none of its own.
    let none = whole.keeping(&[false, false]).check_included(&mesh.genesis_hash()).err();
    assert_eq!(none, Some(BatchFault::Count { operations: 2 }));
    // Nor for those who hold the whole batch: a block is valid for all or for none.
    let hollow = whole.keeping(&[false, false]);
    assert!(whole.included_as(&hollow).is_none());
    let hollow = CheckedBatch { batch: hollow, operations: Vec::new(), ..(*whole).clone() };
    let fault = mesh.state.draft().include(&hollow, position, &mut Included::default());
    assert_eq!(fault, Err(Inadmissible::Hollow { member: carrier.public() }));
    let other = mesh.operation(&alice(), transfer(&bob(), 2));
    let forged = Batch { operations: vec![other], ..whole.keeping(&[false, true]) };
    let forged = forged.check_included(&mesh.genesis_hash()).unwrap();
    assert!(whole.included_as(&forged.batch).is_none());
    let time = mesh.candidate().time;
    let refused = mesh.state.admit(&forged, time, Diligence::StopAtFirst);
    assert!(matches!(refused, Err(Inadmissible::Proofs(_))), "{refused:?}");
}

#[test]
fn what_is_left_out_fits_between_the_operations_or_the_batch_is_refused() {
    let mut mesh = Mesh::new();
    let operations: Vec<_> = (0..4).map(|_| mesh.operation(&alice(), transfer(&bob(), 1))).collect();
    let whole = mesh.checked(mesh.batch(&mesh.validators[0], operations));
    let kept = whole.keeping(&[true, false, false, true]);
    assert!(kept.clone().check_included(&mesh.genesis_hash()).is_ok());
    assert_eq!(kept.clone().check(&mesh.genesis_hash()).err(), Some(BatchFault::Shortened));
    let mut moved = kept.clone();
    moved.omitted[0].first = 9;
    assert_eq!(moved.check_included(&mesh.genesis_hash()).err(), Some(BatchFault::Omission));
    let mut many = kept;
    many.omitted[0].height = BATCH_TREE_HEIGHT_MAX;
    let fault = BatchFault::Count { operations: 2 + 1 + BATCH_OPERATION_COUNT_MAX };
    assert_eq!(many.check_included(&mesh.genesis_hash()).err(), Some(fault));
}

/// A record set of about 30 kilobytes.
fn long(number: u8) -> Action {
    let text = |part: u8| {
        RecordData::Txt(vec![
            Octets(vec![part; 250]),
            Octets(vec![number; 250]),
            Octets(vec![0; 250]),
            Octets(vec![1; 250]),
        ])
    };
    set("given.demo.hypermesh", (0..30).map(text).collect())
}

#[test]
fn the_lowest_key_starves_nobody_and_everybody_has_an_equal_share() {
    let mut mesh = Mesh::new();
    let mut members: Vec<_> = mesh.validators.clone();
    members.push(mesh.member.clone());
    members.sort_by_key(SecretKey::public);
    let mut carried = vec![0_usize; members.len()];
    for height in 0..3 {
        members.iter().for_each(|member| mesh.await_ticket_time(member));
        // The lowest key has as much as a batch can have, and the two highest a tenth of that.
        let mut batches: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(place, member)| {
                let count = if place < 3 { 90 } else { 9 };
                let operations = (0..count).map(|_| mesh.operation(&alice(), long(height))).collect();
                mesh.checked(mesh.batch(member, operations))
            })
            .collect();
        mesh.state.put_in_turn(&mut batches);
        mesh.advance(Candidate { batches, ..mesh.candidate() });
        let block = mesh.blocks.last().unwrap();
        assert!(block.to_bytes().len() <= BLOCK_BYTES_MAX);
        for (member, carried) in members.iter().zip(&mut carried) {
            let batch = block.body.batches.iter().find(|batch| batch.member == member.public()).unwrap();
            *carried += batch.operations.len();
        }
    }
    let (long, short) = carried.split_at(3);
    assert_eq!(short, [27, 27], "who wants less than its share gets all of it");
    assert!(long.iter().all(|count| count.abs_diff(long[0]) <= 6 && *count > 3 * 30), "{carried:?}");
}

#[test]
fn who_was_served_last_comes_last_and_the_others_in_an_order_that_no_key_decides() {
    let mut mesh = Mesh::new();
    let members: Vec<_> = mesh.validators.iter().chain([&mesh.member]).cloned().collect();
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..24 {
        let mut batches: Vec<_> = members
            .iter()
            .map(|member| {
                let operation = mesh.operation(&alice(), transfer(&bob(), 1));
                mesh.checked(mesh.batch(member, vec![operation]))
            })
            .collect();
        mesh.state.put_in_turn(&mut batches);
        first.insert(batches[0].batch.member);
        mesh.pass(Profile::Sim.beacon_ms_period());
    }
    assert!(first.len() >= 4, "at each height another is first");
    let served = members[2].clone();
    let operation = mesh.operation(&alice(), transfer(&bob(), 1));
    mesh.carry_by(&served, vec![operation]);
    let mut batches: Vec<_> = members
        .iter()
        .map(|member| {
            let operation = mesh.operation(&alice(), transfer(&bob(), 1));
            mesh.checked(mesh.batch(member, vec![operation]))
        })
        .collect();
    mesh.state.put_in_turn(&mut batches);
    assert_eq!(batches.last().map(|batch| batch.batch.member), Some(served.public()));
}

#[test]
fn as_many_bytes_of_system_operations_as_a_block_takes_and_not_one_more() {
    let mesh = Mesh::new();
    let reason = |bytes: usize| "x".repeat(bytes);
    let abort = |attempt: usize, bytes: usize| {
        let attempt = u32::try_from(attempt).unwrap();
        let action = SystemAction::GenerationAbort { attempt, accused: vec![], reason: reason(bytes) };
        mesh.say(&mesh.validators[0], action)
    };
    // An execution looks at the sum before it looks at what is said.
    let one = crate::base::encode(&abort(0, 0)).len();
    let sized = |total: usize| -> Vec<SystemOperation> {
        let part = SYSTEM_BYTES_MAX / 8;
        let mut system: Vec<_> = (0..7).map(|attempt| abort(attempt, part - one)).collect();
        system.push(abort(7, total - 7 * part - one));
        system
    };
    let fault = |total: usize| {
        let (mut block, _) = mesh.state.build(mesh.candidate());
        block.body.system = sized(total);
        let bytes: usize =
            block.body.system.iter().map(|operation| crate::base::encode(operation).len()).sum();
        assert_eq!(bytes, total);
        mesh.state.execute(&block, &[]).err()
    };
    assert_eq!(fault(SYSTEM_BYTES_MAX), Some(BlockFault::System { position: 0 }), "looked at one by one");
    let too_many = BlockFault::TooMany { what: "bytes of system operations" };
    assert_eq!(fault(SYSTEM_BYTES_MAX + 1), Some(too_many));
}

#[test]
fn a_batch_as_its_block_has_it_is_found_in_the_one_that_was_checked() {
    let mut mesh = Mesh::new();
    let operations: Vec<_> = (0..5).map(|_| mesh.operation(&alice(), transfer(&bob(), 1))).collect();
    let whole: Arc<CheckedBatch> = mesh.checked(mesh.batch(&mesh.validators[0], operations));
    for kept in [[true; 5], [true, false, true, false, true], [false, false, false, false, true]] {
        let batch = whole.keeping(&kept);
        let found = whole.included_as(&batch).unwrap();
        let checked = batch.clone().check_included(&mesh.genesis_hash()).unwrap();
        assert_eq!((found.id, found.root, found.bytes), (checked.id, checked.root, checked.bytes));
        let ids = |batch: &CheckedBatch| -> Vec<_> { batch.operations.iter().map(|one| one.id).collect() };
        assert_eq!(ids(&found), ids(&checked));
    }
    let mut other = whole.keeping(&[true, false, true, true, true]);
    other.operations[1].signature.0[3] ^= 1;
    assert!(whole.included_as(&other).is_none());
}

#[test]
fn a_batch_is_whole_in_room_for_all_its_bytes_and_not_in_one_less() {
    let mut mesh = Mesh::new();
    let member = mesh.member.clone();
    mesh.await_ticket_time(&member);
    let operations = (0..3).map(|number| mesh.operation(&alice(), long(number))).collect();
    let batch = mesh.checked(mesh.batch(&member, operations));
    let position = BlockPosition { height: mesh.state.height().next(), time: mesh.candidate().time };
    for (room, count) in [(batch.bytes, 3), (batch.bytes - 1, 2)] {
        let mut draft = mesh.state.draft();
        let filled = draft.fill(&[Arc::clone(&batch)], room, position, &mut Included::default());
        assert_eq!(filled[0].operations.len(), count, "in {room} bytes");
        assert!(crate::base::encode(&filled[0]).len() <= room);
    }
}
