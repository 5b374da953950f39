//! The running of the mesh: tickets, beacons, reveals, key generation, rewards.

use super::test_util::*;
use crate::base::{Digest, Domain, Height, MicroCaesar, Profile, SecretKey, Sequence};
use crate::caesar::{LedgerAccount, REWARD_MS_DIVISOR};
use crate::hypermesh::committee::KeyGeneration;
use crate::hypermesh::proof::{Diligence, ProofFault, ProofKind, SpaceProof};
use crate::state::block::execute::BlockPosition;
use crate::state::*;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

const PERIOD: u64 = Profile::Sim.beacon_ms_period();
const DEADLINE: u64 = Profile::Sim.ticket_ms_deadline();

fn attest(mesh: &mut Mesh, member: &SecretKey) -> Operation {
    mesh.operation(member, Action::Attest(Attest))
}

// --- tickets ---

#[test]
fn a_ticket_is_recorded_once_and_then_named() {
    let mut mesh = Mesh::new();
    let member = mesh.member.clone();
    for (sequence, carried) in [(0, true), (1, false), (2, false)] {
        let operation = mesh.operation(&alice(), transfer(&bob(), 5));
        let batch = mesh.batch(&member, vec![operation]);
        assert_eq!(matches!(batch.proofs.space_proof, SpaceProof::Full(_)), carried);
        assert_eq!(batch.sequence, Sequence(sequence));
        let batch = mesh.checked(batch);
        mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
        let row: Member = mesh.state.get(&member.public()).unwrap();
        assert_eq!(row.tickets.keys().collect::<Vec<_>>(), [&0]);
    }
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let again = mesh.checked(mesh.prove(&member, Sequence(3), 0, true, vec![operation]));
    let refused = mesh.state.admit(&again, mesh.candidate().time, Diligence::StopAtFirst);
    let expected = Inadmissible::RepeatsTicket { member: member.public(), beacon: 0 };
    assert_eq!(refused, Err(expected), "its bytes would be carried for nothing");
}

#[test]
fn a_ticket_goes_on_chain_until_its_deadline_and_no_later() {
    let mut mesh = Mesh::new();
    mesh.pass(PERIOD);
    let member = mesh.member.clone();
    let operation = attest(&mut mesh, &member);
    let batch = mesh.checked(mesh.batch(&member, vec![operation]));
    let made = mesh.state.beacon().time;
    let deadline = made.plus(DEADLINE);
    let admit = |time| mesh.state.admit(&batch, time, Diligence::NameAll);
    assert!(admit(deadline).is_ok());
    let Err(Inadmissible::Proofs(rejection)) = admit(deadline.plus(1)) else { panic!("admitted") };
    let failed: Vec<_> = rejection.failed.iter().map(|failed| (failed.proof, failed.reason)).collect();
    assert_eq!(failed, [(ProofKind::Space, ProofFault::TooLate)]);

    // In a block: left out by the builder, and a block that has it is invalid.
    let time = deadline.plus(1);
    let candidate = Candidate { time, batches: vec![batch.clone()], ..mesh.candidate() };
    let (mut block, _) = mesh.state.build(candidate);
    assert_eq!(block.body.batches, []);
    block.body.batches.push(batch.batch.clone());
    let fault = mesh.state.execute(&block, &[batch]).err();
    assert!(matches!(fault, Some(BlockFault::Batch { position: 0, reason: Inadmissible::Proofs(_) })));
}

#[test]
fn a_ticket_serves_under_its_beacon_and_the_next_and_is_then_forgotten() {
    let mut mesh = Mesh::new();
    let member = mesh.member.clone();
    let carry = |mesh: &mut Mesh, beacon| {
        let row: Member = mesh.state.get(&member.public()).unwrap();
        let operation = mesh.operation(&alice(), transfer(&bob(), 5));
        let full = !row.tickets.contains_key(&beacon);
        let batch = mesh.checked(mesh.prove(&member, row.next_sequence, beacon, full, vec![operation]));
        mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
        let row: Member = mesh.state.get(&member.public()).unwrap();
        row.tickets.keys().copied().collect::<Vec<_>>()
    };
    assert_eq!(carry(&mut mesh, 0), [0]);
    mesh.pass(PERIOD);
    assert_eq!(carry(&mut mesh, 0), [0], "the old ticket, under the old beacon");
    assert_eq!(carry(&mut mesh, 1), [0, 1]);
    mesh.pass(PERIOD);
    assert_eq!(carry(&mut mesh, 2), [1, 2]);
}

