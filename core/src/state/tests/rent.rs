//! Names that cost rent: what they cost, when they lapse, who may have them back, and what is left of them.

use super::ledger::histories_hold;
use super::test_util::*;
use crate::base::{MicroCaesar, UnixMillis};
use crate::caesar::*;
use crate::state::block::execute;
use crate::state::*;
use crate::trustchain::dns::{RecordData, RecordType, ResolutionOutcome, resolve};
use alloc::vec;
use alloc::vec::Vec;

const WEB: &str = "web.demo.hypermesh";
const BELOW: &str = "api.web.demo.hypermesh";

fn renew(text: &str) -> Action {
    Action::RenewName(RenewName { name: name(text) })
}

fn expiry(mesh: &Mesh, text: &str) -> Option<UnixMillis> {
    mesh.state.get::<NameOwner>(&name(text)).and_then(|row| row.expires)
}

fn answers(mesh: &Mesh, text: &str) -> bool {
    resolve(&mesh.state, &name(text), RecordType::Txt).outcome == ResolutionOutcome::Found
}

fn text() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["x".into()])]
}

/// A block of this very time.
fn pass_to(mesh: &mut Mesh, time: UnixMillis) {
    mesh.pass(time.since(mesh.state.time()));
}

/// A mesh in which alice has a name with records, at it and below it, and a name below it is bob's.
fn let_out() -> (Mesh, UnixMillis) {
    let mut mesh = Mesh::active();
    mesh.done(&alice(), register(WEB, &alice()));
    mesh.done(&alice(), set(WEB, text()));
    mesh.done(&alice(), set("x.web.demo.hypermesh", text()));
    mesh.done(&alice(), register(BELOW, &bob()));
    mesh.done(&bob(), set(BELOW, text()));
    mesh.done(&alice(), issue(&[WEB]));
    let expires = expiry(&mesh, WEB).unwrap();
    (mesh, expires)
}

#[test]
fn a_name_costs_its_rent_once_a_period_and_those_below_it_cost_none() {
    let mut mesh = Mesh::new();
    let before = mesh.state.balance(LedgerAccount::Account(alice().public()));
    let Effect::NameRegistered { expires: Some(expires) } = mesh.done(&alice(), register(WEB, &bob())) else {
        panic!()
    };
    assert_eq!(expires, mesh.state.time().plus(NAME_MS_PERIOD));
    let paid = before.0 - mesh.state.balance(LedgerAccount::Account(alice().public())).0;
    assert_eq!(paid, REGISTER_FEE.0 + NAME_RENT.0, "who registers pays, whoever gets it");
    let reasons: Vec<_> = mesh.movements.last().unwrap().movements.iter().map(|one| one.reason).collect();
    assert_eq!(reasons, [MovementReason::Fee, MovementReason::Rent]);
    assert_eq!(mesh.done(&bob(), register(BELOW, &bob())), Effect::NameRegistered { expires: None });
    assert_eq!(
        mesh.refused(&alice(), renew("given.demo.hypermesh")),
        Refusal::NoRent { name: name("given.demo.hypermesh") }
    );
    assert_eq!(mesh.refused(&bob(), renew(BELOW)), Refusal::NoRent { name: name(BELOW) });
    assert_eq!(
        mesh.refused(&alice(), renew(WEB)),
        Refusal::NotOwner { name: name(WEB), owner: bob().public() }
    );
    assert_eq!(mesh.done(&bob(), renew(WEB)), Effect::NameRenewed { expires: expires.plus(NAME_MS_PERIOD) });
    let ahead = Refusal::PaidAhead { name: name(WEB), expires: expires.plus(NAME_MS_PERIOD) };
    assert_eq!(mesh.refused(&bob(), renew(WEB)), ahead);
    let absent = Refusal::NotRegistered { name: name("absent.demo.hypermesh") };
    assert_eq!(mesh.refused(&bob(), renew("absent.demo.hypermesh")), absent);
    histories_hold(&mesh);
}

#[test]
fn whoever_cannot_pay_the_rent_gets_no_name() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), transfer(&pauper(), REGISTER_FEE.0 + NAME_RENT.0 - 1));
    assert!(matches!(mesh.refused(&pauper(), register(WEB, &pauper())), Refusal::Funds { .. }));
    assert_eq!(mesh.state.owner_of(&name(WEB), mesh.state.time()), None);
}

