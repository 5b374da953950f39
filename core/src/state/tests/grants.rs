//! Names granted below others: their limits, their end, and how they are taken back.

use super::test_util::*;
use crate::base::{SecretKey, UnixMillis};
use crate::state::block::{execute, execute_operation, payable};
use crate::state::names::grant;
use crate::state::operations::Rules as _;
use crate::state::*;
use crate::trustchain::ca::{RevocationReason, SerialNumber};
use crate::trustchain::dns::{RecordData, RecordSet, RecordType};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const TOP: &str = "given.demo.hypermesh";
const HOST: &str = "host1.given.demo.hypermesh";
const BELOW: &str = "vm.host1.given.demo.hypermesh";
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Somebody with funds, who is granted names by bob.
fn carol() -> SecretKey {
    SecretKey::from_seed([104; 32])
}

/// Alice has [`TOP`] by genesis, and others can pay.
fn mesh() -> Mesh {
    let mut mesh = Mesh::active();
    for other in [carol(), pauper()] {
        mesh.done(&alice(), transfer(&other, 100_000_000));
    }
    mesh
}

fn until(mesh: &Mesh, milliseconds: u64) -> GrantLimits {
    GrantLimits { until: Some(mesh.state.time().plus(milliseconds)), ..GrantLimits::default() }
}

fn issued(mesh: &mut Mesh, by: &SecretKey, names: &[&str]) -> SerialNumber {
    match mesh.done(by, issue(names)) {
        Effect::CertificateApproved { serial, .. } => serial,
        other => panic!("{other:?}"),
    }
}

fn owner(mesh: &Mesh, text: &str) -> crate::base::PublicKey {
    mesh.state.owner_of(&name(text), mesh.state.time()).unwrap()
}

fn row(mesh: &Mesh, text: &str) -> Option<NameOwner> {
    mesh.state.get(&name(text))
}

fn reason(mesh: &Mesh, serial: SerialNumber) -> Option<RevocationReason> {
    mesh.state.get::<Certificate>(&serial).unwrap().revocation.map(|revocation| revocation.reason)
}

fn certified(mesh: &Mesh) -> usize {
    mesh.state.rows::<grant::CertifiedNameRow>(Vec::new()).count()
}

fn text() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["x".into()])]
}

#[test]
fn a_name_that_is_taken_back_is_the_granters_and_what_was_certified_there_is_revoked() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), set(HOST, text()));
    let host = issued(&mut mesh, &bob(), &[HOST]);
    let below = issued(&mut mesh, &bob(), &["x.host1.given.demo.hypermesh"]);
    let id = issued(&mut mesh, &bob(), &["spiffe://host1.given.demo.hypermesh/agent"]);
    let other = issued(&mut mesh, &alice(), &[TOP, "host2.given.demo.hypermesh"]);
    let effect = mesh.done(&alice(), reclaim(HOST));
    let Effect::NameReclaimed { previous, mut revoked, rest: None } = effect else { panic!("{effect:?}") };
    let mut expected = [host, below, id];
    expected.sort_unstable();
    revoked.sort_unstable();
    assert_eq!((previous, revoked.as_slice()), (Some(bob().public()), &expected[..]));
    for serial in expected {
        assert_eq!(reason(&mesh, serial), Some(RevocationReason::PrivilegeWithdrawn));
    }
    assert_eq!(reason(&mesh, other), None);
    assert_eq!((owner(&mesh, HOST), row(&mesh, HOST)), (alice().public(), None));
    let tlsa = name("_443._tcp.host1.given.demo.hypermesh");
    assert_eq!(mesh.state.get::<RecordSet>(&(tlsa, RecordType::Tlsa)), None);
    // Records stay, and are the granter's to change.
    assert!(mesh.state.get::<RecordSet>(&(name(HOST), RecordType::Txt)).is_some());
    mesh.done(&alice(), clear(HOST, RecordType::Txt));
    assert!(matches!(mesh.refused(&bob(), issue(&[HOST])), Refusal::NotOwner { .. }));
    assert!(matches!(mesh.refused(&bob(), set(HOST, text())), Refusal::NotOwner { .. }));
    // Given to the rebuilt host, it is that one's.
    mesh.done(&alice(), register(HOST, &carol()));
    issued(&mut mesh, &carol(), &[HOST]);
    assert_eq!(certified(&mesh), 3, "two names of one, and one");
}

