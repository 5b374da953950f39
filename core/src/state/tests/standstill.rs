//! The first block after a long standstill: every rule about time is judged by that block's time, whatever has been done
//! of what fell due meanwhile.

use super::ledger::{bond, unbond};
use super::offences::{accuse, false_claim};
use super::test_util::*;
use crate::base::{SecretKey, UnixMillis};
use crate::caesar::*;
use crate::hypermesh::ordering::{Evidence, Round, Vote, VoteKind};
use crate::state::*;
use crate::trustchain::ca::RevocationReason;
use crate::trustchain::dns::{RecordData, RecordType, resolve};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

const WEB: &str = "web.demo.hypermesh";
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A mesh whose first validator has its ticket on chain under the current beacon, so that it can carry operations
/// after a standstill of any length.
fn ready(mut mesh: Mesh) -> Mesh {
    let carrier = mesh.validators[0].clone();
    mesh.await_ticket_time(&carrier);
    let operation = mesh.operation(&carrier, Action::Attest(Attest));
    let batch = mesh.checked(mesh.batch(&carrier, vec![operation]));
    mesh.advance_with_what_pays(Candidate { batches: vec![batch], ..mesh.candidate() });
    mesh
}

/// What becomes of these operations in a block of this time, which is the next one.
fn first_block(mesh: &mut Mesh, time: UnixMillis, wanted: Vec<(SecretKey, Action)>) -> Vec<Outcome> {
    let expires = time.plus(60_000);
    let operations =
        wanted.into_iter().map(|(owner, action)| mesh.operation_until(&owner, action, expires)).collect();
    let carrier = mesh.validators[0].clone();
    let batch = mesh.checked(mesh.batch(&carrier, operations));
    let receipts = mesh.advance(Candidate { time, batches: vec![batch], ..mesh.candidate() });
    receipts.into_iter().map(|receipt| receipt.outcome).collect()
}

fn text() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["x".into()])]
}

fn refusal(outcome: &Outcome) -> Option<&Refusal> {
    match outcome {
        Outcome::Refused(refusal) => Some(refusal),
        Outcome::Done(_) => None,
    }
}

/// A mesh that stands still from a day before the end of the time until which alice has paid for a name that bob has one
/// below; and that time.
fn let_out() -> (Mesh, UnixMillis) {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), register(WEB, &alice()));
    mesh.done(&alice(), register("bob.web.demo.hypermesh", &bob()));
    let expires = mesh.state.get::<NameOwner>(&name(WEB)).unwrap().expires.unwrap();
    // In two steps: the issuing certificate is renewed meanwhile.
    mesh.pass(NAME_MS_PERIOD - 2 * DAY_MS);
    mesh.pass(expires.since(mesh.state.time()) - DAY_MS);
    (ready(mesh), expires)
}

#[test]
fn a_name_that_lapsed_while_the_mesh_stood_still_is_not_served_to_its_old_owner() {
    let (mut mesh, expires) = let_out();
    let wanted = vec![
        (alice(), issue(&[WEB])),
        (alice(), set(WEB, text())),
        (alice(), register("new.web.demo.hypermesh", &alice())),
        (bob(), issue(&["bob.web.demo.hypermesh"])),
        (alice(), announce(&instance(WEB, "east"), &offer("2001:db8::7"), 60)),
    ];
    let outcomes = first_block(&mut mesh, expires.plus(29 * DAY_MS), wanted);
    for outcome in &outcomes {
        assert!(matches!(refusal(outcome), Some(Refusal::Lapsed { .. })), "{outcome:?}");
    }
}

#[test]
fn a_name_can_be_used_in_a_block_of_the_very_time_until_which_it_is_paid_for_and_not_a_millisecond_later() {
    for (late_ms, served) in [(0, true), (1, false)] {
        let (mut mesh, expires) = let_out();
        let outcomes = first_block(&mut mesh, expires.plus(late_ms), vec![(alice(), issue(&[WEB]))]);
        assert_eq!(matches!(outcomes[0], Outcome::Done(_)), served, "{late_ms}: {outcomes:?}");
    }
}

