//! Operations: what is malformed, what is refused and what that costs, what repeats.

use super::test_util::*;
use crate::base::{Digest, MicroCaesar, PublicKey, SecretKey, Sequence, Signature};
use crate::caesar::{ISSUE_FEE, JournalHead, LedgerAccount, RECORDS_FEE, REGISTER_FEE, TRANSFER_FEE};
use crate::hypermesh::proof::Diligence;
use crate::state::*;
use crate::trustchain::ca::{ISSUING_MS_LIFETIME, RequestFault};
use crate::trustchain::dns::{RecordData, RecordType};
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn balance(mesh: &Mesh, owner: &SecretKey) -> MicroCaesar {
    mesh.state.balance(LedgerAccount::Account(owner.public()))
}

/// The accounts whose rows changed, and the tags of all other rows that did.
fn changed(before: &Mesh, after: &Mesh) -> (BTreeSet<PublicKey>, BTreeSet<u8>) {
    let keys = before.rows.keys().chain(after.rows.keys());
    let keys: BTreeSet<_> = keys.filter(|key| before.rows.get(*key) != after.rows.get(*key)).collect();
    let (accounts, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key[0] == Account::TAG);
    let owner = |key: &&Vec<u8>| PublicKey(key[1..].try_into().unwrap());
    (accounts.iter().map(owner).collect(), others.iter().map(|key| key[0]).collect())
}

/// Carries an operation that is refused, and sees that it moved its fee and nothing else.
fn refused_for(mesh: &mut Mesh, owner: &SecretKey, action: Action, fee: MicroCaesar) -> Refusal {
    mesh.await_ticket_time(&mesh.validators[0].clone());
    let before = mesh.clone();
    let receipt = mesh.carry_one(owner, action);
    assert_eq!(receipt.fee, fee);
    assert_eq!(balance(&before, owner).0 - balance(mesh, owner).0, fee.0);
    let (accounts, tags) = changed(&before, mesh);
    let validators = mesh.validators.iter().map(SecretKey::public);
    let may: BTreeSet<_> = validators.chain([owner.public()]).collect();
    assert!(accounts.is_subset(&may), "an account that is not the owner's changed");
    let running = [Member::TAG, Receipt::TAG, Due::TAG, Beacon::TAG, Reserve::TAG, Attendance::TAG];
    let ledger = [JournalHead::TAG, Earnings::TAG, EvidenceHorizon::TAG, Totals::TAG];
    let running: BTreeSet<u8> = running.into_iter().chain(ledger).collect();
    assert!(tags.is_subset(&running), "rows of other kinds changed: {tags:?}");
    assert_eq!(mesh.state.log().size(), before.state.log().size());
    match receipt.outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Done(effect) => panic!("done: {effect:?}"),
    }
}