#[test]
fn names_that_were_granted_further_fall_with_it_and_do_not_come_back() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), register(BELOW, &carol()));
    mesh.done(&carol(), register("a.vm.host1.given.demo.hypermesh", &pauper()));
    let serial = issued(&mut mesh, &pauper(), &["a.vm.host1.given.demo.hypermesh"]);
    // In one block: taken back and granted again, to the same owner.
    let operations = [reclaim(HOST), register(HOST, &bob())];
    let operations = operations.map(|action| mesh.operation(&alice(), action));
    let receipts = mesh.carry(operations.to_vec());
    assert!(receipts.iter().all(|receipt| matches!(receipt.outcome, Outcome::Done(_))), "{receipts:?}");
    for fallen in [HOST, BELOW, "a.vm.host1.given.demo.hypermesh"] {
        assert_eq!(owner(&mesh, fallen), bob().public(), "{fallen}");
    }
    assert_eq!(row(&mesh, BELOW), None);
    assert_eq!(reason(&mesh, serial), Some(RevocationReason::PrivilegeWithdrawn));
    assert!(matches!(mesh.refused(&carol(), set(BELOW, text())), Refusal::NotOwner { .. }));
}

#[test]
fn owners_of_all_names_that_it_was_granted_under_may_take_it_back_and_nobody_else() {
    for granter in [alice(), bob()] {
        let mut mesh = mesh();
        mesh.done(&alice(), register(HOST, &bob()));
        mesh.done(&bob(), register(BELOW, &carol()));
        let refusal = |by: &SecretKey| Refusal::NotGranter { name: name(BELOW), owner: by.public() };
        assert_eq!(mesh.refused(&carol(), reclaim(BELOW)), refusal(&bob()));
        assert_eq!(mesh.refused(&pauper(), reclaim(BELOW)), refusal(&bob()));
        let effect = mesh.done(&granter, reclaim(BELOW));
        assert!(matches!(effect, Effect::NameReclaimed { previous: Some(_), .. }), "{effect:?}");
        assert_eq!(owner(&mesh, BELOW), bob().public(), "it goes back to whoever granted it");
    }
}

#[test]
fn a_name_is_not_for_who_was_granted_the_one_above_it_later() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(BELOW, &carol()));
    mesh.done(&alice(), register(HOST, &bob()));
    let refusal = Refusal::NotGranter { name: name(BELOW), owner: alice().public() };
    assert_eq!(mesh.refused(&bob(), reclaim(BELOW)), refusal);
    mesh.done(&alice(), reclaim(HOST));
    assert_eq!(owner(&mesh, BELOW), carol().public(), "it was not granted under the one that was taken back");
}

#[test]
fn names_directly_below_the_zone_and_those_of_genesis_stay_their_owners() {
    let mut mesh = mesh();
    mesh.done(&alice(), register("web.demo.hypermesh", &bob()));
    for top in ["web.demo.hypermesh", TOP] {
        assert_eq!(mesh.refused(&alice(), reclaim(top)), Refusal::NotGranted { name: name(top) });
    }
    let limits = until(&mesh, DAY_MS);
    let free = "free.demo.hypermesh";
    assert_eq!(mesh.refused(&alice(), grant(free, &bob(), limits)), Refusal::Unlimited { name: name(free) });
    assert_eq!(mesh.refused(&alice(), reclaim(free)), Refusal::NotRegistered { name: name(free) });
    assert!(matches!(mesh.refused(&alice(), reclaim("a.example")), Refusal::OutsideZone { .. }));
}

