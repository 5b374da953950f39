//! Finished signatures at a node: those of peers and those in its store are kept only if others accept them too.

use super::Signing;
use super::answer_times::TIMEOUT_MIN;
use super::finished::ACCUSED_MESSAGE_BYTES_MAX;
use crate::api::{
    ConsensusRequirements, PublishedLists, Request, Response, RevocationListRequest, ValidateBatchRequest,
};
use crate::base::{
    Digest, Height, MicroCaesar, Mono, Now, PublicKey, Reader, SecretKey, Signature, StrictSignature, Table,
};
use crate::hypermesh::committee::twist::{twisted_by, twisted_of};
use crate::hypermesh::committee::{
    Committee, FalseClaim, KeyPurpose, ShareRequest, SignatureClaim, StoredShares, first_count,
};
use crate::node::message::{CommitmentsRequest, Message, ShareRequests, SharesSigned, TaskSignature};
use crate::node::task::Task;
use crate::node::test_util::{mesh, now, opened, opened_from, stored};
use crate::node::trace::MessageTraces;
use crate::node::{Event, Node, Output, PeerStatus, RequestId};
use crate::state::tests::test_util::{Mesh, alice, bob, transfer};
use crate::state::{Candidate, Offence, SYSTEM_OPERATION_BYTES_MAX, SystemAction, SystemOperation};
use crate::trustchain::ca::crl_der;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// All that a node told since it was asked last.
fn events(node: &mut Node) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(output) = node.poll_output() {
        if let Output::Event(event) = output {
            events.push(event);
        }
    }
    events
}

fn is_at_fault(events: &[Event], who: PublicKey) -> bool {
    events.iter().any(|event| matches!(event, Event::PeerFault { peer, .. } if *peer == who))
}

fn tbs_of(mesh: &Mesh, task: Task) -> Vec<u8> {
    match task {
        Task::Root => mesh.state.root_tbs().unwrap(),
        Task::Issuing(number) => mesh.state.issuing_tbs(number).unwrap(),
        Task::RootRevocationList(number) => mesh.state.root_list_tbs(number).unwrap(),
        _ => mesh.state.revocation_list_tbs().unwrap(),
    }
}

fn committee(mesh: &Mesh) -> Committee {
    Committee::new(mesh.state.committee().unwrap().keys).unwrap()
}

fn twisted(mesh: &Mesh, task: Task) -> Signature {
    twisted_of(&committee(mesh), &mesh.shares, task.purpose(), &tbs_of(mesh, task))
}

/// A validator's word for a signature, true or not.
fn claim_by(by: &SecretKey, mesh: &Mesh, task: Task, signature: Signature, bytes: &[u8]) -> SignatureClaim {
    let mut claim = SignatureClaim {
        committee: committee(mesh).digest(),
        purpose: task.purpose(),
        message: StrictSignature::message_digest(bytes),
        signature,
        validator: by.public(),
        word: Signature([0; 64]),
    };
    claim.word = by.sign(&claim.digest());
    claim
}

/// A validator hands on a signature with its word for it, true or not.
fn hand_on(mesh: &Mesh, node: &mut Node, by: &SecretKey, task: Task, signature: Signature) -> Vec<Event> {
    let claim = claim_by(by, mesh, task, signature, &tbs_of(mesh, task));
    let message = Message::Signature(TaskSignature { task, claim });
    node.handle_message(now(mesh), by.public(), &message.encode());
    events(node)
}

fn accused_of_false_claims(node: &Node) -> Vec<PublicKey> {
    let offence = |action: &SystemAction| match action {
        SystemAction::Accuse(offence) if matches!(**offence, Offence::FalseClaim(_)) => {
            Some(offence.offender())
        }
        _ => None,
    };
    node.pool.system.values().filter_map(|operation| offence(&operation.action)).collect()
}

