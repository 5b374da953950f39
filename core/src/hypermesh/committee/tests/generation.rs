//! Key generation: what an honest one gives, and whom a faulty one names.

use super::*;
use crate::base::{decode, encode};
use proptest::prelude::*;

fn accused(fault: GenerationFault) -> BTreeMap<PublicKey, Accusation> {
    match fault {
        GenerationFault::Accused { accusations } => accusations,
        other => panic!("nobody was accused: {other}"),
    }
}

fn one(
    culprit: PublicKey,
    purpose: Option<KeyPurpose>,
    reason: GenerationFaultReason,
) -> BTreeMap<PublicKey, Accusation> {
    BTreeMap::from([(culprit, Accusation { purpose, reason })])
}

/// What validator 0 says to round 1 with the package of validator 1 changed.
fn changed(change: impl FnOnce(&mut Round1)) -> (PublicKey, GenerationFault) {
    let session = session(4, 1);
    let culprit = session.validators[1];
    let mut generation = Generation::begin(&session, 1);
    change(generation.round1.get_mut(&culprit).unwrap());
    let part = generation.parts.get_mut(&session.validators[0]).unwrap();
    let fault = part.receive_round1(&generation.round1).unwrap_err();
    assert_eq!(part.receive_round1(&generation.round1).unwrap_err(), GenerationFault::OutOfOrder);
    assert_eq!(derive_keys(&session, &generation.round1).unwrap_err(), fault);
    (culprit, fault)
}

/// What validator 0 says to the round-2 package of validator 1 after a change to what it holds.
fn changed_share(change: impl FnOnce(&mut Round2, &Round2)) -> (PublicKey, GenerationFault) {
    let session = session(4, 1);
    let (me, culprit) = (session.validators[0], session.validators[1]);
    let mut generation = Generation::begin(&session, 1);
    let mut inboxes = generation.deal();
    let for_another = inboxes[&session.validators[2]][&culprit].clone();
    let mut package = inboxes.get_mut(&me).unwrap().remove(&culprit).unwrap();
    change(&mut package, &for_another);
    let part = generation.parts.get_mut(&me).unwrap();
    (culprit, part.receive_round2(culprit, package).unwrap_err())
}

#[test]
fn everyone_ends_with_the_same_keys_and_so_does_whoever_reads_the_chain() {
    for count in [4, 7] {
        let generation = Generation::begin(&session(count, 1), 1);
        let derived = derive_keys(&session(count, 1), &generation.round1).unwrap();
        let outcomes = generation.finish();
        assert_eq!(outcomes.len(), count);
        for (validator, outcome) in outcomes {
            assert_eq!(outcome.keys, derived);
            assert_eq!(outcome.shares.committee(), derived.digest());
            let committee = Arc::new(Committee::new(outcome.keys).unwrap());
            assert_eq!(committee.threshold(), threshold(count));
            assert!(Signer::new(validator, committee, &outcome.shares, &mut Seeded::new(1)).is_ok());
        }
        let publics: std::collections::BTreeSet<_> = derived.keys.values().map(|key| key.public).collect();
        assert_eq!(publics.len(), KeyPurpose::ALL.len(), "each purpose has a key of its own");
    }
}

#[test]
fn round_2_may_come_before_round_1() {
    let session = session(4, 1);
    let me = session.validators[0];
    let mut generation = Generation::begin(&session, 1);
    let mut late = generation.parts.remove(&me).unwrap();
    let mut inbox = generation.deal().remove(&me).unwrap();
    let last = inbox.pop_last().unwrap();
    for (sender, package) in &inbox {
        assert!(late.receive_round2(*sender, package.clone()).unwrap().is_none());
        assert!(late.receive_round2(*sender, package.clone()).unwrap().is_none(), "again is no fault");
    }
    assert_eq!(late.missing(), [last.0]);
    assert!(late.receive_round2(last.0, last.1).unwrap().is_none());
    let dealt = late.receive_round1(&generation.round1).unwrap();
    assert_eq!(dealt.packages.len(), 3);
    let keys = dealt.generated.expect("all had come").keys;
    assert_eq!(keys, derive_keys(&session, &generation.round1).unwrap());
}

#[test]
fn a_package_that_is_missing_names_who_did_not_send_it() {
    let session = session(4, 1);
    let mut generation = Generation::begin(&session, 1);
    for absent in &session.validators[2..] {
        generation.round1.remove(absent);
    }
    let part = generation.parts.get_mut(&session.validators[0]).unwrap();
    let accusations = accused(part.receive_round1(&generation.round1).unwrap_err());
    assert!(accusations.keys().eq(&session.validators[2..]));
    assert!(accusations.values().all(|accusation| accusation.reason == GenerationFaultReason::Missing));
}