#[test]
fn a_grant_that_is_over_gives_the_name_back_and_no_certificate_outlives_it() {
    let mut mesh = mesh();
    let limits = until(&mesh, 30 * HOUR_MS);
    let end = limits.until.unwrap();
    mesh.done(&alice(), grant(HOST, &bob(), limits));
    mesh.done(&bob(), register(BELOW, &carol()));
    issued(&mut mesh, &carol(), &[BELOW]);
    // A day's certificate at the last moment, and one past it.
    let last = |mesh: &Mesh| end.minus(u64::from(LEAF_SECONDS_DEFAULT) * 1000).since(mesh.state.time());
    let wait = last(&mesh);
    mesh.pass(wait);
    let at = |time: UnixMillis, mesh: &mut Mesh, by: &SecretKey, action| {
        let operation = mesh.operation_until(by, action, time);
        only(&mesh.state, time, &[operation]).1.remove(0).outcome
    };
    let now = mesh.state.time();
    for names in [&[HOST][..], &[BELOW], &["spiffe://host1.given.demo.hypermesh/agent"]] {
        let by = if names[0] == BELOW { carol() } else { bob() };
        let outcome = at(now, &mut mesh, &by, issue(names));
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let refusal = Outcome::Refused(Refusal::OutlivesGrant {
            name: name(if names[0] == BELOW { BELOW } else { HOST }),
            until: end,
        });
        assert_eq!(at(now.plus(1), &mut mesh, &by, issue(names)), refusal);
    }
    let left = end.since(mesh.state.time());
    mesh.pass(left);
    assert_eq!((owner(&mesh, HOST), owner(&mesh, BELOW)), (bob().public(), carol().public()));
    mesh.pass(1);
    assert_eq!((owner(&mesh, HOST), owner(&mesh, BELOW)), (alice().public(), alice().public()));
    assert_eq!((row(&mesh, HOST), row(&mesh, BELOW)), (None, None));
    assert!(matches!(mesh.refused(&bob(), set(HOST, text())), Refusal::NotOwner { .. }));
    mesh.done(&alice(), register(HOST, &carol()));
}

#[test]
fn the_first_operation_after_a_standstill_is_judged_by_the_ends_of_grants() {
    let mut mesh = mesh();
    let limits = until(&mesh, HOUR_MS);
    mesh.done(&alice(), grant(HOST, &bob(), limits));
    let time = mesh.state.time().plus(HOUR_MS);
    let refused = mesh.operation_until(&bob(), set(HOST, text()), time);
    let done = mesh.operation_until(&alice(), set(HOST, text()), time);
    // Without what is due: as after more of it than a block does.
    let position = execute::BlockPosition { height: mesh.state.height().next(), time };
    let mut draft = mesh.state.draft();
    for (operation, happens) in [(refused, false), (done, true)] {
        let checked = operation.check(&mesh.genesis_hash()).unwrap();
        let mut carrying = payable::CarryingBatch::of_owner(&checked);
        let receipt =
            execute_operation::execute_operation(&mut draft, &checked, &mut carrying, position).unwrap();
        assert_eq!(matches!(receipt.outcome, Outcome::Done(_)), happens, "{receipt:?}");
    }
}

#[test]
fn a_grant_is_extended_by_granting_it_again_and_ends_sooner_only_by_being_taken_back() {
    let mut mesh = mesh();
    let (limits, longer) = (until(&mesh, 2 * HOUR_MS), until(&mesh, 4 * HOUR_MS));
    let end = limits.until.unwrap();
    mesh.done(&alice(), grant(HOST, &bob(), limits));
    mesh.done(&bob(), register(BELOW, &carol()));
    let since = row(&mesh, HOST).unwrap().since;
    // Its owner cannot extend it, nor anybody give it to somebody else.
    let taken = Refusal::AlreadyRegistered { name: name(HOST), owner: bob().public() };
    assert_eq!(mesh.refused(&bob(), grant(HOST, &bob(), longer)), taken);
    assert_eq!(mesh.refused(&alice(), grant(HOST, &carol(), longer)), taken);
    let sooner = GrantLimits { until: Some(end.minus(1)), ..limits };
    let refusal = Refusal::GrantTooShort { name: name(HOST), until: end.minus(1), least: Some(end) };
    assert_eq!(mesh.refused(&alice(), grant(HOST, &bob(), sooner)), refusal);
    mesh.done(&alice(), grant(HOST, &bob(), longer));
    assert_eq!(row(&mesh, HOST).unwrap().since, since);
    let past = end.since(mesh.state.time()) + 1;
    mesh.pass(past);
    assert_eq!((owner(&mesh, HOST), owner(&mesh, BELOW)), (bob().public(), carol().public()));
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.pass(30 * DAY_MS);
    assert_eq!(owner(&mesh, BELOW), carol().public(), "without an end, with all below it");
    let limits = until(&mesh, DAY_MS);
    let refusal = Refusal::GrantTooShort { name: name(HOST), until: limits.until.unwrap(), least: None };
    assert_eq!(mesh.refused(&alice(), grant(HOST, &bob(), limits)), refusal);
}

