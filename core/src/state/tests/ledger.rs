//! Stakes and histories: what is bonded, unbonded and released, and that every movement is told once to each side.

use super::test_util::*;
use crate::base::{Height, MicroCaesar, PublicKey, SecretKey};
use crate::caesar::*;
use crate::state::*;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn bond(amount: u64) -> Action {
    Action::Bond(Bond { amount: MicroCaesar(amount) })
}

pub(super) fn unbond(amount: u64) -> Action {
    Action::Unbond(Unbond { amount: MicroCaesar(amount) })
}

/// What every place holds, by the histories alone.
fn told(mesh: &Mesh) -> BTreeMap<LedgerAccount, i128> {
    let mut held = BTreeMap::new();
    for Movement { source, target, amount, .. } in mesh.movements.iter().flat_map(|block| &block.movements) {
        *held.entry(*source).or_default() -= i128::from(amount.0);
        *held.entry(*target).or_default() += i128::from(amount.0);
    }
    held
}

/// Everything that moved adds up to what is there, and each history folds to what the state has of it.
pub(super) fn histories_hold(mesh: &Mesh) {
    let state = &mesh.state;
    for (place, sum) in told(mesh) {
        if place != LedgerAccount::Genesis {
            assert_eq!(i128::from(state.balance(place).0), sum, "{place:?}");
        }
    }
    let owners = state.rows::<Account>(Vec::new()).map(|(key, _)| PublicKey(key.try_into().unwrap()));
    for holder in owners.map(Holder::Owner).chain([Holder::Reserve]) {
        let blocks = (0..).map(Height).zip(&mesh.movements);
        let movements: Vec<_> =
            blocks.flat_map(|(height, block)| block.of(holder, height)).map(|(_, entry)| entry).collect();
        let head = state.history(holder);
        let last = movements.last().map(|entry| entry.height).unwrap_or_default();
        assert_eq!((head.count, head.last), (movements.len() as u64, last));
        let page = HistoryPage { before: crate::base::Digest::ZERO, movements };
        assert_eq!(page.after(), Some(head.digest), "{holder:?}");
    }
    let journal =
        (0..).map(Height).zip(&mesh.movements).fold(JournalHead::default(), |head, (height, block)| {
            assert_eq!(block.journal, head);
            if block.movements.is_empty() { head } else { head.after(height, &block.movements) }
        });
    assert_eq!(state.journal(), journal);
}

#[test]
fn every_movement_is_told_to_both_sides_with_its_reason_and_operation() {
    let mut mesh = Mesh::new();
    let receipt = mesh.carry_one(&alice(), transfer(&bob(), 5));
    mesh.done(&mesh.validators[0].clone(), bond(7));
    mesh.pass(1000);
    histories_hold(&mesh);
    let operation = Some(receipt.operation.0);
    let (alice, bob) = (LedgerAccount::Account(alice().public()), LedgerAccount::Account(bob().public()));
    let movement = |source, target, amount, reason, operation| Movement {
        source,
        target,
        amount: MicroCaesar(amount),
        reason,
        operation,
    };
    assert_eq!(
        mesh.movements[1].movements,
        [
            movement(alice, LedgerAccount::Reserve, TRANSFER_FEE.0, MovementReason::Fee, operation),
            movement(alice, bob, 5, MovementReason::Transfer, operation),
        ]
    );
    let last: Vec<_> = mesh.movements.last().unwrap().movements.iter().map(|one| one.reason).collect();
    assert_eq!(last, [MovementReason::Reward; 3], "by rule");
    let genesis: u64 = mesh.movements[0].movements.iter().map(|one| one.amount.0).sum();
    assert_eq!(genesis, mesh.genesis.supply().unwrap().0, "genesis gave all that there is");
}

#[test]
fn a_refused_operation_tells_of_its_fee_alone() {
    let mut mesh = Mesh::new();
    mesh.refused(&alice(), transfer(&bob(), FUNDS.0));
    let reasons: Vec<_> = mesh.movements.last().unwrap().movements.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, [MovementReason::Fee]);
    histories_hold(&mesh);
}

