//! Blocks, receipts and answers that are not as the rules have it.

use super::*;
use crate::base::name;
use crate::check::policy::answers::{check_certificate, resolve};
use crate::check::policy::{LedgerCheck, PolicyCheck};
use crate::check::test_util::issue;
use crate::check::{Chain, Observation, ObservedAnswer, Violation};
use hypermesh_core::api::{ApiFault, FaultKind, Response};
use hypermesh_core::base::{Digest, MicroCaesar};
use hypermesh_core::state::{Effect, NameOwner, Outcome, Receipt, Refusal, SetRecords};
use hypermesh_core::trustchain::ca::{SubjectNames, parse_certificate};
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, RecordType, ResolutionOutcome};

const OWN: &str = "web.demo.hypermesh";

fn requests(world: &World) -> Vec<Request> {
    let client = world.owner(&world.participants().client);
    let records = RecordSet::new(60, vec![RecordData::Aaaa("fd00::1".parse().unwrap())]).ok();
    let set = SetRecords { name: name(OWN), record_type: RecordType::Aaaa, records };
    vec![client.set(1, set), issue(world, 2)]
}

/// The height of the last block with a receipt, after which these have looked at all blocks before it.
fn before_last(chain: &Chain) -> (Height, LedgerCheck, PolicyCheck) {
    let heights = (1..=chain.newest().unwrap().height().0).map(Height);
    let known: Vec<Height> = heights.filter(|height| chain.at(*height).is_some()).collect();
    let with_receipt = |height: &&Height| !chain.at(**height).unwrap().receipts.is_empty();
    let last = *known.iter().rfind(with_receipt).unwrap();
    let (mut ledger, mut policy) = (LedgerCheck::default(), PolicyCheck::default());
    for height in known.into_iter().filter(|height| *height < last) {
        ledger.on_block(chain, height).unwrap();
        policy.on_block(chain, height, &ledger).unwrap();
    }
    (last, ledger, policy)
}

/// What the check says of the last block with a receipt, in which a certificate is approved, after these changes.
fn fires(
    change_model: impl FnOnce(&mut Model, &Receipt),
    change_receipt: impl FnOnce(&mut Receipt),
) -> Result<(), Violation> {
    let (world, _) = world_with(requests);
    let chain = world.checks().chain();
    let (last, mut ledger, mut policy) = before_last(chain);
    ledger.on_block(chain, last).unwrap();
    let mut receipt = chain.at(last).unwrap().receipts[0].clone();
    change_model(&mut policy.model.as_mut().unwrap().1, &receipt);
    change_receipt(&mut receipt);
    policy.on_block(&chain.with_receipts(last, vec![receipt]), last, &ledger)
}

fn what(fault: Result<(), Violation>) -> String {
    let violation = fault.unwrap_err();
    assert_eq!(violation.check, "policy");
    violation.what
}

#[test]
fn it_fires_when_what_nobody_may_do_was_done() {
    assert_eq!(fires(|_, _| {}, |_| {}), Ok(()));
    let anothers = |model: &mut Model, _: &Receipt| {
        let other = Participants::new(4).other.public();
        model.names.registered.get_mut(&name("demo.hypermesh")).unwrap().owner = other;
    };
    assert!(what(fires(anothers, |_| {})).contains("against [NotOwner]"));
    let lapsed = |model: &mut Model, receipt: &Receipt| {
        let paid_until = Some(UnixMillis(receipt.time.0 - 1));
        model.names.registered.get_mut(&name("demo.hypermesh")).unwrap().paid_until = paid_until;
    };
    assert!(what(fires(lapsed, |_| {})).contains("against [Lapsed]"));
}

#[test]
fn it_fires_when_what_is_allowed_is_refused_or_for_a_reason_that_does_not_hold() {
    let refused = |receipt: &mut Receipt| {
        let refusal = Refusal::NotOwner { name: name(OWN), owner: receipt.owner };
        receipt.outcome = Outcome::Refused(refusal);
    };
    assert!(what(fires(|_, _| {}, refused)).contains("nothing stands against it"));
    let lapsed = |model: &mut Model, receipt: &Receipt| {
        let paid_until = Some(UnixMillis(receipt.time.0 - 1));
        model.names.registered.get_mut(&name("demo.hypermesh")).unwrap().paid_until = paid_until;
    };
    assert!(what(fires(lapsed, refused)).contains("against it is {Lapsed}"));
}

#[test]
fn it_fires_when_a_receipt_says_something_else_was_done_or_is_one_too_many_or_too_few() {
    let other = |receipt: &mut Receipt| receipt.outcome = Outcome::Done(Effect::Transferred);
    assert!(what(fires(|_, _| {}, other)).contains("its receipt says Transferred"));
    let again = |model: &mut Model, receipt: &Receipt| {
        model.receipts.insert(receipt.operation, UnixMillis(u64::MAX));
    };
    assert!(what(fires(again, |_| {})).contains("second receipt"));
    let elsewhere = |receipt: &mut Receipt| receipt.operation.0 = Digest([1; 32]);
    assert!(what(fires(|_, _| {}, elsewhere)).contains("no receipt"));
}