#[test]
fn limits_hold_for_all_that_is_granted_further() {
    let mut mesh = mesh();
    let limits = GrantLimits { may_grant: false, ..GrantLimits::default() };
    mesh.done(&alice(), grant(HOST, &bob(), limits));
    mesh.done(&bob(), set("x.host1.given.demo.hypermesh", text()));
    assert_eq!(mesh.refused(&bob(), register(BELOW, &carol())), Refusal::MayNotGrant { name: name(HOST) });
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), register(BELOW, &carol()));

    let mut mesh = self::mesh();
    let limits = until(&mesh, DAY_MS);
    let end = limits.until.unwrap();
    mesh.done(&alice(), grant(HOST, &bob(), limits));
    let later = GrantLimits { until: Some(end.plus(1)), ..limits };
    let refusal = Refusal::OutlivesGrant { name: name(HOST), until: end };
    assert_eq!(mesh.refused(&bob(), grant(BELOW, &carol(), later)), refusal);
    let over = GrantLimits { until: Some(mesh.state.time()), ..limits };
    assert!(matches!(mesh.refused(&bob(), grant(BELOW, &carol(), over)), Refusal::GrantTooShort { .. }));
    mesh.done(&bob(), grant(BELOW, &carol(), limits));
}

#[test]
fn a_flood_of_certificates_does_not_keep_the_name_and_further_operations_revoke_the_rest() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    let flood: Vec<SerialNumber> =
        (0..2 * REVOKED_TOGETHER_MAX + 1).map(|_| issued(&mut mesh, &bob(), &[HOST, BELOW])).collect();
    let effect = mesh.done(&alice(), reclaim(HOST));
    let Effect::NameReclaimed { previous: Some(_), revoked, rest: Some(rest) } = effect else {
        panic!("{effect:?}")
    };
    let mut gone = revoked.len();
    assert_eq!(gone, REVOKED_TOGETHER_MAX);
    // At once, whatever stands still.
    assert_eq!(owner(&mesh, HOST), alice().public());
    assert!(matches!(mesh.refused(&bob(), issue(&[BELOW])), Refusal::NotOwner { .. }));
    let own = issued(&mut mesh, &alice(), &[HOST]);
    mesh.done(&alice(), register(BELOW, &carol()));
    let new = issued(&mut mesh, &carol(), &[BELOW]);
    let mut start = Some(rest);
    while let Some(from) = start {
        let action = Action::ReclaimName(ReclaimName { name: name(HOST), start: Some(from) });
        let effect = mesh.done(&alice(), action);
        let Effect::NameReclaimed { previous: None, revoked, rest } = effect else { panic!("{effect:?}") };
        assert!(revoked.len() <= REVOKED_TOGETHER_MAX);
        gone += revoked.len();
        start = rest;
    }
    assert_eq!(gone, flood.len());
    assert!(flood.iter().all(|serial| reason(&mesh, *serial).is_some()));
    assert_eq!((reason(&mesh, own), reason(&mesh, new)), (None, None), "the owners' of now");
    assert!(matches!(mesh.refused(&bob(), reclaim(HOST)), Refusal::NotGranter { .. }));
}

#[test]
fn a_full_list_revokes_nothing_and_says_where_to_go_on() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    let serial = issued(&mut mesh, &bob(), &[HOST]);
    let mut draft = mesh.state.draft();
    let head = mesh.state.get::<RevocationListHead>(&()).unwrap();
    let entries = u32::try_from(crate::trustchain::ca::REVOKED_COUNT_MAX).unwrap();
    draft.put(&(), &RevocationListHead { entries, ..head });
    let position =
        execute::BlockPosition { height: mesh.state.height().next(), time: mesh.state.time().plus(1) };
    let action = ReclaimName { name: name(HOST), start: None };
    let effect = action.execute(&mut draft, &caller(&alice()), position).unwrap();
    let rest = Some(CertifiedName { name: name(HOST), serial });
    let previous = Some(bob().public());
    assert_eq!(effect, Effect::NameReclaimed { previous, revoked: vec![], rest });
    assert_eq!(draft.state().owner_of(&name(HOST), position.time), Some(alice().public()));
}