#[test]
fn a_faulty_round_1_package_names_its_sender() {
    let log = KeyPurpose::Log;
    let (culprit, fault) = changed(|package| drop(package.commitments.remove(&log)));
    assert_eq!(accused(fault), one(culprit, Some(log), GenerationFaultReason::Malformed));

    let coefficients = |package: &mut Round1, change: fn(&mut Vec<[u8; 32]>)| {
        change(&mut package.commitments.get_mut(&KeyPurpose::Log).unwrap().coefficients);
    };
    let mistakes: [fn(&mut Vec<[u8; 32]>); 5] = [
        |points| points.truncate(2),
        |points| points.push(points[0]),
        |points| points[1] = [0xff; 32],
        |points| points[0] = core::array::from_fn(|index| u8::from(index == 0)),
        |points| points[2] = [0; 32],
    ];
    for mistake in mistakes {
        let (culprit, fault) = changed(|package| coefficients(package, mistake));
        assert_eq!(accused(fault), one(culprit, Some(log), GenerationFaultReason::Malformed));
    }
    let (culprit, fault) = changed(|package| coefficients(package, |points| points.swap(0, 1)));
    assert_eq!(accused(fault), one(culprit, Some(log), GenerationFaultReason::InvalidProof));

    let (culprit, fault) = changed(|package| package.commitments.get_mut(&log).unwrap().proof.0[63] ^= 0xff);
    assert_eq!(accused(fault), one(culprit, Some(log), GenerationFaultReason::Malformed));
    let (culprit, fault) = changed(|package| package.commitments.get_mut(&log).unwrap().proof.0[32] ^= 1);
    assert_eq!(accused(fault), one(culprit, Some(log), GenerationFaultReason::InvalidProof));
    let (culprit, fault) = changed(|package| package.session = Digest::ZERO);
    assert_eq!(accused(fault), one(culprit, None, GenerationFaultReason::OtherSession));
}

#[test]
fn a_package_made_for_another_attempt_genesis_purpose_or_sender_is_refused() {
    let other_attempt = Generation::begin(&session(4, 2), 1).round1;
    let other_genesis = GenerationSession { genesis: Digest([9; 32]), ..session(4, 1) };
    let other_genesis = Generation::begin(&other_genesis, 1).round1;
    let same = Generation::begin(&session(4, 1), 2).round1;
    let [culprit, bystander] = [session(4, 1).validators[1], session(4, 1).validators[2]];
    for stolen in [&other_attempt[&culprit], &other_genesis[&culprit], &same[&bystander]] {
        let (_, fault) = changed(|package| package.commitments = stolen.commitments.clone());
        assert_eq!(accused(fault), one(culprit, Some(KeyPurpose::Root), GenerationFaultReason::InvalidProof));
    }
    let (_, fault) = changed(|package| {
        let root = package.commitments[&KeyPurpose::Root].clone();
        package.commitments.insert(KeyPurpose::Zone, root);
    });
    assert_eq!(accused(fault), one(culprit, Some(KeyPurpose::Zone), GenerationFaultReason::InvalidProof));
}

#[test]
fn a_package_that_this_node_did_not_make_ends_its_attempt() {
    let session = session(4, 1);
    let me = session.validators[0];
    let mut generation = Generation::begin(&session, 1);
    generation.round1.insert(me, Generation::begin(&session, 2).round1[&me].clone());
    let part = generation.parts.get_mut(&me).unwrap();
    let fault = part.receive_round1(&generation.round1).unwrap_err();
    assert_eq!(accused(fault), one(me, None, GenerationFaultReason::Contradiction));
}

#[test]
fn a_faulty_round_2_package_names_its_sender() {
    let root = Some(KeyPurpose::Root);
    let (culprit, fault) = changed_share(|package, other| *package = other.clone());
    assert_eq!(
        accused(fault),
        one(culprit, root, GenerationFaultReason::InvalidShare),
        "a share for another receiver"
    );
    let (culprit, fault) =
        changed_share(|package, _| *package = edited(package, |bytes| bytes[32 + 4 + 1] ^= 1));
    assert_eq!(accused(fault), one(culprit, root, GenerationFaultReason::InvalidShare));
    let (culprit, fault) =
        changed_share(|package, _| *package = edited(package, |bytes| bytes[32 + 4 + 32] = 0xff));
    assert_eq!(accused(fault), one(culprit, root, GenerationFaultReason::Malformed), "no scalar");
    let (culprit, fault) = changed_share(|package, _| {
        *package = edited(package, |bytes| {
            bytes.truncate(32 + 4 + 33);
            bytes[32] = 1;
        });
    });
    assert_eq!(
        accused(fault),
        one(culprit, Some(KeyPurpose::Issuing), GenerationFaultReason::Malformed),
        "a key missing"
    );
}

fn edited(package: &Round2, edit: impl FnOnce(&mut Vec<u8>)) -> Round2 {
    let mut bytes = package.to_bytes().to_vec();
    edit(&mut bytes);
    decode(&bytes, Round2::BYTES_MAX).unwrap()
}

#[test]
fn two_different_round_2_packages_name_their_sender() {
    let session = session(4, 1);
    let (me, culprit) = (session.validators[0], session.validators[1]);
    let mut generation = Generation::begin(&session, 1);
    let mut early = Generation::begin(&session, 1).parts.remove(&me).unwrap();
    let inboxes = generation.deal();
    let [good, other] = [me, session.validators[2]].map(|receiver| inboxes[&receiver][&culprit].clone());
    assert!(early.receive_round2(culprit, good).unwrap().is_none());
    let fault = early.receive_round2(culprit, other).unwrap_err();
    assert_eq!(accused(fault), one(culprit, None, GenerationFaultReason::Contradiction));
}