#[test]
fn every_refusal_pays_the_fee_of_its_action_and_moves_nothing_else() {
    let mut mesh = Mesh::active();
    mesh.done(&bob(), register("bob.demo.hypermesh", &bob()));
    mesh.done(&bob(), set("alias.bob.demo.hypermesh", vec![RecordData::Cname(name("bob.demo.hypermesh"))]));
    let reverse = "1.8.b.d.0.1.0.0.2.ip6.arpa";
    mesh.done(&alice(), register(reverse, &alice()));
    let alice = alice();
    let zone = mesh.genesis.zone.clone();
    let text = || vec![RecordData::Txt(vec!["x".into()])];
    let owner = bob().public();
    let table = [
        (
            register("bob.demo.hypermesh", &alice),
            Refusal::AlreadyRegistered { name: name("bob.demo.hypermesh"), owner },
        ),
        (
            register("a.bob.demo.hypermesh", &alice),
            Refusal::NotOwner { name: name("a.bob.demo.hypermesh"), owner },
        ),
        (
            register("a.free.demo.hypermesh", &alice),
            Refusal::NotRegistered { name: name("a.free.demo.hypermesh") },
        ),
        (
            register("demo.example", &alice),
            Refusal::OutsideZone { name: name("demo.example"), zone: zone.clone() },
        ),
        (
            register("node-1.demo.hypermesh", &alice),
            Refusal::Reserved { name: name("node-1.demo.hypermesh") },
        ),
        (set("bob.demo.hypermesh", text()), Refusal::NotOwner { name: name("bob.demo.hypermesh"), owner }),
        (issue(&["bob.demo.hypermesh"]), Refusal::NotOwner { name: name("bob.demo.hypermesh"), owner }),
        (
            issue(&["given.demo.hypermesh", "2001:db8::99"]),
            Refusal::Address { address: "2001:db8::99".parse().unwrap() },
        ),
        (
            issue(&["given.demo.hypermesh", "spiffe://elsewhere/given"]),
            Refusal::OutsideZone { name: name("elsewhere"), zone: zone.clone() },
        ),
    ];
    for (action, expected) in table {
        let fee = match action {
            Action::IssueCertificate(_) => ISSUE_FEE,
            Action::RegisterName(_) => REGISTER_FEE,
            _ => RECORDS_FEE,
        };
        assert_eq!(refused_for(&mut mesh, &alice, action, fee), expected);
    }
    let aliased = set("alias.bob.demo.hypermesh", text());
    let expected = Refusal::Cname { name: name("alias.bob.demo.hypermesh") };
    assert_eq!(refused_for(&mut mesh, &bob(), aliased, RECORDS_FEE), expected);
    let spiffe = issue(&["given.demo.hypermesh", "spiffe://demo.hypermesh./given"]);
    let expected = Refusal::SpiffeTrustDomain { zone };
    assert_eq!(refused_for(&mut mesh, &alice, spiffe, ISSUE_FEE), expected);
    let unfit = refused_for(&mut mesh, &alice, issue(&[reverse]), ISSUE_FEE);
    assert!(matches!(unfit, Refusal::Unfit { .. }), "{unfit}");
    let short = balance(&mesh, &alice).0;
    let funds = refused_for(&mut mesh, &alice, transfer(&bob(), short), TRANSFER_FEE);
    let left = MicroCaesar(short - TRANSFER_FEE.0);
    assert_eq!(funds, Refusal::Funds { owner: alice.public(), balance: left, needed: MicroCaesar(short) });
}

#[test]
fn what_its_owner_cannot_pay_for_is_in_no_block_and_leaves_no_trace() {
    let mut mesh = Mesh::new();
    let (owner, balance) = (pauper().public(), MicroCaesar::ZERO);
    let funds = mesh.unpaid(&pauper(), transfer(&alice(), 1));
    assert_eq!(funds, Unpaid::Refused(Refusal::Funds { owner, balance, needed: TRANSFER_FEE }));
    let carrier: Member = mesh.state.get(&mesh.validators[0].public()).unwrap();
    assert_eq!(carrier.next_sequence, Sequence(0), "a batch of nothing else is in no block");
    assert_eq!(mesh.state.get::<Account>(&owner), None);
    assert!(!mesh.rows.keys().any(|key| [Receipt::TAG, Due::TAG].contains(&key[0])));

    // A millionth short, and enough.
    let needed = TRANSFER_FEE;
    mesh.done(&alice(), transfer(&pauper(), TRANSFER_FEE.0 - 1));
    let funds = mesh.unpaid(&pauper(), transfer(&alice(), 1));
    let balance = MicroCaesar(TRANSFER_FEE.0 - 1);
    assert_eq!(funds, Unpaid::Refused(Refusal::Funds { owner, balance, needed }));
    mesh.done(&alice(), transfer(&pauper(), 1));
    let refused = mesh.refused(&pauper(), transfer(&alice(), 1));
    let balance = MicroCaesar::ZERO;
    assert_eq!(refused, Refusal::Funds { owner, balance, needed: MicroCaesar(1) }, "it has paid its fee");
}

