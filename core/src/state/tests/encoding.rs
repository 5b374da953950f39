//! Encodings that other versions must reproduce, pinned, and bytes from outside, which never panic.

use super::test_util::*;
use crate::base::{
    Digest, Domain, Height, LeafIndex, MicroCaesar, PublicKey, SecretKey, Sequence, UnixMillis, decode,
    encode,
};
use crate::caesar::{
    BlockMovements, HistoryHead, Holder, JournalHead, LedgerAccount, Movement, MovementReason,
};
use crate::hypermesh::ordering::{Evidence, Round, Vote, VoteKind};
use crate::state::certificates::compromise::KeyUse;
use crate::state::names::grant::CertifiedNameRow;
use crate::state::*;
use crate::trust::{CertificateProof, TrustBundle};
use crate::trustchain::ca::{RevocationReason, SerialNumber, SubjectNames};
use crate::trustchain::dns::{RecordData, RecordSet, RecordType};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt::Write as _;
use proptest::prelude::*;

const GOLDEN: Domain = Domain::new("hypermesh v1 test");

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed([seed; 32]).public()
}

fn body(action: Action) -> OperationBody {
    OperationBody {
        genesis: Digest([7; 32]),
        owner: key(1),
        nonce: 3,
        expires: BEGIN,
        fee_max: MicroCaesar(4),
        action,
    }
}

pub(crate) fn actions() -> Vec<(&'static str, Action)> {
    let issue = IssueCertificate {
        csr: vec![0x30, 0x03, 1, 2, 3],
        profile: CertificateProfile::Endpoint,
        lifetime_seconds: 3600,
        services: vec![HTTPS, ServicePort { port: 853, protocol: Protocol::Udp }],
    };
    vec![
        ("attest", Action::Attest(Attest)),
        ("issue", Action::IssueCertificate(issue)),
        ("register", register("a.demo.hypermesh", &bob())),
        ("set records", set("a.demo.hypermesh", vec![RecordData::Txt(vec!["x".into()])])),
        ("remove records", clear("a.demo.hypermesh", RecordType::Txt)),
        ("transfer", transfer(&bob(), 9)),
        ("renew", Action::RenewName(RenewName { name: name("a.demo.hypermesh") })),
        ("reclaim", reclaim_from("a.demo.hypermesh")),
        ("grant", grant("b.a.demo.hypermesh", &bob(), LIMITS)),
        ("bond", Action::Bond(Bond { amount: MicroCaesar(9) })),
        ("unbond", Action::Unbond(Unbond { amount: MicroCaesar(9) })),
        ("announce", announce(&instance("a.demo.hypermesh", "east"), &full_offer(), 60)),
        ("withdraw", withdraw(&instance("a.demo.hypermesh", "east"))),
        ("revoke", revoke(SerialNumber::from_operation(&Digest([2; 32])), RevocationReason::Superseded)),
    ]
}

const LIMITS: GrantLimits = GrantLimits { until: Some(BEGIN), may_grant: false };

fn certified(text: &str) -> CertifiedName {
    CertifiedName { name: name(text), serial: SerialNumber::from_operation(&Digest([2; 32])) }
}

fn reclaim_from(text: &str) -> Action {
    Action::ReclaimName(ReclaimName { name: name(text), start: Some(certified(text)) })
}

/// An offer with something in each of its fields.
fn full_offer() -> Offer {
    let health = InstanceHealth::Warning;
    let tags = vec!["canary".to_string(), "zone=2".to_string()];
    Offer { priority: 2, weight: 3, health, tags, ..offer("2001:db8::7") }
}

fn header() -> Header {
    let digest = |byte| Digest([byte; 32]);
    Header {
        version: BLOCK_VERSION,
        genesis: digest(1),
        height: Height(2),
        parent: digest(3),
        time: BEGIN,
        proposer: key(4),
        body_root: digest(5),
        state_root: digest(6),
        log_size: 7,
        log_root: digest(8),
        validators_hash: digest(9),
        beacon: digest(10),
        parent_commit: digest(11),
    }
}