#[test]
fn a_twisted_signature_of_a_peer_is_refused_and_the_task_gets_a_good_one() {
    let mesh = mesh();
    let mut node = opened(&mesh, &[]);
    let _start = events(&mut node);
    let [_, liar, honest, _] = mesh.validators.as_slice() else { panic!("four validators") };
    let list = Task::RevocationList(mesh.state.revocation_list_number().unwrap());
    for task in [Task::Root, Task::Issuing(0), Task::RootRevocationList(1), list] {
        let bad = twisted(&mesh, task);
        let key = committee(&mesh).keys().public(task.purpose()).unwrap();
        let by_zip_215 = ed25519_zebra::VerificationKey::try_from(key.0).unwrap();
        let bytes = ed25519_zebra::Signature::from_bytes(&bad.0);
        assert_eq!(by_zip_215.verify(&bytes, &tbs_of(&mesh, task)), Ok(()), "it is not just any bytes");

        let told = hand_on(&mesh, &mut node, liar, task, bad);
        assert!(is_at_fault(&told, liar.public()), "{task:?}");
        assert!(!node.signing.finished.contains_key(&task), "{task:?} is kept");
        assert!(node.signing.wanted_since.contains_key(&task), "{task:?} is not to be signed any more");
        assert_eq!(accused_of_false_claims(&node), [liar.public()], "once is enough, however often it lies");

        let good = mesh.sign(task.purpose(), &tbs_of(&mesh, task));
        let told = hand_on(&mesh, &mut node, honest, task, good.signature());
        assert!(!is_at_fault(&told, honest.public()));
        assert_eq!(node.signing.finished.get(&task), Some(&good));
        // It shows no other from now on.
        let told = hand_on(&mesh, &mut node, liar, task, bad);
        assert!(told.is_empty() && node.signing.finished.get(&task) == Some(&good));
    }
    assert_eq!(node.numbers()["hypermesh"]["signatures_refused_total"], 4);
}

#[test]
fn a_signature_without_its_senders_word_is_refused_and_accuses_nobody() {
    let mesh = mesh();
    let mut node = opened(&mesh, &[]);
    let _start = events(&mut node);
    let [_, liar, honest, _] = mesh.validators.as_slice() else { panic!("four validators") };
    let good = mesh.sign(KeyPurpose::Root, &tbs_of(&mesh, Task::Root));
    let claim = SignatureClaim::sign(&committee(&mesh), KeyPurpose::Root, &good, honest).unwrap();
    let message = Message::Signature(TaskSignature { task: Task::Root, claim });
    node.handle_message(now(&mesh), liar.public(), &message.encode());
    assert!(is_at_fault(&events(&mut node), liar.public()));
    assert!(!node.signing.finished.contains_key(&Task::Root));
    assert!(accused_of_false_claims(&node).is_empty());
}

#[test]
fn a_liar_that_has_lost_its_stake_costs_no_broadcast_of_evidence() {
    let mut mesh = mesh();
    let [_, liar, honest, _] = mesh.validators.clone().try_into().unwrap();
    let (bad, bytes) = (twisted(&mesh, Task::Root), tbs_of(&mesh, Task::Root));
    let sends_evidence = |mesh: &Mesh| {
        let mut node = opened(mesh, &[]);
        let _start = events(&mut node);
        let claim = claim_by(&liar, mesh, Task::Root, bad, &bytes);
        let message = Message::Signature(TaskSignature { task: Task::Root, claim });
        node.handle_message(now(mesh), liar.public(), &message.encode());
        let outputs = core::iter::from_fn(|| node.poll_output());
        let is_evidence = |output: Output| match output {
            Output::Send { message, .. } => matches!(Message::decode(&message), Ok(Message::System(_))),
            _ => false,
        };
        outputs.filter_map(|output| is_evidence(output).then_some(())).count() > 0
    };
    assert!(sends_evidence(&mesh));
    let claim = claim_by(&liar, &mesh, Task::Root, bad, &bytes);
    let offence = Offence::FalseClaim(FalseClaim { claim, message: bytes.clone() });
    let accusation = mesh.say(&honest, SystemAction::Accuse(Box::new(offence)));
    let _receipts = mesh.advance(Candidate { system: alloc::vec![accusation], ..mesh.candidate() });
    assert_eq!(mesh.state.at_risk(&liar.public()), MicroCaesar::ZERO);
    assert!(!sends_evidence(&mesh));
}