#[test]
fn an_attestation_is_free_once_in_a_batch_of_its_owners_that_carries_a_ticket() {
    let mut mesh = Mesh::new();
    let carrier = mesh.validators[0].clone();
    let others = mesh.operation(&mesh.member.clone(), Action::Attest(Attest));
    assert_eq!(mesh.carry(vec![others]), [], "another's");
    let [first, second] = [(); 2].map(|()| mesh.operation(&carrier, Action::Attest(Attest)));
    let receipts = mesh.carry(vec![first.clone(), second.clone()]);
    assert_eq!(
        receipts.iter().map(|receipt| receipt.operation).collect::<Vec<_>>(),
        [first.id()],
        "a second"
    );
    assert_eq!(mesh.state.beacon().operations, 0, "what is free is no load");
    assert_eq!(mesh.carry(vec![second]), [], "the ticket stands");
    let batch = mesh.batch(&carrier, vec![mesh.clone().operation(&carrier, Action::Attest(Attest))]);
    let refused = mesh.state.admit(&mesh.checked(batch), mesh.candidate().time, Diligence::StopAtFirst);
    assert!(matches!(refused, Err(Inadmissible::Unpaid { reason: Unpaid::Attestation, .. })), "{refused:?}");
}

#[test]
fn nothing_is_issued_before_the_committee_or_beyond_its_issuing_certificate() {
    let mut mesh = Mesh::new();
    let request = issue(&["given.demo.hypermesh"]);
    assert_eq!(refused_for(&mut mesh, &alice(), request.clone(), ISSUE_FEE), Refusal::NoCommittee);

    let mut mesh = Mesh::active();
    let carrier = mesh.validators[0].clone();
    let at = |mesh: &Mesh, time| {
        let mut mesh = mesh.clone();
        let operation = mesh.operation_until(&alice(), request.clone(), time);
        let batch = mesh.checked(mesh.batch(&carrier, vec![operation]));
        mesh.advance(Candidate { time, batches: vec![batch], ..mesh.candidate() }).remove(0).outcome
    };
    let approved = |outcome| matches!(outcome, Outcome::Done(Effect::CertificateApproved { .. }));
    let issuer = mesh.state.issuer().unwrap();
    // Before the renewal, so that the block in question is the one that finds it due; and with a ticket on chain.
    mesh.pass(ISSUING_MS_LIFETIME / 2);
    mesh.carry_one(&alice(), transfer(&bob(), 1));
    let time = issuer.issuing_validity.not_after.minus(DAY_MS);
    assert!(approved(at(&mesh, time)) && approved(at(&mesh, time.plus(1))), "the next one is made first");
    // The last ends with the root.
    let issuer_ends = issuer.root_validity.not_after;
    mesh.pass(issuer_ends.minus(2 * DAY_MS).since(mesh.state.time()));
    mesh.carry_one(&alice(), transfer(&bob(), 1));
    assert_eq!(mesh.state.issuer().unwrap().issuing_validity.not_after, issuer_ends);
    let time = issuer_ends.minus(DAY_MS);
    assert!(approved(at(&mesh, time)));
    assert_eq!(at(&mesh, time.plus(1)), Outcome::Refused(Refusal::OutlivesIssuer { issuer_ends }));
}

#[test]
fn an_operation_out_of_its_time_costs_nothing_and_leaves_no_trace() {
    let mut mesh = Mesh::new();
    let time = mesh.candidate().time;
    let outcome = |mesh: &Mesh, expires| {
        let mut mesh = mesh.clone();
        let before = balance(&mesh, &alice());
        let operation = mesh.operation_until(&alice(), transfer(&bob(), 1), expires);
        let receipt = mesh.carry_or_leave_out(operation.clone());
        let paid = before.0 - balance(&mesh, &alice()).0;
        let stands = mesh.state.get::<Receipt>(&operation.id()).is_some();
        assert_eq!(receipt.is_ok(), stands, "what pays leaves a receipt, and nothing else does");
        (receipt.map(|receipt| receipt.outcome), paid)
    };
    let done = (Ok(Outcome::Done(Effect::Transferred)), TRANSFER_FEE.0 + 1);
    assert_eq!(outcome(&mesh, time), done);
    assert_eq!(outcome(&mesh, time.plus(OPERATION_MS_LIFE_MAX)), done);
    let expired = Refusal::Expired { expires: time.minus(1), time };
    assert_eq!(outcome(&mesh, time.minus(1)), (Err(Unpaid::Refused(expired)), 0));
    let expires = time.plus(OPERATION_MS_LIFE_MAX + 1);
    let too_late = Refusal::ExpiresTooLate { expires, time };
    assert_eq!(outcome(&mesh, expires), (Err(Unpaid::Refused(too_late)), 0));

    // What came too early may come again.
    let operation = mesh.operation_until(&alice(), transfer(&bob(), 1), expires);
    assert_eq!(mesh.carry(vec![operation.clone()]), []);
    mesh.pass(1000);
    assert_eq!(mesh.carry(vec![operation])[0].outcome, Outcome::Done(Effect::Transferred));
}