fn receipt(outcome: Outcome) -> Receipt {
    let operation = OperationId(Digest([1; 32]));
    Receipt { operation, owner: key(1), height: Height(5), time: BEGIN, fee: MicroCaesar(10), outcome }
}

fn refusals() -> Vec<Refusal> {
    let at = || name("a.demo.hypermesh");
    let zone = || name("demo.hypermesh");
    let owner = key(2);
    let serial = SerialNumber::from_operation(&Digest([2; 32]));
    vec![
        Refusal::Expired { expires: BEGIN, time: BEGIN.plus(1) },
        Refusal::ExpiresTooLate { expires: BEGIN, time: BEGIN.plus(1) },
        Refusal::Funds { owner, balance: MicroCaesar(1), needed: MicroCaesar(2) },
        Refusal::FeeMax { asked: MicroCaesar(2), fee_max: MicroCaesar(1) },
        Refusal::NotOwner { name: at(), owner },
        Refusal::NotRegistered { name: at() },
        Refusal::AlreadyRegistered { name: at(), owner },
        Refusal::OutsideZone { name: at(), zone: zone() },
        Refusal::Cname { name: at() },
        Refusal::Reserved { name: at() },
        Refusal::Unlimited { name: at() },
        Refusal::GrantTooShort { name: at(), until: BEGIN, least: Some(BEGIN.plus(1)) },
        Refusal::OutlivesGrant { name: at(), until: BEGIN },
        Refusal::MayNotGrant { name: at() },
        Refusal::NotGranted { name: at() },
        Refusal::NotGranter { name: at(), owner },
        Refusal::SpiffeTrustDomain { zone: zone() },
        Refusal::Address { address: "2001:db8::1".parse().unwrap() },
        Refusal::NoCommittee,
        Refusal::OutlivesIssuer { issuer_ends: BEGIN },
        Refusal::Unfit { reason: "why".to_string() },
        Refusal::NotMember { owner },
        Refusal::NoCertificate { serial },
        Refusal::NotCertificateOwner { serial, owner },
        Refusal::KeyOfAnother { serial, owner },
        Refusal::Compromised { key: Digest([6; 32]), since: BEGIN },
        Refusal::CertificateExpired { serial, not_after: BEGIN },
        Refusal::RevocationListFull { entries: 3 },
        Refusal::Lapsed { name: at(), freed: BEGIN },
        Refusal::NoRent { name: at() },
        Refusal::PaidAhead { name: at(), expires: BEGIN },
        Refusal::Stake { owner, stake: MicroCaesar(1), least: MicroCaesar(2) },
        Refusal::UnbondingFull { count: 16 },
        Refusal::SetByHand { name: at(), record_type: RecordType::Srv },
        Refusal::ServiceFull { service: at() },
        Refusal::NoInstance { name: at() },
        Refusal::AliasLoop { name: at(), target: zone() },
        Refusal::AliasChain { name: at() },
        Refusal::TargetIsAlias { name: at(), target: zone() },
        Refusal::PointedAt { name: at(), by: zone(), record_type: RecordType::Mx },
    ]
}

const HEAD: HistoryHead = HistoryHead { count: 3, last: Height(4), digest: Digest([5; 32]) };