#[test]
fn as_many_names_of_certificates_as_allowed_are_looked_at_and_one_more_is_left() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    let serial = issued(&mut mesh, &bob(), &["z.host1.given.demo.hypermesh"]);
    for count in [RECLAIM_LOOKED_AT_MAX - 1, RECLAIM_LOOKED_AT_MAX] {
        let mut draft = mesh.state.draft();
        // Its own, of alice: they are looked at first, and stay.
        let row = grant::CertifiedNameRow { owner: alice().public(), not_after: UnixMillis(u64::MAX) };
        for number in 0..count {
            let at = name(&alloc::format!("a{number}.host1.given.demo.hypermesh"));
            draft.put(&CertifiedName { name: at, serial }, &row);
        }
        let position =
            execute::BlockPosition { height: mesh.state.height().next(), time: mesh.state.time().plus(1) };
        let action = ReclaimName { name: name(HOST), start: None };
        let effect = action.execute(&mut draft, &caller(&alice()), position).unwrap();
        let Effect::NameReclaimed { revoked, rest, .. } = effect else { panic!("{effect:?}") };
        let all = count < RECLAIM_LOOKED_AT_MAX;
        assert_eq!((revoked.len(), rest.is_none()), (usize::from(all), all));
    }
}

#[test]
fn names_below_one_that_was_taken_back_hold_nothing_though_their_rows_are_left() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), register("zz.host1.given.demo.hypermesh", &carol()));
    let mut draft = mesh.state.draft();
    let left = row(&mesh, "zz.host1.given.demo.hypermesh").unwrap();
    for number in 0..ENDED_NAME_COUNT_MAX {
        draft.put(&name(&alloc::format!("a{number}.host1.given.demo.hypermesh")), &left);
    }
    let time = mesh.state.time().plus(1);
    let position = execute::BlockPosition { height: mesh.state.height().next(), time };
    let action = ReclaimName { name: name(HOST), start: None };
    action.execute(&mut draft, &caller(&alice()), position).unwrap();
    let state = draft.state();
    let rows = state.rows::<NameOwner>(Vec::new()).filter(|(_, row)| row.grant.is_some()).count();
    assert_eq!(rows, 1, "as many as allowed are cleared away");
    let zz = name("zz.host1.given.demo.hypermesh");
    assert_eq!(state.owner_of(&zz, time), Some(alice().public()));
    let operation =
        mesh.operation_until(&alice(), register("zz.host1.given.demo.hypermesh", &pauper()), time);
    let checked = operation.check(&mesh.genesis_hash()).unwrap();
    let mut carrying = payable::CarryingBatch::of_owner(&checked);
    let receipt =
        execute_operation::execute_operation(&mut draft, &checked, &mut carrying, position).unwrap();
    assert!(matches!(receipt.outcome, Outcome::Done(_)), "{receipt:?}");
    assert_eq!(draft.state().owner_of(&zz, time), Some(pauper().public()));
}

/// All rows of names below a name, however many fell due, are gone after as many blocks as that takes, and those that hold stay.
#[test]
fn what_one_block_does_not_clear_away_the_next_ones_do() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), register(BELOW, &carol()));
    let broken = row(&mesh, BELOW).unwrap();
    mesh.done(&alice(), reclaim(HOST));
    mesh.done(&alice(), register(HOST, &bob()));
    mesh.done(&bob(), register("zz.host1.given.demo.hypermesh", &carol()));
    let mut draft = mesh.state.draft();
    for number in 0..ENDED_ROW_COUNT_MAX {
        draft.put(&name(&alloc::format!("a{number}.host1.given.demo.hypermesh")), &broken);
    }
    let at = mesh.state.time();
    // As after a block whose room others have used up.
    draft.clear_ended(&name(HOST), None, at, &mut 0);
    let left = |draft: &StateDraft| {
        let rows = draft.state().rows::<NameOwner>(Vec::new());
        rows.filter(|(_, row)| row.grant.is_some()).count()
    };
    assert_eq!(left(&draft), ENDED_ROW_COUNT_MAX + 2);
    // The first that is looked at holds.
    for (number, left_then) in [(1, 3), (2, 2)] {
        let position = execute::BlockPosition { height: mesh.state.height().next(), time: at.plus(number) };
        draft.settle_dues(position);
        assert_eq!(left(&draft), left_then);
    }
    let kept = |draft: &StateDraft, text: &str| draft.state().get::<NameOwner>(&name(text)).is_some();
    assert!(kept(&draft, HOST) && kept(&draft, "zz.host1.given.demo.hypermesh"));
    assert_eq!(ends_due(&draft), 0);
}