// --- beacons ---

#[test]
fn a_beacon_is_made_by_the_first_block_a_period_after_the_last() {
    let mut mesh = Mesh::new();
    let first = mesh.state.beacon();
    mesh.pass(PERIOD - 1);
    assert_eq!(mesh.state.beacon(), first);
    mesh.pass(1);
    let second = mesh.state.beacon();
    assert_eq!((second.index, second.time), (1, mesh.state.time()));
    assert_eq!(second.previous, Some((first.value, first.time)));
    assert_eq!(mesh.blocks[0].header.beacon, first.value);
    assert_eq!(mesh.blocks[1].header.beacon, second.value);
    mesh.pass(50 * PERIOD);
    assert_eq!(mesh.state.beacon().index, 2, "however long it took, one block makes one");
}

fn reveal(mesh: &Mesh, validator: &SecretKey, back: usize) -> SystemOperation {
    let chain = &mesh.reveals[&validator.public()];
    mesh.say(validator, SystemAction::Reveal(chain[chain.len() - 1 - back]))
}

#[test]
fn a_beacon_is_the_hash_of_the_last_and_the_reveals_since() {
    let mut mesh = Mesh::new();
    let first = mesh.state.beacon().value;
    let order = [mesh.validators[2].clone(), mesh.validators[0].clone()];
    for validator in &order {
        let system = vec![reveal(&mesh, validator, 1)];
        mesh.advance(Candidate { proposer: validator.public(), system, ..mesh.candidate() });
    }
    mesh.pass(PERIOD);
    let link = |validator: &SecretKey| {
        let chain = &mesh.reveals[&validator.public()];
        chain[chain.len() - 2].0
    };
    let parts: [&[u8]; 3] = [&first.0, &link(&order[1]), &link(&order[0])];
    assert_eq!(mesh.state.beacon().value, Domain::new("hypermesh v1 next beacon").hash(&parts));
    assert_eq!(mesh.state.beacon().reveals, BTreeMap::new());

    let again = reveal(&mesh, &order[0], 2);
    let proposer = order[0].public();
    mesh.advance(Candidate { proposer, system: vec![again], ..mesh.candidate() });
    assert_eq!(mesh.blocks.last().unwrap().body.system.len(), 1);
}

#[test]
fn a_reveal_is_the_proposers_own_next_link_once_for_each_beacon() {
    let mut mesh = Mesh::new();
    let (me, other) = (mesh.validators[0].clone(), mesh.validators[1].clone());
    let refused = |mesh: &Mesh, operation: SystemOperation| {
        let (mut block, _) =
            mesh.state.build(Candidate { system: vec![operation.clone()], ..mesh.candidate() });
        assert_eq!(block.body.system, [], "the builder leaves it out");
        block.body.system.push(operation);
        assert_eq!(mesh.state.execute(&block, &[]).err(), Some(BlockFault::System { position: 0 }));
    };
    refused(&mesh, reveal(&mesh, &me, 0));
    refused(&mesh, reveal(&mesh, &me, 2));
    refused(&mesh, reveal(&mesh, &other, 1));
    let good = reveal(&mesh, &me, 1);
    refused(&mesh, SystemOperation { genesis: Digest::ZERO, ..good.clone() });
    refused(&mesh, SystemOperation { validator: other.public(), ..good.clone() });
    let stolen = mesh.say(&other, good.action.clone());
    refused(&mesh, SystemOperation { validator: me.public(), ..stolen });
    refused(&mesh, mesh.say(&alice(), good.action.clone()));
    assert!(mesh.state.accepts(&good));
    mesh.advance_system(vec![good.clone()]);
    refused(&mesh, good);
    refused(&mesh, reveal(&mesh, &me, 2));
}

#[test]
fn the_difficulty_follows_the_load_and_the_last_one_holds_for_the_last_beacon() {
    let mut mesh = Mesh::new();
    let members = mesh.validators.clone();
    let floor = mesh.state.beacon().difficulty;
    let batches: Vec<_> = members
        .iter()
        .map(|member| {
            let transfer = || transfer(&bob(), 1);
            let operations =
                (0..BATCH_OPERATION_COUNT_MAX).map(|_| mesh.operation(&alice(), transfer())).collect();
            mesh.checked(mesh.batch(member, operations))
        })
        .collect();
    mesh.advance(Candidate { batches, ..mesh.candidate() });
    assert_eq!(mesh.state.beacon().operations, 4096);
    mesh.pass(PERIOD - 1000);
    let beacon = mesh.state.beacon();
    assert_eq!((beacon.difficulty, beacon.previous_difficulty), (floor + floor / 8, floor));
    assert_eq!(beacon.operations, 0);
    // Proved for the old beacon, at the old difficulty.
    let operation = mesh.operation(&alice(), transfer(&bob(), 5));
    let old = mesh.checked(mesh.prove(&members[0], Sequence(1), 0, false, vec![operation]));
    mesh.advance(Candidate { batches: vec![old], ..mesh.candidate() });
    mesh.pass(PERIOD);
    assert_eq!(mesh.state.beacon().difficulty, floor);
}