/// What moved in a block, with every place and reason in it.
fn movements() -> BlockMovements {
    let reasons = [
        (MovementReason::Genesis, LedgerAccount::Genesis, LedgerAccount::Reserve),
        (MovementReason::Transfer, LedgerAccount::Account(key(1)), LedgerAccount::Account(key(2))),
        (MovementReason::Fee, LedgerAccount::Account(key(1)), LedgerAccount::Reserve),
        (MovementReason::Reward, LedgerAccount::Reserve, LedgerAccount::Account(key(1))),
        (MovementReason::Bond, LedgerAccount::Account(key(1)), LedgerAccount::Stake(key(1))),
        (MovementReason::Unbond, LedgerAccount::Stake(key(1)), LedgerAccount::Unbonding(key(1))),
        (MovementReason::Release, LedgerAccount::Unbonding(key(1)), LedgerAccount::Account(key(1))),
        (MovementReason::Slash, LedgerAccount::Stake(key(1)), LedgerAccount::Reserve),
        (MovementReason::Rent, LedgerAccount::Account(key(1)), LedgerAccount::Reserve),
    ];
    let movement = |(reason, source, target)| Movement {
        source,
        target,
        amount: MicroCaesar(7),
        reason,
        operation: (reason == MovementReason::Fee).then_some(Digest([8; 32])),
    };
    BlockMovements {
        time: BEGIN,
        movements: reasons.map(movement).into(),
        before: BTreeMap::from([(Holder::Owner(key(1)), HEAD), (Holder::Reserve, HEAD)]),
        journal: JournalHead { count: 3, last: Height(4), digest: Digest([6; 32]) },
    }
}

const REVOCATION: Revocation = Revocation { at: BEGIN, reason: RevocationReason::KeyCompromise, list: 4 };

fn row<R: Row>(found: &mut Vec<(String, Digest)>, kind: &str, row_key: &R::Key, row: &R) {
    let key = [&[R::TAG][..], &R::key_bytes(row_key)].concat();
    found.push((alloc::format!("row {kind}"), GOLDEN.hash(&[&key, &encode(row)])));
}