#[test]
fn twisted_signatures_in_the_store_are_dropped_and_made_again() {
    let mesh = mesh();
    let number = mesh.state.revocation_list_number().unwrap();
    let tasks = [Task::Root, Task::Issuing(0), Task::RootRevocationList(1)];
    let list_task = Task::RevocationList(number);
    let good_list = mesh.sign(KeyPurpose::Issuing, &tbs_of(&mesh, list_task));
    let mut der = crl_der(&tbs_of(&mesh, list_task), &good_list).unwrap();
    let list_key = b"revocation list".to_vec();
    let rows = |bad: bool, der: Vec<u8>| {
        let sign = |task: Task| match bad {
            true => twisted(&mesh, task),
            false => mesh.sign(task.purpose(), &tbs_of(&mesh, task)).signature(),
        };
        let mut rows: Vec<_> = tasks.iter().map(|task| (task.key(), sign(*task).0.to_vec())).collect();
        rows.push((list_key.clone(), der));
        rows
    };
    let node = opened(&mesh, &rows(false, der.clone()));
    assert!(tasks.iter().chain([&list_task]).all(|task| node.signing.finished.contains_key(task)));
    assert!(node.signing.has_authority(&node.cx));

    let place = der.len() - 64;
    der[place..].copy_from_slice(&twisted(&mesh, list_task).0);
    let mut node = opened(&mesh, &rows(true, der));
    assert!(!node.signing.has_authority(&node.cx));
    for task in tasks.iter().chain([&list_task]) {
        assert!(!node.signing.finished.contains_key(task), "{task:?} is kept");
        assert!(node.signing.wanted_since.contains_key(task), "{task:?} is not signed again");
    }
    for key in tasks.iter().map(|task| task.key()).chain([list_key]) {
        assert_eq!(node.cx.store.get(Table::Signed, &key), Ok(None));
    }
    let dropped = events(&mut node);
    let dropped = dropped.iter().filter(|event| matches!(event, Event::StoreFault { .. }));
    assert_eq!(dropped.count(), 4);
    assert_eq!(node.numbers()["hypermesh"]["signatures_dropped_total"], 4);
    let honest = &mesh.validators[2];
    for task in tasks {
        let good = mesh.sign(task.purpose(), &tbs_of(&mesh, task));
        let _events = hand_on(&mesh, &mut node, honest, task, good.signature());
    }
    assert!(node.signing.has_authority(&node.cx));
}

/// What a node answers at once to a request for revocation lists, if it does.
fn lists_shown(node: &mut Node, request: RevocationListRequest) -> Option<PublishedLists> {
    let (id, now) = (RequestId(7), Now { mono: Mono(1), wall: node.cx.state.time().plus(20) });
    node.handle_request(now, id, None, Request::GetRevocationList(request));
    node.handle_cancelled(now, id);
    let mut shown = None;
    while let Some(output) = node.poll_output() {
        match output {
            Output::Persist { token, .. } => node.handle_persisted(now, token),
            Output::Respond { response: Ok(Response::GetRevocationList(list)), .. } => shown = Some(list),
            _ => {}
        }
    }
    shown
}