#[test]
fn a_repeat_has_no_second_receipt_and_pays_nothing() {
    let mut mesh = Mesh::new();
    let operation = mesh.operation(&alice(), transfer(&bob(), 7));
    let first = mesh.carry(vec![operation.clone()]);
    let after = balance(&mesh, &alice());
    assert_eq!(mesh.carry(vec![operation.clone()]), []);
    assert_eq!(balance(&mesh, &alice()), after);
    assert_eq!(mesh.state.get::<Receipt>(&operation.id()), Some(first[0].clone()));
    let checked = operation.clone().check(&mesh.genesis_hash()).unwrap();
    assert_eq!(mesh.state.rehearse(&checked, mesh.state.time()), Err(Unpaid::Repeated));

    // Through two members in one block.
    let mut mesh = Mesh::new();
    let members = [mesh.validators[0].clone(), mesh.member.clone()];
    let batches = members.map(|member| mesh.checked(mesh.batch(&member, vec![operation.clone()])));
    let receipts = mesh.advance_with_what_pays(Candidate { batches: batches.into(), ..mesh.candidate() });
    assert_eq!(receipts.len(), 1);
    assert_eq!(mesh.blocks.last().unwrap().body.batches.len(), 1);
    assert_eq!(balance(&mesh, &alice()), after);
}

#[test]
fn a_refused_operation_that_paid_is_not_tried_again_and_one_that_did_not_can_come_again() {
    let mut mesh = Mesh::new();
    let operation = mesh.operation(&pauper(), transfer(&bob(), 7));
    assert_eq!(mesh.carry(vec![operation.clone()]), []);
    mesh.done(&alice(), transfer(&pauper(), TRANSFER_FEE.0));
    assert!(matches!(mesh.carry(vec![operation.clone()])[0].outcome, Outcome::Refused(_)));
    mesh.done(&alice(), transfer(&pauper(), MicroCaesar::ONE.0));
    assert_eq!(mesh.carry(vec![operation]), []);
}

#[test]
fn a_receipt_goes_after_its_operation_has_expired_and_that_cannot_come_again() {
    let mut mesh = Mesh::new();
    let expires = mesh.state.time().plus(30_000);
    let operation = mesh.operation_until(&alice(), transfer(&bob(), 7), expires);
    let id = operation.id();
    mesh.carry(vec![operation.clone()]);
    mesh.pass(expires.since(mesh.state.time()));
    assert_eq!(mesh.state.time(), expires);
    assert!(mesh.state.get::<Receipt>(&id).is_some(), "it stands for as long as the operation could come");
    mesh.pass(1);
    assert_eq!(mesh.state.get::<Receipt>(&id), None);
    assert!(!mesh.rows.keys().any(|key| key[0] == Due::TAG), "nothing is left to fall due");
    let again = mesh.carry_or_leave_out(operation);
    assert!(matches!(again, Err(Unpaid::Refused(Refusal::Expired { .. }))), "{again:?}");
}

#[test]
fn a_transfer_to_oneself_costs_its_fee_and_no_more() {
    let mut mesh = Mesh::new();
    let all = FUNDS.0 - TRANSFER_FEE.0;
    mesh.done(&alice(), transfer(&alice(), all));
    assert_eq!(balance(&mesh, &alice()).0, all);
    assert!(matches!(mesh.refused(&alice(), transfer(&alice(), all)), Refusal::Funds { .. }));
}