fn rows(found: &mut Vec<(String, Digest)>) {
    let (digest, serial) = (Digest([1; 32]), SerialNumber::from_operation(&Digest([2; 32])));
    let at = name("web.demo.hypermesh");
    row(found, "account", &key(1), &Account { balance: MicroCaesar(5), history: HEAD });
    let repairs = ShareRepairs {
        attempt: 2,
        budgets: BTreeMap::from([(
            key(1),
            RepairBudget { next: 3, left: 4, counted: UnixMillis(6), failures: 7, not_before: UnixMillis(8) },
        )]),
        open: Some(OpenShareRepair {
            validator: key(1),
            number: 2,
            helpers: vec![key(2), key(3), key(4)],
            begun: UnixMillis(5),
            commitments: BTreeMap::new(),
        }),
    };
    row(found, "repairs", &(), &repairs);
    row(found, "attendance", &(), &Attendance { last: BTreeMap::from([(key(1), Height(4))]) });
    let tickets = BTreeMap::from([(3, digest)]);
    let member = Member {
        plot_root: digest,
        stake: MicroCaesar(6),
        next_sequence: Sequence(7),
        tickets,
        missed_audits: 2,
        last_batch: Height(4),
    };
    row(found, "member", &key(1), &member);
    let address = "[2001:db8::1]:4433".parse().unwrap();
    row(found, "validator", &key(1), &Validator { name: "node-1".to_string(), address, reveal: digest });
    let registration = OperationId(Digest([3; 32]));
    let grant = Some(Grant { under: OperationId(Digest([4; 32])), limits: LIMITS });
    let (owner, since, expires) = (key(1), Height(8), Some(BEGIN));
    row(found, "name", &at, &NameOwner { owner, since, expires, registration, grant });
    row(found, "name count", &at, &NameCount { sets: 3 });
    let amount = MicroCaesar;
    let totals = Totals {
        accounts: amount(1),
        stakes: amount(2),
        unbonding: amount(3),
        account_count: 4,
        name_count: 5,
        certificate_count: 6,
        instance_count: 7,
    };
    row(found, "totals", &(), &totals);
    let due = Due::NameFreed(at.clone());
    row(found, "due name freed", &(BEGIN, due.clone()), &due);
    let due = Due::NameLapsed(at.clone());
    row(found, "due name lapsed", &(BEGIN, due.clone()), &due);
    row(found, "zone change", &at, &ZoneChange { height: Height(8) });
    let east = instance("web.demo.hypermesh", "east");
    let announced = Instance {
        name: east.clone(),
        owner: key(1),
        offer: full_offer(),
        since: Height(8),
        lease_seconds: 60,
        expires: BEGIN,
    };
    row(found, "instance", &east, &announced);
    let at_host = Offer { location: Location::Host(at.clone()), ..full_offer() };
    row(found, "instance at a host", &east, &Instance { offer: at_host, ..announced });
    let due = Due::Lease(east);
    row(found, "due lease", &(BEGIN, due.clone()), &due);
    row(found, "records", &(at.clone(), RecordType::Aaaa), &aaaa("2001:db8::1"));
    let certificate = Certificate {
        owner: key(1),
        operation: OperationId(digest),
        names: SubjectNames::new(vec![at.clone()], vec![], None).unwrap(),
        precertificate: digest,
        leaf_index: LeafIndex(9),
        height: Height(8),
        not_before: BEGIN,
        not_after: BEGIN.plus(1),
        tlsa: vec![at.clone()],
        subject_key: digest,
        issued: BEGIN,
        revocation: Some(REVOCATION),
    };
    row(found, "certificate", &serial, &certificate);
    row(found, "compromised key", &digest, &CompromisedKey { since: BEGIN, serial });
    row(found, "bears", &(digest, key(1), serial), &KeyUse { not_after: BEGIN });
    row(found, "receipt", &OperationId(digest), &receipt(Outcome::Done(Effect::Attested)));
    row(
        found,
        "due receipt",
        &(BEGIN, Due::Receipt(OperationId(digest))),
        &Due::Receipt(OperationId(digest)),
    );
    row(found, "due certificate", &(BEGIN, Due::Certificate(serial)), &Due::Certificate(serial));
    let beacon = Beacon {
        index: 4,
        value: digest,
        time: BEGIN,
        previous: Some((Digest::ZERO, BEGIN)),
        reveals: BTreeMap::from([(key(1), digest)]),
        difficulty: 64,
        previous_difficulty: 65,
        operations: 66,
    };
    row(found, "beacon", &(), &beacon);
    row(found, "reserve", &(), &Reserve { balance: MicroCaesar(5), history: HEAD });
    let releases = vec![Release { time: BEGIN, amount: MicroCaesar(5) }];
    row(found, "unbonding", &key(1), &Unbonding { balance: MicroCaesar(5), releases });
    let offences = Offences {
        count: 2,
        slashed: MicroCaesar(5),
        through: Some(Height(4)),
        shares: BTreeSet::from([digest]),
    };
    row(found, "offences", &key(1), &offences);
    row(found, "fee rate", &(), &FeeRate { thousandths: 1_125 });
    row(found, "horizon", &(), &EvidenceHorizon { marks: vec![(BEGIN, Height(4))] });
    row(found, "journal", &(), &JournalHead { count: 3, last: Height(4), digest });
    row(found, "earnings", &(), &Earnings { paid: BTreeMap::from([(key(1), MicroCaesar(5))]) });
    row(found, "due release", &(BEGIN, Due::Release(key(1))), &Due::Release(key(1)));
    let generation = Generation {
        attempt: 1,
        begun: BEGIN,
        round1: BTreeMap::new(),
        keys: None,
        confirmed: BTreeSet::from([key(1)]),
        aborted: Some((key(2), "why".to_string())),
    };
    row(found, "generation", &(), &generation);
    let mesh = Mesh::active();
    row(found, "committee", &(), &mesh.state.committee().unwrap());
    row(found, "published", &at, &Published { keys: vec![(serial, digest)] });
    let issuing = IssuingCertificate { height: Height(8), time: BEGIN, leaf_index: LeafIndex(9) };
    row(found, "issuing certificate", &2, &issuing);
    let revoked = Revoked { at: BEGIN, reason: RevocationReason::Superseded, not_after: BEGIN.plus(1) };
    row(found, "revoked", &serial, &revoked);
    let (owner, not_after) = (key(1), BEGIN);
    row(found, "certified", &certified("a.demo.hypermesh"), &CertifiedNameRow { owner, not_after });
    let head = RevocationListHead { number: 4, this_update: BEGIN, scheduled: BEGIN, entries: 5 };
    row(found, "revocation list", &(), &head);
    row(found, "due list", &(BEGIN, Due::RevocationList), &Due::RevocationList);
    let grant_ended = Due::GrantEnded { name: name("demo.hypermesh"), after: Some(name("a.demo.hypermesh")) };
    row(found, "due grant", &(BEGIN, grant_ended.clone()), &grant_ended);
    row(found, "due issuing", &(BEGIN, Due::Issuing), &Due::Issuing);
    row(found, "root revocation list", &3, &RootRevocationList { time: BEGIN });
    row(found, "due root list", &(BEGIN, Due::RootRevocationList), &Due::RootRevocationList);
}