#[test]
fn what_falls_due_at_once_beyond_measure_waits_for_the_next_block() {
    let mut draft = Mesh::new().state.draft();
    let most = 3 * BLOCK_OPERATION_COUNT_MAX;
    for number in 0..=most as u64 {
        let id = OperationId(Domain::new("hypermesh v1 test").hash_of(&number));
        draft.schedule(BEGIN, Due::Receipt(id));
    }
    let at = |time| BlockPosition { height: Height(1), time };
    let waiting = |draft: &StateDraft| draft.state().rows::<Due>(Vec::new()).count();
    draft.settle_dues(at(BEGIN));
    assert_eq!(waiting(&draft), most + 1, "what is due at a time is due after it");
    draft.settle_dues(at(BEGIN.plus(1)));
    assert_eq!(waiting(&draft), 1);
    draft.settle_dues(at(BEGIN.plus(1)));
    assert_eq!(waiting(&draft), 0);
}

// --- key generation ---

#[test]
fn a_system_operation_holds_its_length_at_the_limit_and_one_past_it() {
    let mesh = Mesh::new();
    let frame = crate::base::encode(&abort(&mesh, 0, vec![], "")).len();
    let signed = |bytes: usize| {
        let operation = abort(&mesh, 0, vec![], &"x".repeat(bytes - frame));
        operation.is_signed(&mesh.genesis_hash())
    };
    assert!(signed(SYSTEM_OPERATION_BYTES_MAX) && !signed(SYSTEM_OPERATION_BYTES_MAX + 1));
}

fn round1(mesh: &Mesh, validator: &SecretKey, seed: u64) -> SystemOperation {
    let attempt = mesh.state.generation().attempt;
    let session = mesh.state.generation_session(attempt);
    let (_, package) = KeyGeneration::begin(session, validator.public(), &mut Seeded::new(seed)).unwrap();
    mesh.say(validator, SystemAction::GenerationRound1 { attempt, package })
}

fn abort(mesh: &Mesh, attempt: u32, accused: Vec<crate::base::PublicKey>, reason: &str) -> SystemOperation {
    let reason = reason.to_string();
    mesh.say(&mesh.validators[0], SystemAction::GenerationAbort { attempt, accused, reason })
}

#[test]
fn commitments_are_taken_once_of_each_validator_for_the_attempt_under_way() {
    let mut mesh = Mesh::new();
    let first = mesh.validators[0].clone();
    let good = round1(&mesh, &first, 1);
    let SystemAction::GenerationRound1 { package, .. } = good.action.clone() else { unreachable!() };
    let other = SystemAction::GenerationRound1 { attempt: 1, package: package.clone() };
    assert!(!mesh.state.accepts(&mesh.say(&first, other)));
    let stolen = SystemAction::GenerationRound1 { attempt: 0, package };
    assert!(!mesh.state.accepts(&mesh.say(&mesh.validators[1], stolen)), "commitments prove whose they are");
    mesh.advance_system(vec![good.clone()]);
    assert!(!mesh.state.accepts(&good));
    assert!(!mesh.state.accepts(&round1(&mesh, &first, 2)));
    assert!(mesh.state.accepts(&round1(&mesh, &mesh.validators[1], 2)));
}