#[test]
fn a_name_whose_grace_ended_while_the_mesh_stood_still_is_not_renewed_and_anybody_may_register_it() {
    let (mut mesh, expires) = let_out();
    let renew = Action::RenewName(RenewName { name: name(WEB) });
    let outcomes =
        first_block(&mut mesh.clone(), expires.plus(NAME_MS_GRACE), vec![(alice(), renew.clone())]);
    assert!(
        matches!(outcomes[0], Outcome::Done(Effect::NameRenewed { .. })),
        "at its very end: {outcomes:?}"
    );
    let time = expires.plus(NAME_MS_GRACE + 1);
    let outcomes = first_block(&mut mesh, time, vec![(alice(), renew), (bob(), register(WEB, &bob()))]);
    assert!(refusal(&outcomes[0]).is_some(), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Done(Effect::NameRegistered { .. })), "{outcomes:?}");
}

#[test]
fn no_certificate_of_an_old_owner_holds_when_the_name_is_free() {
    let (mut mesh, expires) = let_out();
    let Action::IssueCertificate(issue) = issue(&[WEB]) else { unreachable!() };
    let longest = Action::IssueCertificate(IssueCertificate { lifetime_seconds: LEAF_SECONDS_MAX, ..issue });
    let outcomes = first_block(&mut mesh, expires, vec![(alice(), longest)]);
    let Outcome::Done(Effect::CertificateApproved { serial, .. }) = outcomes[0] else {
        panic!("{outcomes:?}")
    };
    let ends = mesh.state.get::<Certificate>(&serial).unwrap().not_after;
    // A certificate holds through the whole second that it names, and some verifiers' clocks are behind.
    let holds_until = UnixMillis(ends.seconds() * 1000 + 999);
    let margin = expires.plus(NAME_MS_GRACE).since(holds_until);
    assert!(margin >= 60 * 60 * 1000, "{margin} ms are left between its end and the freeing");
}

#[test]
fn a_lease_that_ended_while_the_mesh_stood_still_holds_no_place_and_cannot_be_withdrawn() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), register(WEB, &alice()));
    for number in 0..INSTANCE_COUNT_MAX {
        let one = instance(WEB, &alloc::format!("n{number}"));
        mesh.done(&alice(), announce(&one, &offer("2001:db8::7"), 60));
    }
    let mut mesh = ready(mesh);
    let time = mesh.state.time().plus(2 * 60_000);
    let wanted = vec![
        (alice(), withdraw(&instance(WEB, "n0"))),
        (alice(), announce(&instance(WEB, "east"), &offer("2001:db8::8"), 60)),
    ];
    let outcomes = first_block(&mut mesh, time, wanted);
    assert!(matches!(refusal(&outcomes[0]), Some(Refusal::NoInstance { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Done(_)), "{outcomes:?}");
}

/// Has more fall due now than one block can do.
fn crowd_with_dues(mesh: &mut Mesh) {
    let mut draft = mesh.state.draft();
    for number in 0..=3 * BLOCK_OPERATION_COUNT_MAX as u64 {
        let id = OperationId(crate::base::Domain::new("hypermesh v1 test").hash_of(&number));
        draft.schedule(mesh.state.time(), Due::Receipt(id));
    }
    let (state, ..) = draft.finish();
    mesh.state = state.crowned(mesh.state.head().unwrap().clone());
}

#[test]
fn what_a_block_could_not_do_of_what_fell_due_is_not_answered() {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), register(WEB, &alice()));
    mesh.done(&alice(), announce(&instance(WEB, "east"), &offer("2001:db8::7"), 60));
    mesh.done(&alice(), issue(&[WEB]));
    let kept = instance(WEB, "west");
    mesh.done(&alice(), announce(&kept, &offer("2001:db8::8"), LEASE_SECONDS_MAX));
    crowd_with_dues(&mut mesh);
    let found = |mesh: &Mesh, at: &str, record_type| {
        resolve(&mesh.state, &name(at), record_type).answers.first().map_or(0, |found| found.set.data.len())
    };
    let asked = [
        ("_stoq._udp.web.demo.hypermesh", RecordType::Srv),
        ("east.web.demo.hypermesh", RecordType::Aaaa),
        ("_443._tcp.web.demo.hypermesh", RecordType::Tlsa),
    ];
    assert_eq!(asked.map(|(at, record_type)| found(&mesh, at, record_type)), [2, 1, 1]);
    // A day later the first lease is over, the second is not, and the certificate has expired.
    let ends = mesh.state.get::<Instance>(&kept).unwrap().expires;
    mesh.pass(ends.since(mesh.state.time()));
    assert!(mesh.state.has_overdue());
    assert_eq!(mesh.state.standing_instances(&name(WEB)).count(), 2, "it is not taken away yet");
    assert_eq!(mesh.state.instances(&name(WEB), mesh.state.time()).count(), 1);
    assert_eq!(asked.map(|(at, record_type)| found(&mesh, at, record_type)), [1, 0, 0]);
    assert_eq!(found(&mesh, "west.web.demo.hypermesh", RecordType::Aaaa), 1);
    assert_eq!(found(&mesh, "given.demo.hypermesh", RecordType::Aaaa), 1, "what an owner set is as it is");
    mesh.pass(1);
    assert!(!mesh.state.has_overdue());
    assert_eq!(asked.map(|(at, record_type)| found(&mesh, at, record_type)), [0, 0, 0]);
}