fn found() -> Vec<(String, Digest)> {
    let mut found = Vec::new();
    for (kind, action) in actions() {
        found.push((alloc::format!("operation {kind}"), body(action.clone()).id().0));
        found.push((
            alloc::format!("encoded {kind}"),
            GOLDEN.hash_of(&body(action).sign(&SecretKey::from_seed([1; 32]))),
        ));
    }
    found.push(("header".to_string(), header().hash()));
    found.push(("genesis".to_string(), genesis().hash()));
    let ids = (1..=5).map(|byte| OperationId(Digest([byte; 32])));
    found.push(("batch root of five".to_string(), batch_root(ids)));
    let mut mesh = Mesh::new();
    found.push(("first state".to_string(), mesh.state.root()));
    found.push(("first beacon".to_string(), mesh.state.beacon().value));
    let operation = body(transfer(&bob(), 9)).sign(&SecretKey::from_seed([1; 32]));
    let batch = mesh.batch(&mesh.validators[0], vec![operation]);
    found.push(("batch".to_string(), batch.id()));
    let operation = mesh.operation(&alice(), transfer(&bob(), 9));
    mesh.carry(vec![operation]);
    mesh.pass(1000);
    let block = mesh.blocks.last().unwrap();
    found.push(("block".to_string(), GOLDEN.hash(&[&block.to_bytes()])));
    found.push(("block header".to_string(), block.header.hash()));
    let effects = [
        Effect::Attested,
        Effect::CertificateApproved {
            serial: SerialNumber::from_operation(&Digest([2; 32])),
            leaf_index: LeafIndex(9),
            precertificate: Digest([3; 32]),
        },
        Effect::NameRegistered { expires: Some(BEGIN) },
        Effect::NameRenewed { expires: BEGIN },
        Effect::RecordsSet,
        Effect::Transferred,
        Effect::CertificateRevoked {
            serial: SerialNumber::from_operation(&Digest([2; 32])),
            revocation: REVOCATION,
            same_key: SameKey {
                revoked: vec![SerialNumber::from_operation(&Digest([4; 32]))],
                standing: vec![SerialNumber::from_operation(&Digest([5; 32]))],
            },
        },
        Effect::KeyReported {
            serial: SerialNumber::from_operation(&Digest([2; 32])),
            key: Digest([6; 32]),
            same_key: SameKey::default(),
        },
        Effect::Bonded { stake: MicroCaesar(5) },
        Effect::Unbonding { stake: MicroCaesar(5), release: BEGIN },
        Effect::ServiceAnnounced { expires: BEGIN },
        Effect::ServiceWithdrawn,
        Effect::NameReclaimed {
            previous: Some(key(1)),
            revoked: vec![SerialNumber::from_operation(&Digest([4; 32]))],
            rest: Some(certified("a.demo.hypermesh")),
        },
    ];
    let outcomes = effects.into_iter().map(Outcome::Done).chain(refusals().into_iter().map(Outcome::Refused));
    let receipts: Vec<Receipt> = outcomes.map(receipt).collect();
    found.push(("receipts".to_string(), GOLDEN.hash_of(&receipts)));
    found.push(("movements".to_string(), GOLDEN.hash_of(&movements())));
    let histories: Vec<_> = movements().after(Height(5)).into_iter().collect();
    found.push(("histories".to_string(), GOLDEN.hash_of(&histories)));
    let system = SystemOperation::sign(
        Digest([7; 32]),
        SystemAction::Reveal(Digest([8; 32])),
        &SecretKey::from_seed([1; 32]),
    );
    found.push(("system operation".to_string(), GOLDEN.hash_of(&system)));
    let ask =
        RepairAction::Ask { attempt: 2, number: 3, helpers: vec![SecretKey::from_seed([2; 32]).public()] };
    let ask =
        SystemOperation::sign(Digest([7; 32]), SystemAction::Repair(ask), &SecretKey::from_seed([1; 32]));
    found.push(("system operation repair".to_string(), GOLDEN.hash_of(&ask)));
    let vote = |value_id| {
        let (kind, round, validator) = (VoteKind::Prevote, Round(1), key(1));
        let vote = Vote { kind, height: Height(3), round, value_id, validator };
        vote.sign(&Digest([7; 32]), &SecretKey::from_seed([1; 32]))
    };
    let offence = Offence::Equivocation(Evidence::from_votes(vote(None), vote(Some(Digest([2; 32])))));
    let accuse = SystemOperation::sign(
        Digest([7; 32]),
        SystemAction::Accuse(Box::new(offence)),
        &SecretKey::from_seed([2; 32]),
    );
    found.push(("system operation accuse".to_string(), GOLDEN.hash_of(&accuse)));
    let proof =
        ConsensusProof { header: header(), leaf_index: LeafIndex(3), inclusion: vec![Digest([4; 32])] };
    found.push(("consensus proof".to_string(), GOLDEN.hash_of(&proof)));
    rows(&mut found);
    let active = Mesh::active();
    let first = active.entries.first().unwrap();
    found.push(("issuing entry".to_string(), GOLDEN.hash(&[first])));
    found
}