#[test]
fn the_list_of_one_authority_is_shown_while_that_of_the_other_is_not_signed() {
    let mesh = mesh();
    let number = mesh.state.revocation_list_number().unwrap();
    let (task, root_task) = (Task::RevocationList(number), Task::RootRevocationList(1));
    let tbs = tbs_of(&mesh, task);
    let der = crl_der(&tbs, &mesh.sign(KeyPurpose::Issuing, &tbs)).unwrap();
    let issuing = (b"revocation list".to_vec(), der);
    let root = mesh.sign(KeyPurpose::Root, &tbs_of(&mesh, root_task)).signature();
    let root = (root_task.key(), root.0.to_vec());
    let requests = [(None, None), (Some(number), None), (None, Some(1)), (Some(number), Some(1))];
    for (stored, shown) in [
        (alloc::vec![], [false; 4]),
        (alloc::vec![issuing.clone()], [true, true, false, false]),
        (alloc::vec![root.clone()], [true, false, true, false]),
        (alloc::vec![issuing.clone(), root.clone()], [true; 4]),
    ] {
        let mut node = opened(&mesh, &stored);
        for ((at_least, root_at_least), shown) in requests.into_iter().zip(shown) {
            let lists = lists_shown(&mut node, RevocationListRequest { at_least, root_at_least });
            assert_eq!(lists.is_some(), shown, "{at_least:?} {root_at_least:?} of {}", stored.len());
            let Some(lists) = lists else { continue };
            assert_eq!((lists.newest, lists.root_newest), (number, 1));
            let numbers = [lists.issuing, lists.root].map(|list| list.map(|list| list.number));
            let is_stored = |row| stored.contains(row);
            assert_eq!(numbers, [is_stored(&issuing).then_some(number), is_stored(&root).then_some(1)]);
        }
    }
}

#[test]
fn a_twisted_cosignature_does_not_count_and_is_a_fault_of_its_sender() {
    let mut mesh = mesh();
    mesh.pass(1000);
    let mut node = opened(&mesh, &[]);
    let _start = events(&mut node);
    let size = mesh.state.log().size();
    let (liar, honest) = (&mesh.validators[1], &mesh.validators[2]);
    let message =
        node.cx.checkpoint(size).unwrap().cosignature_message(Signing::cosignature_seconds(&node.cx));
    let mut give = |by: &SecretKey, signature| {
        let given = SharesSigned { shares: Vec::new(), cosignatures: alloc::vec![(size, signature)] };
        node.handle_message(now(&mesh), by.public(), &Message::SignedShares(given).encode());
        let counted = node.signing.cosignatures.get(&size).map_or(0, BTreeMap::len);
        (counted, is_at_fault(&events(&mut node), by.public()))
    };
    assert_eq!(give(liar, twisted_by(liar, message.as_bytes())), (0, true));
    assert_eq!(give(honest, honest.sign_bytes(message.as_bytes())), (1, false));
    assert_eq!(
        give(honest, twisted_by(honest, message.as_bytes())),
        (1, false),
        "the first is kept, and no other read"
    );
    assert!(mesh.state.height() > Height::GENESIS);
}

#[test]
fn evidence_fits_a_system_operation_at_the_most_bytes_that_are_sent_and_not_far_past_them() {
    let mesh = mesh();
    let fits = |bytes: usize| {
        let message = alloc::vec![7; bytes];
        let claim = claim_by(&mesh.validators[1], &mesh, Task::Root, Signature([7; 64]), &message);
        let action = SystemAction::Accuse(Box::new(Offence::FalseClaim(FalseClaim { claim, message })));
        let operation = SystemOperation::sign(mesh.genesis_hash(), action, &mesh.validators[0]);
        mesh.state.accepts(&operation)
    };
    assert!(fits(ACCUSED_MESSAGE_BYTES_MAX));
    assert!(!fits(SYSTEM_OPERATION_BYTES_MAX));
}

#[test]
fn a_request_for_shares_that_names_another_number_of_commitments_is_not_kept() {
    let mesh = mesh();
    let mut node = opened(&mesh, &[]);
    let request = ShareRequest {
        committee: committee(&mesh).digest(),
        purpose: KeyPurpose::Root,
        message: Digest([2; 32]),
        commitments: BTreeMap::new(),
    };
    // Of a block that comes next: a request for it waits.
    let height = mesh.state.height().next();
    let requests = ShareRequests {
        height,
        requests: alloc::vec![(Task::Root, request)],
        traces: MessageTraces::default(),
    };
    let message = Message::Shares(requests);
    node.handle_message(now(&mesh), mesh.validators[1].public(), &message.encode());
    assert_eq!(node.signing.waiting.count(), 0);
}