#[test]
fn stake_whose_release_fell_due_while_the_mesh_stood_still_can_be_spent_in_the_first_block() {
    let mut mesh = Mesh::active();
    let member = mesh.validators[0].clone();
    // More than a block's reward.
    let bonded = FUNDS.0 / 2;
    mesh.done(&member, bond(bonded));
    mesh.done(&member, unbond(bonded));
    let mut mesh = ready(mesh);
    let release = mesh.state.unbonding(&member.public()).releases[0].time;
    let all = mesh.state.balance(LedgerAccount::Account(member.public())).0 + bonded - TRANSFER_FEE.0;
    let outcomes = first_block(&mut mesh, release.plus(1), vec![(member, transfer(&pauper(), all))]);
    assert_eq!(outcomes, [Outcome::Done(Effect::Transferred)]);
}

#[test]
fn evidence_that_grew_too_old_while_the_mesh_stood_still_is_not_taken_in_the_first_block() {
    let mut mesh = Mesh::active();
    let liar = mesh.validators[1].clone();
    mesh.done(&liar_fund(), transfer(&liar, 1_000_000));
    mesh.done(&liar, bond(700));
    mesh.done(&liar, unbond(700));
    let lie = mesh.state.height();
    let vote = |value_id| {
        let (kind, round, validator) = (VoteKind::Precommit, Round(0), liar.public());
        Vote { kind, height: lie, round, value_id, validator }.sign(&mesh.genesis_hash(), &liar)
    };
    let evidence = Evidence::from_votes(vote(None), vote(Some(crate::base::Digest([1; 32]))));
    // Past the lie, so that a mark lies between it and the standstill.
    let max = mesh.genesis.profile.evidence_ms_max();
    mesh.pass(max / 2);
    let action = SystemAction::Accuse(Box::new(Offence::Equivocation(evidence)));
    let word = mesh.say(&mesh.validators[0], action);
    let taken = |mesh: &Mesh, time: UnixMillis| {
        let candidate = Candidate { time, system: vec![word.clone()], ..mesh.candidate() };
        mesh.state.build(candidate).0.body.system.len() == 1
    };
    let marked = mesh.state.time();
    assert!(taken(&mesh, marked.plus(max - 1)), "it may be younger than the bound");
    assert!(!taken(&mesh, marked.plus(max)), "older than the bound by any block's time");
}

/// Who pays a validator that has no account.
fn liar_fund() -> SecretKey {
    alice()
}

#[test]
fn what_is_out_of_the_stake_by_time_is_not_slashed_by_the_first_block() {
    let mut mesh = Mesh::active();
    let liar = mesh.validators[0].clone();
    mesh.done(&liar, bond(700));
    mesh.done(&liar, unbond(500));
    let release = mesh.state.unbonding(&liar.public()).releases[0].time;
    let before = mesh.state.at_risk_at(&liar.public(), release);
    assert_eq!(before.0, STAKE_MINIMUM.0 + 700, "at its time it is still at risk");
    assert_eq!(mesh.state.at_risk_at(&liar.public(), release.plus(1)).0, STAKE_MINIMUM.0 + 200);
    // So many things are due that the release is not carried out before the evidence is looked at.
    crowd_with_dues(&mut mesh);
    let balance = |mesh: &Mesh| mesh.state.balance(LedgerAccount::Account(liar.public())).0;
    let account = balance(&mesh);
    let accusation = accuse(&mesh, 1, Offence::FalseClaim(false_claim(&mesh, &liar, 1)));
    let time = release.plus(1);
    mesh.advance(Candidate { time, system: vec![accusation], ..mesh.candidate() });
    assert!(mesh.state.has_overdue());
    assert_eq!(mesh.state.at_risk(&liar.public()).0, 0);
    let to_liar = |one: &&Movement| {
        one.target == LedgerAccount::Account(liar.public()) && one.reason == MovementReason::Reward
    };
    let movements = &mesh.movements.last().unwrap().movements;
    let rewards: u64 = movements.iter().filter(to_liar).map(|one| one.amount.0).sum();
    assert_eq!(balance(&mesh), account + rewards + 500, "what was released is its owner's");
    let slashed = |one: &&Movement| one.reason == MovementReason::Slash;
    let slashed: u64 = movements.iter().filter(slashed).map(|one| one.amount.0).sum();
    assert_eq!(slashed, STAKE_MINIMUM.0 + 200);
}