#[test]
fn what_is_unbonded_comes_into_the_account_after_the_delay_and_not_before() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[0].clone();
    let key = member.public();
    assert_eq!(mesh.done(&member, bond(500)), Effect::Bonded { stake: MicroCaesar(STAKE_MINIMUM.0 + 500) });
    let release = mesh.state.time().plus(1000).plus(DAY_MS);
    assert_eq!(
        mesh.done(&member, unbond(300)),
        Effect::Unbonding { stake: MicroCaesar(STAKE_MINIMUM.0 + 200), release }
    );
    let held = |mesh: &Mesh, place| mesh.state.balance(place).0;
    assert_eq!(held(&mesh, LedgerAccount::Unbonding(key)), 300);
    let reasons = |mesh: &Mesh| -> Vec<MovementReason> {
        let last = mesh.movements.last().unwrap();
        last.movements
            .iter()
            .map(|one| one.reason)
            .filter(|reason| *reason != MovementReason::Reward)
            .collect()
    };
    assert_eq!(reasons(&mesh), [MovementReason::Fee, MovementReason::Unbond]);
    mesh.pass(release.since(mesh.state.time()));
    assert_eq!(held(&mesh, LedgerAccount::Unbonding(key)), 300, "a block of that very time is not later");
    mesh.pass(1);
    assert_eq!(reasons(&mesh), [MovementReason::Release]);
    let released = *mesh.movements.last().unwrap().movements.last().unwrap();
    assert_eq!((released.target, released.amount), (LedgerAccount::Account(key), MicroCaesar(300)));
    assert_eq!(mesh.state.get::<Unbonding>(&key), None, "nothing is left behind");
    histories_hold(&mesh);
}

#[test]
fn a_validator_keeps_the_minimum_at_stake_and_a_mere_member_may_take_all() {
    let mut mesh = Mesh::new();
    let (validator, member) = (mesh.validators[0].clone(), mesh.member.clone());
    let owner = validator.public();
    let stake = STAKE_MINIMUM;
    assert_eq!(mesh.refused(&validator, unbond(1)), Refusal::Stake { owner, stake, least: stake });
    mesh.done(&alice(), transfer(&member, 10_000));
    let owner = member.public();
    let too_much = Refusal::Stake { owner, stake, least: MicroCaesar(0) };
    assert_eq!(mesh.refused(&member, unbond(stake.0 + 1)), too_much);
    mesh.done(&member, unbond(stake.0));
    assert_eq!(mesh.state.balance(LedgerAccount::Stake(owner)), MicroCaesar(0));
    let operation = mesh.operation(&alice(), transfer(&bob(), 1));
    let batch = mesh.checked(mesh.batch(&member, vec![operation]));
    let refused = mesh.state.admit(&batch, mesh.state.time(), crate::hypermesh::proof::Diligence::NameAll);
    assert!(matches!(refused, Err(Inadmissible::Proofs(_))), "without a stake nobody submits: {refused:?}");
    let owner = alice().public();
    assert_eq!(mesh.refused(&alice(), bond(1)), Refusal::NotMember { owner });
    assert_eq!(mesh.refused(&alice(), unbond(1)), Refusal::NotMember { owner });
}

#[test]
fn as_many_amounts_as_may_be_are_unbonded_at_once_and_not_one_more() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[0].clone();
    mesh.done(&member, bond(1000));
    let unbond_all = |mesh: &mut Mesh, count: usize| -> Vec<Receipt> {
        let operations = (0..count).map(|_| mesh.operation(&member, unbond(1))).collect();
        mesh.carry(operations)
    };
    let receipts = unbond_all(&mut mesh, UNBONDING_COUNT_MAX + 1);
    let (last, rest) = receipts.split_last().unwrap();
    assert!(rest.iter().all(|receipt| matches!(receipt.outcome, Outcome::Done(_))));
    let count = u32::try_from(UNBONDING_COUNT_MAX).unwrap();
    assert_eq!(last.outcome, Outcome::Refused(Refusal::UnbondingFull { count }));
    mesh.pass(DAY_MS + 1);
    assert_eq!(
        mesh.state.unbonding(&member.public()).releases,
        [],
        "those of one moment are released together"
    );
    histories_hold(&mesh);
}

#[test]
fn more_than_the_account_holds_cannot_be_bonded() {
    let mut mesh = Mesh::new();
    let member: SecretKey = mesh.validators[0].clone();
    let all = mesh.state.balance(LedgerAccount::Account(member.public())).0;
    assert!(matches!(mesh.refused(&member, bond(all)), Refusal::Funds { .. }));
}

#[test]
fn nobody_earns_with_less_than_the_minimum_at_stake() {
    let mesh = Mesh::new();
    let key = mesh.validators[0].public();
    assert!(mesh.state.earns(&key));
    let mut draft = mesh.state.draft();
    let row: Member = mesh.state.get(&key).unwrap();
    draft.put(&key, &Member { stake: MicroCaesar(STAKE_MINIMUM.0 - 1), ..row });
    assert!(!draft.state().earns(&key));
    assert!(!mesh.state.earns(&alice().public()));
}