#[test]
fn what_is_hashed_and_stored_is_pinned() {
    let mut text = String::new();
    for (kind, digest) in found() {
        writeln!(text, "{kind}: {digest}").unwrap();
    }
    assert_eq!(text, include_str!("golden.txt"), "found:\n{text}");
}

#[test]
fn no_two_kinds_of_row_share_a_key() {
    let tags = [
        Account::TAG,
        Member::TAG,
        Validator::TAG,
        NameOwner::TAG,
        RecordSet::TAG,
        Certificate::TAG,
        Receipt::TAG,
        Due::TAG,
        Beacon::TAG,
        Reserve::TAG,
        Generation::TAG,
        ActiveCommittee::TAG,
        Published::TAG,
        IssuingCertificate::TAG,
        Revoked::TAG,
        RevocationListHead::TAG,
        RootRevocationList::TAG,
        Attendance::TAG,
        ShareRepairs::TAG,
        Unbonding::TAG,
        Offences::TAG,
        Totals::TAG,
        FeeRate::TAG,
        EvidenceHorizon::TAG,
        JournalHead::TAG,
        Earnings::TAG,
        Instance::TAG,
        NameCount::TAG,
        CompromisedKey::TAG,
        KeyUse::TAG,
        CertifiedNameRow::TAG,
        ZoneChange::TAG,
    ];
    assert_eq!(tags.into_iter().collect::<BTreeSet<_>>().len(), tags.len());
}