#[test]
fn it_fires_when_the_state_is_not_what_follows() {
    let records = |model: &mut Model, _: &Receipt| {
        let aaaa = (name(OWN), RecordType::Aaaa);
        model.records.by_hand.remove(&aaaa);
        model.touched.records.insert(aaaa);
    };
    assert!(what(fires(records, |_| {})).contains("what stands at web.demo.hypermesh"));
    let names = |model: &mut Model, _: &Receipt| {
        model.touched.names.insert(name("poor.hypermesh"));
        model.names.registered.remove(&name("poor.hypermesh"));
    };
    assert!(what(fires(names, |_| {})).contains("the name poor.hypermesh"));
    let list = |model: &mut Model, _: &Receipt| model.list.as_mut().unwrap().number += 1;
    assert!(what(fires(list, |_| {})).contains("the revocation list"));
    let root_list = |model: &mut Model, _: &Receipt| model.root_list = None;
    assert!(what(fires(root_list, |_| {})).contains("the root key's revocation list"));
    let log = |model: &mut Model, _: &Receipt| model.log_size += 1;
    assert!(fires(log, |_| {}).is_err());
}

#[test]
fn all_is_compared_in_the_end() {
    let (world, _) = world_with(requests);
    let chain = world.checks().chain();
    let state = chain.newest().unwrap();
    let finish = |change: fn(&mut Model)| {
        let mut model = Model::of(state);
        change(&mut model);
        PolicyCheck { model: Some((state.height(), model)) }.finish(Some(state))
    };
    assert_eq!(finish(|_| {}), Ok(()));
    let wrong: [fn(&mut Model); 4] = [
        |model| drop(model.names.registered.pop_first()),
        |model| drop(model.records.by_hand.pop_first()),
        |model| drop(model.leaves.pop_first()),
        |model| model.list = None,
    ];
    for change in wrong {
        assert_eq!(finish(change).unwrap_err().check, "policy");
    }
}

#[test]
fn it_fires_on_a_certificate_for_other_names_another_key_or_another_time() {
    let (world, responses) = world_with(requests);
    let Response::IssueCertificate(issued) = &responses[1] else { panic!("another response") };
    let signed = parse_certificate(&issued.certificate_der).unwrap();
    let model = Model::of(world.checks().chain().newest().unwrap());
    let leaf = model.leaves[&issued.serial_number].clone();
    assert_eq!(check_certificate(&leaf, &signed), Ok(()));
    let mut other = leaf.clone();
    other.names = SubjectNames::new(vec![name("demo.hypermesh")], Vec::new(), None).unwrap();
    assert!(check_certificate(&other, &signed).unwrap_err().contains("asked for"));
    let other = super::super::certificates::Leaf { key: Digest([1; 32]), ..leaf.clone() };
    assert!(check_certificate(&other, &signed).unwrap_err().contains("another key"));
    let other = super::super::certificates::Leaf { not_after: UnixMillis(1), ..leaf };
    assert!(check_certificate(&other, &signed).unwrap_err().contains("holds from"));
}

#[test]
fn a_name_that_is_not_paid_for_is_not_told_of() {
    let (world, _) = world_with(requests);
    let chain = world.checks().chain();
    let state = chain.newest().unwrap();
    let told = |state: &State| resolve(state, &name(OWN), RecordType::Aaaa);
    let (outcome, answers) = told(state);
    assert_eq!((outcome, answers.len()), (ResolutionOutcome::Found, 1));
    assert_eq!(resolve(state, &name(OWN), RecordType::Txt).0, ResolutionOutcome::NoData);
    assert_eq!(resolve(state, &name("a.example"), RecordType::Txt).0, ResolutionOutcome::NotAuthoritative);
    let mut draft = state.draft();
    let owner = world.participants().client.public();
    let expires = Some(state.time().minus(1));
    draft.put(&name("demo.hypermesh"), &NameOwner { expires, ..NameOwner::of_genesis(owner) });
    assert_eq!(told(&draft.finish().0), (ResolutionOutcome::NoSuchName, Vec::new()));
}

#[test]
fn it_fires_when_a_node_refuses_what_is_allowed() {
    let (world, _) = world_with(requests);
    let chain = world.checks().chain();
    let view = world.view(0).unwrap();
    let (mut ledger, mut policy) = (LedgerCheck::default(), PolicyCheck::default());
    let newest = chain.newest().unwrap().height();
    ledger.on_block(chain, newest).unwrap();
    policy.on_block(chain, newest, &ledger).unwrap();
    let node = world.participants().validators[0].member.identity.public();
    let says = |request: &Request, kind: FaultKind| {
        let response = Err(ApiFault::new(kind, "no"));
        let observation = Observation { at: world.now(), place: 0, node, disk: world.disk(0).unwrap() };
        let (asked, wall) = (world.now(), world.wall());
        let observed = ObservedAnswer { observation, request, asked, response: &response, view: &view, wall };
        policy.on_answer(chain, &observed, &ledger)
    };
    let participants = world.participants();
    let (client, poor) = (world.owner(&participants.client), world.owner(&participants.poor));
    let allowed = client.transfer(9, participants.poor.public(), MicroCaesar(5));
    let forbidden = poor.transfer(9, participants.client.public(), MicroCaesar(5));
    assert_eq!(says(&forbidden, FaultKind::FailedPrecondition), Ok(()));
    assert_eq!(says(&allowed, FaultKind::Unavailable), Ok(()));
    for kind in [FaultKind::FailedPrecondition, FaultKind::NotFound] {
        assert!(what(says(&allowed, kind)).contains("refuses what is allowed"));
    }
    assert!(what(says(&allowed, FaultKind::InvalidArgument)).contains("malformed"));
}