fn ends_due(draft: &StateDraft) -> usize {
    let dues = draft.state().rows::<Due>(Vec::new());
    dues.filter(|(_, due)| matches!(due, Due::GrantEnded { .. })).count()
}

/// Each search goes through all rows below, which the operation that begins it does not pay for.
#[test]
fn a_name_that_was_taken_back_before_is_not_searched_again() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(BELOW, &carol()));
    let held = row(&mesh, BELOW).unwrap();
    let mut draft = mesh.state.draft();
    for number in 0..=ENDED_NAME_COUNT_MAX {
        draft.put(&name(&alloc::format!("a{number}.host1.given.demo.hypermesh")), &held);
    }
    let position =
        execute::BlockPosition { height: mesh.state.height().next(), time: mesh.state.time().plus(1) };
    let action = ReclaimName { name: name(HOST), start: None };
    let effect = action.execute(&mut draft, &caller(&alice()), position).unwrap();
    assert_eq!(effect, Effect::NameReclaimed { previous: None, revoked: vec![], rest: None });
    assert_eq!(ends_due(&draft), 0);
}

/// The rule of `docs/protocol.md` for a chain of rows, in as many steps as it takes.
fn holding_by_the_rule(rows: &[RegisteredName], at: UnixMillis) -> Option<grant::NameHolding> {
    (0..rows.len()).find_map(|first| {
        let mut chain: Vec<RegisteredName> = Vec::new();
        let mut above = rows.get(first..)?.iter();
        let mut next = above.next();
        while let Some(found) = next {
            let grant = found.row.grant;
            if grant.and_then(|grant| grant.limits.until).is_some_and(|until| until < at) {
                return None;
            }
            chain.push(found.clone());
            let Some(grant) = grant else {
                let registered = chain.remove(0);
                return Some(grant::NameHolding { registered, granters: chain });
            };
            next = above.find(|above| above.row.registration == grant.under);
        }
        None
    })
}

proptest::proptest! {
    /// However rows were left at the labels of a name, one pass finds what the rule says.
    #[test]
    fn the_lowest_holding_is_found_in_one_pass(
        rows in proptest::collection::vec((0_u8..8, proptest::option::of((0_u8..8, proptest::option::of(0_u64..4)))), 0..10),
    ) {
        let id = |number: u8| OperationId(crate::base::Digest([number; 32]));
        let rows: Vec<RegisteredName> = rows.iter().enumerate().map(|(at, (registration, grant))| RegisteredName {
            name: name(&alloc::format!("l{at}.demo.hypermesh")),
            row: NameOwner {
                owner: alice().public(),
                since: crate::base::Height(1),
                expires: None,
                // One operation registers one name; those of genesis share theirs, and were granted by nobody.
                registration: id(if grant.is_some() { 100 + u8::try_from(at).unwrap() } else { *registration }),
                grant: grant.map(|(under, until)| Grant {
                    under: id(if under < 4 { under } else { 100 + under }),
                    limits: GrantLimits { until: until.map(UnixMillis), may_grant: true },
                }),
            },
        }).collect();
        let at = UnixMillis(2);
        proptest::prop_assert_eq!(grant::lowest_holding(&rows, at), holding_by_the_rule(&rows, at));
    }
}