#[test]
fn a_batch_that_is_asked_for_again_is_not_sent_to_the_others_again() {
    let mut mesh = mesh();
    let member = mesh.member.clone();
    mesh.await_ticket_time(&member);
    let operation = mesh.operation(&alice(), transfer(&bob(), 1));
    let batch = mesh.batch(&member, alloc::vec![operation]);
    let mut node = opened(&mesh, &[]);
    let now = now(&mesh);
    for peer in &mesh.validators[1..] {
        node.handle_peer(now, peer.public(), PeerStatus::Connected);
    }
    let mut sent = |id| {
        let requirements = ConsensusRequirements::Committed;
        let request = Request::ValidateBatch(ValidateBatchRequest { batch: batch.clone(), requirements });
        node.handle_request(now, RequestId(id), None, request);
        let is_batch = |output: Output| match output {
            Output::Send { message, .. } => matches!(Message::decode(&message), Ok(Message::Batch(_))),
            _ => false,
        };
        let sent =
            core::iter::from_fn(|| node.poll_output()).filter_map(|output| is_batch(output).then_some(()));
        let count = sent.count();
        node.handle_cancelled(now, RequestId(id));
        count
    };
    assert_eq!((sent(1), sent(2), sent(3)), (3, 0, 0));
}

#[test]
fn a_coordinator_that_says_again_that_it_lost_its_commitments_gets_others_and_those_it_has_stay_good() {
    let mesh = mesh();
    let mut rows = stored(&mesh, &[]);
    let active = mesh.state.committee().unwrap();
    let shares = mesh.shares[&mesh.validators[0].public()].clone();
    let row = StoredShares { keys: active.keys, shares }.to_bytes().to_vec();
    rows.0.insert((Table::Shares, active.attempt.to_be_bytes().to_vec()), row);
    let mut node = opened_from(&mesh, rows);
    assert!(node.cx.holds_shares);
    let coordinator = mesh.validators[1].public();
    let at = |millis: u64| Now { mono: Mono::default().after(Duration::from_millis(millis)), ..now(&mesh) };
    let wanted = Message::FetchCommitments(CommitmentsRequest::Anew).encode();
    let mut offered = |millis: u64| {
        node.handle_message(at(millis), coordinator, &wanted);
        let counted = |output: Output| match output {
            Output::Send { message, .. } => match Message::decode(&message) {
                Ok(Message::Commitments(offered)) => Some(offered),
                _ => None,
            },
            _ => None,
        };
        let offers = core::iter::from_fn(|| node.poll_output()).filter_map(counted);
        let offers: Vec<_> = offers.flat_map(|offered| offered.offers).collect();
        let outstanding =
            |purpose| node.signing.signer.as_ref().unwrap().outstanding_count(&coordinator, purpose);
        let of = |purpose| offers.iter().filter(move |offer| offer.purpose == purpose);
        let given = |purpose| of(purpose).map(|offer| offer.commitments.len()).sum::<usize>();
        KeyPurpose::ALL.map(|purpose| (given(purpose), outstanding(purpose)))
    };
    let first = KeyPurpose::ALL.map(first_count);
    assert_eq!(offered(0), first.map(|count| (count, count)), "what it had is destroyed");
    let just_before = u64::try_from(TIMEOUT_MIN.as_millis()).unwrap() - 1;
    // What it asks for with the commitments that crossed its message must still be signed.
    assert_eq!(offered(just_before), first.map(|count| (count, 2 * count)));
    assert_eq!(offered(just_before + 1), first.map(|count| (count, count)), "the old ones are destroyed");
}