#[test]
fn a_name_that_is_not_renewed_is_not_answered_and_cannot_be_used_and_its_owner_can_have_it_back() {
    let (mut mesh, expires) = let_out();
    pass_to(&mut mesh, expires);
    assert!(answers(&mesh, WEB), "a block of that very time is not later");
    mesh.pass(1);
    for at in [WEB, BELOW, "x.web.demo.hypermesh"] {
        assert_eq!(
            resolve(&mesh.state, &name(at), RecordType::Txt).outcome,
            ResolutionOutcome::NoSuchName,
            "{at}"
        );
    }
    assert!(mesh.state.term(&name("given.demo.hypermesh"), mesh.state.time()).is_held());
    let freed = expires.plus(NAME_MS_GRACE);
    let lapsed = |at: &str| Refusal::Lapsed { name: name(at), freed };
    assert_eq!(mesh.refused(&alice(), set(WEB, text())), lapsed(WEB));
    assert_eq!(mesh.refused(&bob(), set(BELOW, text())), lapsed(BELOW));
    assert_eq!(mesh.refused(&alice(), issue(&[WEB])), lapsed(WEB));
    assert_eq!(
        mesh.refused(&alice(), register("new.web.demo.hypermesh", &alice())),
        lapsed("new.web.demo.hypermesh")
    );
    let taken = Refusal::AlreadyRegistered { name: name(WEB), owner: alice().public() };
    assert_eq!(mesh.refused(&bob(), register(WEB, &bob())), taken);
    // Carrying an operation may take a beacon.
    pass_to(&mut mesh, freed.minus(60_000));
    assert_eq!(
        mesh.done(&alice(), renew(WEB)),
        Effect::NameRenewed { expires: expires.plus(NAME_MS_PERIOD) }
    );
    assert!(answers(&mesh, WEB) && answers(&mesh, BELOW), "as it was");
    mesh.pass(NAME_MS_GRACE);
    assert!(answers(&mesh, WEB), "what was due for the grace is forgotten");
    histories_hold(&mesh);
}

#[test]
fn a_name_whose_grace_is_over_is_anybodys_and_nothing_of_the_old_owners_is_left() {
    let (mut mesh, expires) = let_out();
    mesh.pass(NAME_MS_PERIOD + NAME_MS_GRACE);
    assert!(mesh.state.time() > expires.plus(NAME_MS_GRACE));
    mesh.pass(1);
    assert_eq!(mesh.state.owner_of(&name(WEB), mesh.state.time()), None);
    assert_eq!(mesh.state.owner_of(&name(BELOW), mesh.state.time()), None);
    mesh.done(&bob(), register(WEB, &bob()));
    for at in [WEB, BELOW, "x.web.demo.hypermesh"] {
        assert!(!answers(&mesh, at), "{at}");
        assert_eq!(record_sets(&mesh, &name(at)).count(), 0, "{at}");
    }
    assert_eq!(
        mesh.refused(&alice(), set(WEB, text())),
        Refusal::NotOwner { name: name(WEB), owner: bob().public() }
    );
    mesh.done(&bob(), set(WEB, text()));
    assert!(answers(&mesh, WEB));
    assert!(mesh.state.term(&name(WEB), mesh.state.time()).is_held());
    // No certificate of the old owner's is left that anybody would accept.
    let old = mesh.state.rows::<Certificate>(Vec::new()).map(|(_, row)| row.not_after).max();
    assert!(old.unwrap() < mesh.state.time());
}

#[test]
fn a_freed_name_with_more_rows_than_a_block_clears_is_free_when_all_are_gone() {
    let mut mesh = Mesh::new();
    mesh.done(&alice(), register(WEB, &alice()));
    let mut draft = mesh.state.draft();
    let count = FREED_ROW_COUNT_MAX + 1;
    for number in 0..count {
        let at = name(&alloc::format!("n{number}.web.demo.hypermesh"));
        draft.put(&(at, RecordType::Txt), &records(text()));
    }
    let (state, ..) = draft.finish();
    mesh.state = state.crowned(mesh.state.head().unwrap().clone());
    let lapse = |state: &State, time| {
        let mut draft = state.draft();
        let position = execute::BlockPosition { height: state.height(), time };
        draft.settle_dues(position);
        draft.finish().0.crowned(state.head().unwrap().clone())
    };
    let end = expiry(&mesh, WEB).unwrap().plus(NAME_MS_GRACE + 10);
    let left = |state: &State| state.rows::<crate::trustchain::dns::RecordSet>(Vec::new()).count();
    let other = left(&Mesh::new().state);
    let registered = |state: &State| state.get::<NameOwner>(&name(WEB)).is_some();
    let early = lapse(&mesh.state, end.minus(10));
    assert_eq!(left(&early), other + count, "at the end of its grace it is the owner's still");
    let mut state = lapse(&mesh.state, end);
    assert_eq!((left(&state), registered(&state)), (other + 1, true));
    assert_eq!(state.owner_of(&name(WEB), end), None, "it is nobody's");
    let wanted = mesh.operation_until(&bob(), register(WEB, &bob()), end.plus(60_000));
    let (_, receipts) = only(&early, end.plus(1), core::slice::from_ref(&wanted));
    let refused = Outcome::Refused(Refusal::Lapsed { name: name(WEB), freed: end.minus(10) });
    assert_eq!(receipts[0].outcome, refused, "until all that it left is gone");
    state = lapse(&state, end.plus(1));
    assert_eq!((left(&state), registered(&state)), (other, false));
    let (_, receipts) = only(&state, end.plus(2), &[wanted]);
    assert!(matches!(receipts[0].outcome, Outcome::Done(_)), "{receipts:?}");
}

#[test]
fn a_name_is_told_with_its_expiry_and_its_rent() {
    let (mesh, expires) = let_out();
    assert_eq!(expiry(&mesh, WEB), Some(expires));
    assert_eq!(expiry(&mesh, "given.demo.hypermesh"), None);
    assert_eq!(NAME_RENT, MicroCaesar(100_000));
}