#[test]
fn a_granter_that_may_not_grant_any_more_grants_nothing_anew() {
    let mut mesh = mesh();
    let limited = |grantee: &SecretKey, text: &str, may_grant, until| {
        Action::RegisterName(RegisterName {
            name: name(text),
            owner: grantee.public(),
            limits: GrantLimits { until, may_grant },
        })
    };
    let (soon, later) = (Some(mesh.state.time().plus(HOUR_MS)), Some(mesh.state.time().plus(DAY_MS)));
    mesh.done(&alice(), limited(&bob(), HOST, true, None));
    mesh.done(&bob(), limited(&carol(), BELOW, true, soon));
    mesh.done(&alice(), limited(&bob(), HOST, false, None));
    let refusal = mesh.refused(&bob(), limited(&carol(), BELOW, true, later));
    assert_eq!(refusal, Refusal::MayNotGrant { name: name(HOST) });
    mesh.done(&alice(), limited(&carol(), BELOW, true, later));
}

#[test]
fn the_owner_of_the_name_in_a_spiffe_id_may_revoke_what_bears_it() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    let serial = issued(&mut mesh, &bob(), &["spiffe://host1.given.demo.hypermesh/agent"]);
    let superseded = || revoke(serial, RevocationReason::Superseded);
    assert!(matches!(mesh.refused(&alice(), superseded()), Refusal::NotCertificateOwner { .. }));
    let mut draft = mesh.state.draft();
    let given = NameOwner { owner: alice().public(), ..row(&mesh, HOST).unwrap() };
    draft.put(&name(HOST), &given);
    let position =
        execute::BlockPosition { height: mesh.state.height().next(), time: mesh.state.time().plus(1) };
    let asked = RevokeCertificate { serial_number: serial, reason: RevocationReason::Superseded };
    assert!(asked.execute(&mut draft, &caller(&alice()), position).is_ok());
}

#[test]
fn a_name_that_is_not_paid_for_is_not_granted_anew_or_taken_back_until_it_is() {
    let mut mesh = mesh();
    mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
    mesh.done(&alice(), register("a.web.demo.hypermesh", &bob()));
    mesh.pass(crate::caesar::NAME_MS_PERIOD + 1);
    let lapsed: [Action; 2] = [reclaim("a.web.demo.hypermesh"), register("a.web.demo.hypermesh", &bob())];
    for action in lapsed {
        let refusal = mesh.refused(&alice(), action);
        assert!(matches!(refusal, Refusal::Lapsed { .. }), "{refusal}");
    }
    mesh.done(&alice(), Action::RenewName(RenewName { name: name("web.demo.hypermesh") }));
    mesh.done(&alice(), reclaim("a.web.demo.hypermesh"));
}

#[test]
fn a_reclaim_costs_what_its_most_revocations_would() {
    let mut mesh = mesh();
    mesh.done(&alice(), register(HOST, &bob()));
    let receipt = mesh.carry_one(&alice(), reclaim(HOST));
    assert_eq!(receipt.fee.0, REVOKED_TOGETHER_MAX as u64 * crate::caesar::REVOKE_FEE.0);
}

#[test]
fn a_certificate_that_is_over_bears_its_names_no_longer() {
    let mut mesh = mesh();
    let serial = issued(&mut mesh, &alice(), &[TOP, HOST]);
    issued(&mut mesh, &alice(), &["spiffe://demo.hypermesh/given/agent"]);
    assert_eq!(certified(&mesh), 3);
    mesh.done(&alice(), revoke(serial, RevocationReason::Superseded));
    assert_eq!(certified(&mesh), 1);
    mesh.pass(25 * HOUR_MS);
    assert_eq!(certified(&mesh), 0);
}

#[test]
fn refusals_say_what_to_do() {
    let at = name(HOST);
    let texts: Vec<String> = [
        Refusal::GrantTooShort { name: at.clone(), until: BEGIN, least: None },
        Refusal::GrantTooShort { name: at.clone(), until: BEGIN, least: Some(BEGIN.plus(1)) },
        Refusal::OutlivesGrant { name: at, until: BEGIN },
    ]
    .map(|refusal| alloc::format!("{refusal}"))
    .into();
    assert!(texts[0].contains("without an end") && texts[0].contains("dns reclaim"), "{texts:?}");
    assert!(texts[1].contains("must be later than 2026-11-30"), "{texts:?}");
    assert!(texts[2].contains("extend"), "{texts:?}");
}