#[test]
fn a_receipt_says_what_happened_in_words_that_scripts_read() {
    let text = serde_json::to_string(&receipt(Outcome::Refused(Refusal::NoCommittee))).unwrap();
    assert!(text.contains(r#""outcome":{"refused":"no_committee"}"#), "{text}");
    for refusal in refusals() {
        let text = serde_json::to_string(&receipt(Outcome::Refused(refusal.clone()))).unwrap();
        let again: Receipt = serde_json::from_str(&text).unwrap();
        assert_eq!(again.outcome, Outcome::Refused(refusal.clone()));
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn genesis_goes_to_people_and_back() {
    let text = serde_json::to_string_pretty(&genesis()).unwrap();
    assert_eq!(serde_json::from_str::<Genesis>(&text).unwrap(), genesis());
    let more = text.replacen('{', "{\"surprise\": 1,", 1);
    assert!(serde_json::from_str::<Genesis>(&more).is_err());
}

/// Bytes that are nearly those of a value, or nothing of the kind.
fn hostile(good: &[u8], edits: &[(usize, u8)], cut: usize) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for (position, value) in edits {
        let position = position % bytes.len();
        bytes[position] = *value;
    }
    bytes.truncate(cut % (2 * bytes.len()));
    bytes
}

/// What decodes is what was encoded.
fn decodes<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    let value = decode::<T>(bytes, BLOCK_BYTES_MAX).ok()?;
    assert_eq!(encode(&value), bytes);
    Some(value)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_from_outside_never_panic(
        edits in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4), cut in any::<usize>(),
    ) {
        let mut mesh = Mesh::active();
        let operation = mesh.operation(&alice(), issue(&["given.demo.hypermesh"]));
        let batch = mesh.batch(&mesh.validators[0], vec![operation.clone()]);
        let genesis_hash = mesh.genesis_hash();
        if let Some(operation) = decodes::<Operation>(&hostile(&encode(&operation), &edits, cut)) {
            let _verdict = operation.check(&genesis_hash);
        }
        if let Some(batch) = decodes::<Batch>(&hostile(&encode(&batch), &edits, cut))
            && let Ok(checked) = batch.check(&genesis_hash)
        {
            let _verdict = mesh.state.admit(&checked, mesh.state.time(), crate::hypermesh::proof::Diligence::NameAll);
        }
        let block = mesh.blocks.last().unwrap();
        let bytes = hostile(&block.to_bytes(), &edits, cut);
        prop_assert_eq!(Block::identify(&bytes).is_some(), Block::from_bytes(&bytes).is_some());
        if let Some(genesis) = decodes::<Genesis>(&hostile(&encode(&genesis()), &edits, cut))
            && genesis.check().is_ok()
        {
            let _state = State::genesis(alloc::sync::Arc::new(genesis));
        }
        if let Some(system) = decodes::<SystemOperation>(&hostile(&encode(&mesh.confirmations[0]), &edits, cut)) {
            prop_assert!(!mesh.state.accepts(&system));
        }
        let _bundle = decodes::<TrustBundle>(&hostile(&encode(&mesh.confirmations), &edits, cut));
        let commit = mesh.commit(Height(1)).unwrap();
        let _proof = decodes::<CertificateProof>(&hostile(&encode(&commit), &edits, cut));
    }

    #[test]
    fn junk_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decodes::<Operation>(&bytes);
        decodes::<Batch>(&bytes);
        decodes::<Block>(&bytes);
        decodes::<Genesis>(&bytes);
        decodes::<SystemOperation>(&bytes);
        decodes::<TrustBundle>(&bytes);
        decodes::<CertificateProof>(&bytes);
        decodes::<ConsensusProof>(&bytes);
    }
}

#[test]
fn operations_are_called_as_receipts_and_lists_have_it() {
    let names: Vec<&str> = actions().iter().map(|(_, action)| action.name()).collect();
    let expected = [
        "attest",
        "issue_certificate",
        "register_name",
        "set_records",
        "set_records",
        "transfer",
        "renew_name",
        "reclaim_name",
        "register_name",
        "bond",
        "unbond",
        "announce_service",
        "withdraw_service",
        "revoke_certificate",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_bytes_that_are_paid_for_are_those_of_the_signed_operation() {
    for (what, action) in actions() {
        let body = body(action);
        let bytes = body.signed_bytes();
        assert_eq!(bytes, encode(&body.sign(&SecretKey::from_seed([1; 32]))).len(), "{what}");
    }
}