#[test]
fn all_but_the_fee_can_be_moved_and_not_one_more() {
    let mut mesh = Mesh::new();
    let all = FUNDS.0 - TRANSFER_FEE.0;
    let mut greedy = mesh.clone();
    assert!(matches!(greedy.refused(&alice(), transfer(&bob(), all + 1)), Refusal::Funds { .. }));
    mesh.done(&alice(), transfer(&bob(), all));
    assert_eq!(balance(&mesh, &alice()), MicroCaesar::ZERO);
    assert_eq!(balance(&mesh, &bob()).0, FUNDS.0 + all);
}

#[test]
fn a_members_attestation_is_free() {
    let mut mesh = Mesh::new();
    let member = mesh.member.clone();
    let attestation = mesh.operation(&member, Action::Attest(Attest));
    let receipt = mesh.carry_by(&member, vec![attestation]).remove(0);
    assert_eq!((receipt.fee, receipt.outcome), (MicroCaesar::ZERO, Outcome::Done(Effect::Attested)));
    assert_eq!(balance(&mesh, &member), MicroCaesar::ZERO);
}

#[test]
fn each_fault_of_a_malformed_operation_is_named() {
    let mut mesh = Mesh::new();
    let genesis = mesh.genesis_hash();
    let mut fault = |action| mesh.operation(&alice(), action).check(&genesis).err();
    let Action::IssueCertificate(good) = issue(&["given.demo.hypermesh"]) else { unreachable!() };
    let issue_with = |change: &dyn Fn(&mut IssueCertificate)| {
        let mut issue = good.clone();
        change(&mut issue);
        Action::IssueCertificate(issue)
    };
    assert_eq!(fault(issue_with(&|_| ())), None);
    for (seconds, right) in [
        (LEAF_SECONDS_MIN - 1, false),
        (LEAF_SECONDS_MIN, true),
        (LEAF_SECONDS_MAX, true),
        (LEAF_SECONDS_MAX + 1, false),
    ] {
        let found = fault(issue_with(&|issue| issue.lifetime_seconds = seconds));
        assert_eq!(found, (!right).then_some(OperationFault::Lifetime { seconds }));
    }
    let ports = |count: u16| (1..=count).map(|port| ServicePort { port, protocol: Protocol::Udp });
    assert_eq!(fault(issue_with(&|issue| issue.services = ports(16).collect())), None);
    assert_eq!(
        fault(issue_with(&|issue| issue.services = ports(17).collect())),
        Some(OperationFault::Services)
    );
    let descending = fault(issue_with(&|issue| issue.services = ports(2).rev().collect()));
    assert_eq!(descending, Some(OperationFault::Services));
    assert_eq!(fault(issue_with(&|issue| issue.services = vec![HTTPS; 2])), Some(OperationFault::Services));
    let names: Vec<_> = (0..5).map(|number| alloc::format!("n{number}.given.demo.hypermesh")).collect();
    let names: Vec<&str> = names.iter().map(alloc::string::String::as_str).collect();
    let four = issue_with(&|issue| {
        issue.csr = csr(&subject(), &names[..4]);
        issue.services = ports(16).collect();
    });
    assert_eq!(fault(four), None, "{TLSA_COUNT_MAX} records are allowed");
    let five = issue_with(&|issue| {
        issue.csr = csr(&subject(), &names);
        issue.services = ports(13).collect();
    });
    assert_eq!(fault(five), Some(OperationFault::TooManyTlsa { records: 65 }));
    let broken = fault(issue_with(&|issue| issue.csr = vec![0x30, 0]));
    assert!(matches!(broken, Some(OperationFault::Request(RequestFault::Malformed { .. }))));

    assert_eq!(fault(transfer(&bob(), 0)), Some(OperationFault::NoAmount));
    let identity = PublicKey({
        let mut point = [0; 32];
        point[0] = 1;
        point
    });
    let key = OperationFault::Key { key: identity };
    let to = Action::Transfer(Transfer { to: identity, amount: MicroCaesar(1) });
    assert_eq!(fault(to), Some(key.clone()));
    let to = Action::RegisterName(RegisterName {
        name: name("a.demo.hypermesh"),
        owner: identity,
        limits: GrantLimits::default(),
    });
    assert_eq!(fault(to), Some(key));
    let Action::SetRecords(mut set) = set("given.demo.hypermesh", vec![RecordData::Ptr(name("a"))]) else {
        unreachable!()
    };
    set.record_type = RecordType::Txt;
    let expected = OperationFault::RecordType { expected: RecordType::Txt };
    assert_eq!(fault(Action::SetRecords(set.clone())), Some(expected));
    set.records.as_mut().unwrap().data.clear();
    assert!(matches!(fault(Action::SetRecords(set)), Some(OperationFault::Records(_))));
}