#[test]
fn keys_are_confirmed_as_they_follow_from_the_commitments_by_all_and_once() {
    let active = Mesh::active();
    let confirmations = active.confirmations.clone();
    let mut mesh = Mesh::new();
    assert!(!mesh.state.accepts(&confirmations[0]), "there are no keys to confirm yet");
    mesh.advance_system(active.blocks[0].body.system.clone());
    assert!(mesh.state.generation().keys.is_some());
    let SystemAction::GenerationConfirm { keys, .. } = confirmations[0].action.clone() else {
        unreachable!()
    };
    let mut other = keys.clone();
    let root = other.keys.values().next().unwrap().clone();
    other.keys.values_mut().for_each(|key| *key = root.clone());
    let other = SystemAction::GenerationConfirm { attempt: 0, keys: other };
    assert!(!mesh.state.accepts(&mesh.say(&mesh.validators[0], other)));
    mesh.advance_system(confirmations[..3].to_vec());
    assert!(mesh.state.committee().is_none(), "three of four are not all");
    assert!(!mesh.state.accepts(&confirmations[0]));
    mesh.advance_system(confirmations[3..].to_vec());
    let committee = mesh.state.committee().unwrap();
    assert_eq!((committee.keys, committee.attempt), (keys, 0));
    assert_eq!((committee.height, committee.time), (mesh.state.height(), mesh.state.time()));
    assert_eq!(mesh.state.get::<Generation>(&()), None);
    for late in [&confirmations[0], &active.blocks[0].body.system[0], &abort(&mesh, 0, vec![], "late")] {
        assert!(!mesh.state.accepts(late), "the committee's keys stand");
    }
}

#[test]
fn an_abort_names_validators_in_order_within_bounds_and_begins_the_next_attempt() {
    let mut mesh = Mesh::new();
    let keys: Vec<_> = mesh.validators.iter().map(SecretKey::public).collect();
    let longest = "x".repeat(ABORT_REASON_BYTES_MAX);
    assert!(mesh.state.accepts(&abort(&mesh, 0, keys.clone(), &longest)));
    assert!(!mesh.state.accepts(&abort(&mesh, 0, keys.clone(), &alloc::format!("{longest}x"))));
    assert!(!mesh.state.accepts(&abort(&mesh, 0, vec![keys[1], keys[0]], "")));
    assert!(!mesh.state.accepts(&abort(&mesh, 0, vec![keys[0]; 2], "")));
    assert!(!mesh.state.accepts(&abort(&mesh, 0, vec![alice().public()], "")));
    assert!(!mesh.state.accepts(&abort(&mesh, 1, vec![], "")));
    mesh.advance_system(vec![round1(&mesh, &mesh.validators[1].clone(), 1)]);
    mesh.advance_system(vec![abort(&mesh, 0, keys[..1].to_vec(), "restarted")]);
    let generation = mesh.state.generation();
    assert_eq!((generation.attempt, generation.round1.len()), (1, 0));
    assert_eq!(generation.aborted, Some((keys[0], "restarted".to_string())));
    mesh.generate_keys();
    assert_eq!(mesh.state.committee().unwrap().attempt, 1);
}

// --- rewards ---

#[test]
fn a_block_pays_those_who_decided_its_parent_alike_and_out_of_the_reserve_alone() {
    for signers in [3, 4] {
        let mut mesh = Mesh::new();
        mesh.pass(1000);
        let before = mesh.clone();
        let commit = mesh.precommits(&mesh.blocks[0].header, &mesh.validators[..signers]);
        mesh.advance(Candidate { parent_commit: Some(commit), ..mesh.candidate() });
        let reserve = |mesh: &Mesh| mesh.state.balance(LedgerAccount::Reserve).0;
        let share = reserve(&before) * 1000 / REWARD_MS_DIVISOR / 4;
        assert!(share > 0);
        assert_eq!(reserve(&before) - reserve(&mesh), share * signers as u64);
        for (rank, validator) in mesh.validators.iter().enumerate() {
            let place = LedgerAccount::Account(validator.public());
            let gained = mesh.state.balance(place).0 - before.state.balance(place).0;
            let expected = if rank < signers { share } else { 0 };
            assert_eq!(gained, expected);
            let earned = mesh.state.get::<Earnings>(&()).unwrap().paid.get(&validator.public()).copied();
            assert_eq!(earned.unwrap_or_default().0, expected, "and it is counted");
        }
    }
}

#[test]
fn a_reserve_too_small_for_a_share_pays_nothing() {
    let mut genesis = genesis();
    let reserve = 4 * REWARD_MS_DIVISOR / 1000 - 1;
    genesis.reserve = MicroCaesar(reserve);
    let mut mesh = Mesh::of(genesis);
    mesh.pass(1000);
    let commit = mesh.precommits(&mesh.blocks[0].header, &mesh.validators);
    mesh.advance(Candidate { parent_commit: Some(commit), ..mesh.candidate() });
    assert_eq!(mesh.state.balance(LedgerAccount::Reserve).0, reserve);
    assert_eq!(mesh.state.balance(LedgerAccount::Account(mesh.validators[3].public())), MicroCaesar(0));
    assert_eq!(mesh.state.get::<Earnings>(&()), None);
}