#[test]
fn a_package_that_was_late_from_another_attempt_accuses_nobody() {
    let session = session(4, 1);
    let (me, sender) = (session.validators[0], session.validators[1]);
    let mut before = Generation::begin(&super::session(4, 0), 1);
    let late = before.deal().remove(&me).unwrap().remove(&sender).unwrap();
    let mut generation = Generation::begin(&session, 1);
    let inboxes = generation.deal();
    let part = generation.parts.get_mut(&me).unwrap();
    let fault = part.receive_round2(sender, late).unwrap_err();
    assert_eq!(fault, GenerationFault::OtherSession { from: sender });
    for stranger in [me, PublicKey([1; 32])] {
        let fault = part.receive_round2(stranger, inboxes[&me][&sender].clone()).unwrap_err();
        assert_eq!(fault, GenerationFault::NotAValidator { from: stranger });
    }
    assert!(part.receive_round2(sender, inboxes[&me][&sender].clone()).is_ok(), "the attempt goes on");
}

#[test]
fn a_dealer_with_two_faces_leaves_two_digests() {
    let session = session(4, 1);
    let [victim, dealer] = [session.validators[0], session.validators[3]];
    let mut generation = Generation::begin(&session, 1);
    let mut second = Generation::begin(&session, 2);
    let mut other_face = second.parts.remove(&dealer).unwrap();
    let mut shown = generation.round1.clone();
    shown.insert(dealer, second.round1.remove(&dealer).unwrap());
    let for_victim = other_face.receive_round1(&shown).unwrap().packages.remove(&victim).unwrap();
    let mut deceived = generation.parts.remove(&victim).unwrap();
    assert!(deceived.receive_round1(&shown).unwrap().generated.is_none());
    let mut inbox = generation.deal().remove(&victim).unwrap();
    inbox.insert(dealer, for_victim);
    let outcomes =
        inbox.into_iter().map(|(sender, package)| deceived.receive_round2(sender, package).unwrap());
    let keys = outcomes.flatten().next().expect("no fault is seen").keys;
    assert_ne!(keys.digest(), derive_keys(&session, &generation.round1).unwrap().digest());
}

#[test]
fn sessions_hold_their_limits_at_them_and_one_past_them() {
    let mut validators: Vec<_> = (1..=129).map(|seed| SecretKey::from_seed([seed; 32]).public()).collect();
    validators.sort();
    let begin = |validators: &[PublicKey]| {
        let session = GenerationSession { genesis: GENESIS, attempt: 0, validators: validators.to_vec() };
        session.check()
    };
    assert_eq!(begin(&validators[..1]), Err(InvalidSession::ValidatorCount { count: 1 }));
    assert_eq!(begin(&validators[..2]), Ok(()));
    assert_eq!(begin(&validators[..128]), Ok(()));
    assert_eq!(begin(&validators), Err(InvalidSession::ValidatorCount { count: 129 }));
    assert_eq!(begin(&[validators[1], validators[0]]), Err(InvalidSession::Unsorted));
    assert_eq!(begin(&[validators[0], validators[0]]), Err(InvalidSession::Unsorted));
    let me = PublicKey([1; 32]);
    let outsider = KeyGeneration::begin(session(4, 1), me, &mut Seeded::new(1));
    assert_eq!(outsider.unwrap_err(), InvalidSession::NotAValidator { me });
}

#[test]
fn the_same_entropy_gives_the_same_keys() {
    let run = |seed| Generation::begin(&session(4, 1), seed).finish().pop_first().unwrap().1.keys.digest();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn the_name_of_a_session_is_what_other_versions_make() {
    let session =
        GenerationSession { genesis: GENESIS, attempt: 3, validators: alloc::vec![PublicKey([1; 32])] };
    assert_eq!(
        hex::encode(session.id().0),
        "ca23dce8580667bc086cf3bab8c568c2d817a860df216579c1efb187c8fe114d"
    );
    let other = GenerationSession { attempt: 4, ..session.clone() };
    assert_ne!(other.id(), session.id());
}

#[test]
fn the_smallest_committee_generates_keys() {
    let outcomes = Generation::begin(&session(2, 1), 1).finish();
    assert_eq!(outcomes.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_byte_changed_makes_it_panic_or_ends_in_unusable_keys(at in 0_usize..600, value: u8) {
        let session = session(4, 1);
        let mut generation = Generation::begin(&session, 1);
        let culprit = session.validators[1];
        let mut bytes = encode(&generation.round1[&culprit]);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(package) = decode::<Round1>(&bytes, Round1::BYTES_MAX) {
            generation.round1.insert(culprit, package);
            if let Ok(keys) = derive_keys(&session, &generation.round1) {
                prop_assert!(Committee::new(keys).is_ok());
            }
        }
    }
}