#[test]
fn nobody_owns_a_name_that_mixes_scripts_and_anybody_may_own_one_that_does_not() {
    let mut mesh = Mesh::new();
    let mesh_hash = mesh.genesis_hash();
    let alike = "xn--pple-43d.demo.hypermesh";
    for action in [
        register(alike, &bob()),
        set(alike, vec![RecordData::Txt(vec!["x".into()])]),
        clear(alike, RecordType::Txt),
    ] {
        let fault = mesh.operation(&alice(), action).check(&mesh_hash).unwrap_err();
        let OperationFault::Internationalised { name: refused, .. } = &fault else { panic!("{fault}") };
        assert_eq!(*refused, name(alike));
        assert!(fault.to_string().contains("mixes scripts, Cyrillic and Latin"), "{fault}");
    }
    let asked = mesh.operation(&alice(), issue(&[alike])).check(&mesh_hash).unwrap_err();
    assert!(asked.to_string().contains("mixes scripts"), "{asked}");
    let own = "xn--bcher-kva.demo.hypermesh";
    for action in [register(own, &bob()), set(own, vec![RecordData::Txt(vec!["x".into()])]), issue(&[own])] {
        assert!(mesh.operation(&alice(), action).check(&mesh_hash).is_ok());
    }
    // A record may point at one that somebody owns elsewhere.
    let pointing = set("given.demo.hypermesh", vec![RecordData::Cname(name("xn--bcher-kva.example"))]);
    assert!(mesh.operation(&alice(), pointing).check(&mesh_hash).is_ok());
    for change in
        [(|genesis: &mut Genesis| genesis.zone = name("xn--pple-43d")) as fn(&mut Genesis), |genesis| {
            genesis.names[0].name = name("xn--pple-43d.demo.hypermesh")
        }]
    {
        let mut genesis = genesis();
        change(&mut genesis);
        assert!(matches!(genesis.check(), Err(GenesisFault::Internationalised { .. })));
    }
}

#[test]
fn an_operation_is_its_owners_and_for_its_mesh() {
    let mut mesh = Mesh::new();
    let genesis = mesh.genesis_hash();
    let good = mesh.operation(&alice(), transfer(&bob(), 5));
    let other = Digest([9; 32]);
    assert_eq!(good.clone().check(&other).err(), Some(OperationFault::OtherMesh { genesis }));
    let forged = OperationFault::Signature { owner: alice().public() };
    let mut changed = good.clone();
    changed.body.nonce += 1;
    assert_eq!(changed.check(&genesis).err(), Some(forged.clone()));
    let mut changed = good.clone();
    changed.signature = good.body.clone().sign(&bob()).signature;
    assert_eq!(changed.check(&genesis).err(), Some(forged));

    // For a key of small order the all-zero signature holds over everything.
    let mut zero = good.clone();
    zero.body.owner = PublicKey([0; 32]);
    zero.signature = Signature([0; 64]);
    assert!(matches!(zero.check(&genesis), Err(OperationFault::Signature { .. })));

    let mut resigned = good.clone();
    resigned.signature = Signature([1; 64]);
    assert_eq!(resigned.id(), good.id(), "the id is of the content alone");
}

