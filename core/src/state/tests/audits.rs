//! Members that no longer show that they hold their plots: what they lose, and how they are taken back.

use super::test_util::*;
use crate::base::{MicroCaesar, SecretKey};
use crate::caesar::{LedgerAccount, MovementReason, STAKE_MINIMUM};
use crate::hypermesh::proof::Diligence;
use crate::state::*;
use alloc::vec;

fn missed(mesh: &Mesh, member: &SecretKey) -> u32 {
    mesh.state.get::<Member>(&member.public()).unwrap().missed_audits
}

/// Lets a beacon end for which the last validator has put its ticket on chain.
fn end_beacon(mesh: &mut Mesh) {
    let diligent = mesh.validators[3].clone();
    let attest = mesh.operation(&diligent, Action::Attest(Attest));
    let batch = mesh.checked(mesh.batch(&diligent, vec![attest]));
    mesh.advance_with_what_pays(Candidate { batches: vec![batch], ..mesh.candidate() });
    mesh.pass(mesh.genesis.profile.beacon_ms_period());
}

#[test]
fn so_many_beacons_without_a_ticket_suspend_and_not_one_fewer() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[1].clone();
    let earns = |mesh: &Mesh, member: &SecretKey| mesh.state.earns(&member.public());
    for beacons in 0..AUDIT_MISSES_MAX {
        assert_eq!((missed(&mesh, &member), earns(&mesh, &member)), (beacons, true));
        end_beacon(&mut mesh);
    }
    assert_eq!((missed(&mesh, &member), earns(&mesh, &member)), (AUDIT_MISSES_MAX, false));
    assert_eq!(mesh.state.balance(LedgerAccount::Stake(member.public())), STAKE_MINIMUM, "never its stake");
    end_beacon(&mut mesh);
    assert_eq!(missed(&mesh, &member), AUDIT_MISSES_MAX, "it is not counted further");
}

#[test]
fn nobody_is_charged_for_a_beacon_for_which_no_ticket_came_on_chain() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[1].clone();
    end_beacon(&mut mesh);
    assert_eq!(missed(&mesh, &member), 1);
    for _ in 0..=AUDIT_MISSES_MAX {
        mesh.pass(mesh.genesis.profile.beacon_ms_period());
        assert_eq!(missed(&mesh, &member), 1, "neither counted nor forgiven");
    }
    end_beacon(&mut mesh);
    assert_eq!(missed(&mesh, &member), 2);
}

#[test]
fn a_suspended_members_batches_are_not_taken_until_it_attests() {
    let mut mesh = Mesh::new();
    let member = mesh.validators[1].clone();
    (0..AUDIT_MISSES_MAX).for_each(|_| end_beacon(&mut mesh));
    let paid = mesh.operation(&alice(), transfer(&bob(), 5));
    let attest = mesh.operation(&member, Action::Attest(Attest));
    let time = mesh.state.time().plus(1000);
    let admit = |mesh: &Mesh, operations| {
        let batch = mesh.batch(&member, operations);
        let proofs = mesh.state.admit_proofs(&batch, time, Diligence::StopAtFirst).err();
        let whole = mesh.state.admit(&mesh.checked(batch), time, Diligence::StopAtFirst).err();
        assert_eq!(proofs, whole);
        whole
    };
    let suspended = Some(Inadmissible::Suspended { member: member.public() });
    assert_eq!(admit(&mesh, vec![paid.clone()]), suspended);
    assert_eq!(admit(&mesh, vec![attest.clone(), paid.clone()]), suspended, "not in company either");
    assert_eq!(admit(&mesh, vec![attest.clone()]), None);
    let batch = mesh.checked(mesh.batch(&member, vec![attest]));
    mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
    assert_eq!(missed(&mesh, &member), 0);
    assert_eq!(admit(&mesh, vec![paid]), None);
}

#[test]
fn a_suspended_validator_earns_nothing_and_what_it_would_have_had_stays_in_the_reserve() {
    let mut mesh = Mesh::new();
    let (lazy, diligent) = (mesh.validators[1].clone(), mesh.validators[0].clone());
    for _ in 0..AUDIT_MISSES_MAX {
        for member in mesh.validators.clone().iter().filter(|member| member.public() != lazy.public()) {
            let attest = mesh.operation(member, Action::Attest(Attest));
            let batch = mesh.checked(mesh.batch(member, vec![attest]));
            mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
        }
        end_beacon(&mut mesh);
    }
    mesh.pass(1000);
    let paid = |mesh: &Mesh, member: &SecretKey| {
        let rewards = mesh.movements.last().unwrap().movements.iter();
        let to = LedgerAccount::Account(member.public());
        let sum = rewards
            .filter(|one| one.reason == MovementReason::Reward && one.target == to)
            .map(|one| one.amount.0)
            .sum();
        MicroCaesar(sum)
    };
    assert_eq!(paid(&mesh, &lazy), MicroCaesar(0));
    assert!(paid(&mesh, &diligent) > MicroCaesar(0));
    let batch = mesh.batch(&lazy, vec![mesh.clone().operation(&lazy, Action::Attest(Attest))]);
    let batch = mesh.checked(batch);
    mesh.advance(Candidate { batches: vec![batch], ..mesh.candidate() });
    mesh.pass(1000);
    assert_eq!(paid(&mesh, &lazy), paid(&mesh, &diligent), "alike again");
}