#[test]
fn an_operation_that_expired_while_the_mesh_stood_still_is_not_executed_again_whatever_its_receipt() {
    let mesh = Mesh::active();
    let mut mesh = ready(mesh);
    let expires = mesh.state.time().plus(60_000);
    let operation = mesh.operation_until(&alice(), transfer(&pauper(), 5), expires);
    let carrier = mesh.validators[0].clone();
    let batch = mesh.checked(mesh.batch(&carrier, vec![operation.clone()]));
    mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
    let carried = |mesh: &mut Mesh, time: UnixMillis| {
        let batch = mesh.checked(mesh.batch(&carrier, vec![operation.clone()]));
        mesh.advance_with_what_pays(Candidate { time, batches: vec![batch], ..mesh.candidate() })
    };
    assert_eq!(carried(&mut mesh, expires), [], "at its very end its receipt stands");
    assert_eq!(carried(&mut mesh, expires.plus(1)), [], "and then nobody carries it");
    assert_eq!(mesh.state.balance(LedgerAccount::Account(pauper().public())).0, 5, "once");
}

#[test]
fn a_ticket_that_comes_after_a_standstill_is_late_and_one_that_stood_before_it_admits_the_first_block() {
    let mut mesh = ready(Mesh::active());
    let late = mesh.validators[1].clone();
    let time = mesh.state.time().plus(DAY_MS);
    let operation = mesh.operation_until(&late, Action::Attest(Attest), time.plus(1000));
    let batch = mesh.checked(mesh.batch(&late, vec![operation]));
    let admitted = mesh.state.admit(&batch, time, crate::hypermesh::proof::Diligence::NameAll);
    assert!(matches!(admitted, Err(Inadmissible::Proofs(_))), "{admitted:?}");
    let beacon = mesh.state.beacon().index;
    assert_eq!(first_block(&mut mesh, time, vec![(alice(), transfer(&bob(), 1))]).len(), 1);
    assert_eq!(mesh.state.beacon().index, beacon + 1, "that block makes the next beacon");
}

#[test]
fn the_first_block_issues_under_an_issuing_certificate_that_holds_at_its_time() {
    let mut mesh = ready(Mesh::active());
    let ends = mesh.state.issuer().unwrap().issuing_validity.not_after;
    let outcomes =
        first_block(&mut mesh, ends.plus(DAY_MS), vec![(alice(), issue(&["given.demo.hypermesh"]))]);
    let Outcome::Done(Effect::CertificateApproved { serial, .. }) = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    let issuing = mesh.state.issuer().unwrap().issuing_validity;
    assert!(issuing.contains(mesh.state.time()));
    assert!(mesh.state.get::<Certificate>(serial).unwrap().not_after <= issuing.not_after);
}

#[test]
fn the_first_block_that_revokes_also_makes_the_list_that_was_due() {
    let mut mesh = Mesh::active();
    let Effect::CertificateApproved { serial, .. } = mesh.done(&alice(), issue(&["given.demo.hypermesh"]))
    else {
        panic!()
    };
    let mut mesh = ready(mesh);
    let time = mesh.state.time().plus(DAY_MS - 3_600_000);
    let before = mesh.state.revocation_list_number().unwrap();
    first_block(&mut mesh, time, vec![(alice(), revoke(serial, RevocationReason::KeyCompromise))]);
    let head = mesh.state.get::<RevocationListHead>(&()).unwrap();
    assert_eq!(
        (head.number, head.scheduled, head.this_update),
        (before + 1, time, time),
        "one list for both"
    );
}