#[test]
fn an_operation_holds_its_length_at_the_limit_and_one_past_it() {
    let mut mesh = Mesh::new();
    let genesis = mesh.genesis_hash();
    let Action::IssueCertificate(mut issue) = issue(&["given.demo.hypermesh"]) else { unreachable!() };
    issue.csr.clear();
    let frame = crate::base::encode(&mesh.operation(&alice(), Action::IssueCertificate(issue.clone()))).len();
    let mut fault = |bytes: usize| {
        let issue = IssueCertificate { csr: vec![0; bytes - frame], ..issue.clone() };
        mesh.operation(&alice(), Action::IssueCertificate(issue)).check(&genesis).err().unwrap()
    };
    assert!(matches!(fault(OPERATION_BYTES_MAX), OperationFault::Request(RequestFault::TooLong { .. })));
    let bytes = OPERATION_BYTES_MAX + 1;
    assert_eq!(fault(bytes), OperationFault::TooLong { bytes });
}

#[test]
fn service_ports_are_written_as_people_write_them() {
    assert_eq!("443/tcp".parse(), Ok(HTTPS));
    assert_eq!("443".parse(), Ok(HTTPS));
    assert_eq!("853/udp".parse(), Ok(ServicePort { port: 853, protocol: Protocol::Udp }));
    assert_eq!(ToString::to_string(&HTTPS), "443/tcp");
    for text in ["", "/tcp", "443/sctp", "65536/tcp", "443/tcp/udp", "-1"] {
        assert_eq!(text.parse::<ServicePort>(), Err(InvalidServicePort), "{text:?}");
    }
}

#[derive(Clone, Debug)]
enum Wish {
    Transfer(usize, u64),
    Register(u8),
    Text(u8),
    Announce(u8),
    Withdraw(u8),
    Attest,
}

fn wishes() -> impl Strategy<Value = Vec<(usize, Wish)>> {
    let wish = prop_oneof![
        (0_usize..4, any::<u64>()).prop_map(|(to, amount)| Wish::Transfer(to, amount % (2 * FUNDS.0) + 1)),
        any::<u8>().prop_map(|number| Wish::Register(number % 6)),
        any::<u8>().prop_map(|number| Wish::Text(number % 6)),
        any::<u8>().prop_map(|number| Wish::Announce(number % 6)),
        any::<u8>().prop_map(|number| Wish::Withdraw(number % 6)),
        Just(Wish::Attest),
    ];
    prop::collection::vec((0_usize..4, wish), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_wanted_the_supply_stays_as_genesis_fixed_it(
        blocks in prop::collection::vec((wishes(), 1_u64..20_000), 1..6),
    ) {
        let mut mesh = Mesh::new();
        let people = [alice(), bob(), pauper(), mesh.validators[0].clone()];
        let carrier = mesh.validators[0].clone();
        for (wishes, milliseconds) in blocks {
            mesh.pass(milliseconds);
            mesh.await_ticket_time(&carrier);
            let operations: Vec<_> = wishes.into_iter().map(|(who, wish)| {
                let action = match wish {
                    Wish::Transfer(to, amount) => transfer(&people[to], amount),
                    Wish::Register(number) => register(&alloc::format!("n{number}.demo.hypermesh"), &people[who]),
                    Wish::Text(number) => {
                        let text = vec![RecordData::Txt(vec!["x".into()])];
                        set(&alloc::format!("n{number}.demo.hypermesh"), text)
                    }
                    Wish::Announce(number) => {
                        let at = instance(&alloc::format!("n{number}.demo.hypermesh"), "east");
                        announce(&at, &offer("2001:db8::7"), LEASE_SECONDS_MIN)
                    }
                    Wish::Withdraw(number) => {
                        withdraw(&instance(&alloc::format!("n{number}.demo.hypermesh"), "east"))
                    }
                    Wish::Attest => Action::Attest(Attest),
                };
                mesh.operation(&people[who], action)
            }).collect();
            // That the supply is conserved, every block of `test_util` asserts.
            mesh.carry(operations);
        }
        let log = crate::trustchain::ct::MerkleTree::new();
        let head = mesh.state.head().cloned();
        let restored = State::restore(mesh.genesis.clone(), head, mesh.rows.clone(), log);
        prop_assert_eq!(restored.root(), mesh.state.root(), "what the store holds makes the same root");
    }
}
