//! Signing: by any quorum, by none smaller, and with culprits named.

use super::*;
use proptest::prelude::*;

const MESSAGE: &[u8] = b"the to-be-signed bytes of a certificate";

#[test]
fn any_quorum_signs_under_the_group_key() {
    for count in [4, 7] {
        let mut mesh = Mesh::new(count);
        let mut preference = mesh.validators();
        for _ in 0..count {
            preference.rotate_left(1);
            let mut session = mesh.begin(MESSAGE, &preference);
            assert_eq!(session.signers().count(), threshold(count));
            let signature = mesh.answer(&mut session, MESSAGE, &[]).unwrap();
            assert_eq!(session.signature(), Some(signature));
            assert!(mesh.public().verify_strict(MESSAGE, &signature.signature()).is_ok());
            assert!(mesh.public().verify_strict(b"other", &signature.signature()).is_err());
        }
    }
}

#[test]
fn every_purpose_signs_under_its_own_key() {
    let mut mesh = Mesh::new(4);
    for purpose in KeyPurpose::ALL {
        mesh.stock(purpose);
        let (committee, validators) = (Arc::clone(&mesh.committee), mesh.validators());
        let begun = SigningSession::begin(committee, purpose, MESSAGE.to_vec(), &validators, &mut mesh.pool);
        let signature = mesh.answer(&mut begun.unwrap(), MESSAGE, &[]).unwrap();
        for other in KeyPurpose::ALL {
            let key = mesh.committee.keys().public(other).unwrap();
            assert_eq!(key.verify_strict(MESSAGE, &signature.signature()).is_ok(), other == purpose);
        }
    }
}

#[test]
fn fewer_than_a_quorum_can_neither_begin_nor_finish() {
    let mut mesh = Mesh::new(4);
    let two = &mesh.validators()[..2];
    let (committee, message) = (Arc::clone(&mesh.committee), MESSAGE.to_vec());
    let refused = SigningSession::begin(committee, KeyPurpose::Issuing, message, two, &mut mesh.pool);
    assert_eq!(refused.unwrap_err(), NotEnoughSigners { available: two.to_vec(), threshold: 3 });
    assert_eq!(mesh.pool.held_count(&two[0], KeyPurpose::Issuing), 64, "nothing was spent");

    let mut session = mesh.begin(MESSAGE, &mesh.validators());
    let silent = *session.signers().last().unwrap();
    assert_eq!(mesh.answer(&mut session, MESSAGE, &[silent]), None);
    assert_eq!(session.missing(), [silent].into());

    let fresh = mesh.begin(MESSAGE, &mesh.validators());
    let mut request = fresh.request().clone();
    request.commitments.pop_last();
    let asked = *request.commitments.keys().next().unwrap();
    let refused = mesh.share(&asked, &request, MESSAGE);
    assert_eq!(refused, Err(SignRefusal::SignerCount { count: 2, threshold: 3 }));
}

#[test]
fn a_signer_refuses_bytes_that_it_did_not_derive_and_spends_the_nonce() {
    let mut mesh = Mesh::new(4);
    let session = mesh.begin(b"what a lying coordinator wants", &mesh.validators());
    let signer = *session.signers().next().unwrap();
    let request = session.request().clone();
    assert_eq!(mesh.share(&signer, &request, MESSAGE), Err(SignRefusal::OtherMessage));
    let again = mesh.share(&signer, &request, b"what a lying coordinator wants");
    assert_eq!(again, Err(SignRefusal::UnknownNonce));
}

#[test]
fn a_nonce_serves_once() {
    let mut mesh = Mesh::new(4);
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signer = *session.signers().next().unwrap();
    let mut request = session.request().clone();
    assert!(mesh.share(&signer, &request, MESSAGE).is_ok());
    assert_eq!(mesh.share(&signer, &request, MESSAGE), Err(SignRefusal::UnknownNonce));
    request.message = message_digest(b"another certificate");
    assert_eq!(mesh.share(&signer, &request, b"another certificate"), Err(SignRefusal::UnknownNonce));
}

#[test]
fn a_nonce_serves_only_the_coordinator_it_was_handed_to_and_only_its_purpose() {
    let mut mesh = Mesh::new(4);
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signer = *session.signers().next().unwrap();
    let other = mesh.validators()[3];
    let mut part = mesh.signers.remove(&signer).unwrap();
    let identity = &mesh.identities[&signer];
    assert_eq!(part.sign(&other, session.request(), MESSAGE, identity), Err(SignRefusal::UnknownNonce));
    let mut for_root = session.request().clone();
    for_root.purpose = KeyPurpose::Root;
    let refused = part.sign(&mesh.coordinator, &for_root, MESSAGE, identity);
    assert_eq!(refused, Err(SignRefusal::UnknownNonce));
    assert!(part.sign(&mesh.coordinator, session.request(), MESSAGE, identity).is_ok());
}

#[test]
fn a_signer_refuses_every_request_that_is_not_of_its_committee() {
    let refusal = |change: fn(&mut ShareRequest, PublicKey)| {
        let mut mesh = Mesh::new(4);
        let session = mesh.begin(MESSAGE, &mesh.validators());
        let mut request = session.request().clone();
        let signer = *session.signers().next().unwrap();
        change(&mut request, signer);
        mesh.share(&signer, &request, MESSAGE).unwrap_err()
    };
    assert_eq!(refusal(|request, _| request.committee = Digest::ZERO), SignRefusal::OtherCommittee);
    assert_eq!(refusal(|request, me| request.commitments.retain(|one, _| *one != me)), SignRefusal::NotAsked);
    let other = refusal(|request, me| request.commitments.get_mut(&me).unwrap().points[0] ^= 1);
    assert_eq!(other, SignRefusal::OtherCommitment);
    let other = refusal(|request, me| request.commitments.get_mut(&me).unwrap().id.0 += 1000);
    assert_eq!(other, SignRefusal::UnknownNonce);
    let stranger = PublicKey([0xff; 32]);
    let other = refusal(|request, _| {
        let (_, named) = request.commitments.pop_last().unwrap();
        request.commitments.insert(PublicKey([0xff; 32]), named);
    });
    assert_eq!(other, SignRefusal::MalformedCommitment { signer: stranger });
    let other = refusal(|request, _| request.commitments.values_mut().last().unwrap().points = NO_COMMITMENT);
    assert!(matches!(other, SignRefusal::MalformedCommitment { .. }));

    let mut mesh = Mesh::new(4);
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signer = *session.signers().next().unwrap();
    let thief = mesh.identities[&mesh.validators()[3]].clone();
    let part = mesh.signers.get_mut(&signer).unwrap();
    let refused = part.sign(&mesh.coordinator, session.request(), MESSAGE, &thief);
    assert_eq!(refused, Err(SignRefusal::OtherIdentity));
}

#[test]
fn messages_hold_their_limit_at_it_and_one_past_it() {
    let mut mesh = Mesh::new(4);
    let longest = alloc::vec![7; MESSAGE_BYTES_MAX];
    let mut session = mesh.begin(&longest, &mesh.validators());
    assert!(mesh.answer(&mut session, &longest, &[]).is_some());
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signer = *session.signers().next().unwrap();
    let refused = mesh.share(&signer, session.request(), &alloc::vec![7; MESSAGE_BYTES_MAX + 1]);
    assert_eq!(refused, Err(SignRefusal::MessageTooLong { bytes: MESSAGE_BYTES_MAX + 1 }));
}

#[test]
fn a_bad_share_names_the_culprit_proves_it_and_the_others_sign() {
    for (count, bad) in [(4, 1), (7, 2)] {
        let mut mesh = Mesh::new(count);
        let validators = mesh.validators();
        let culprits = &validators[..bad];
        let mut session = mesh.begin(MESSAGE, &validators);
        for culprit in culprits {
            let share = mesh.bad_share(culprit, &session);
            assert_eq!(session.receive(share), Ok(Progress::Waiting));
        }
        let honest: Vec<_> = session.signers().filter(|signer| !culprits.contains(signer)).copied().collect();
        let mut outcome = Ok(Progress::Waiting);
        for signer in honest {
            let share = mesh.share(&signer, &session.request().clone(), MESSAGE).unwrap();
            outcome = session.receive(share);
        }
        let Err(ShareFault::BadShares { evidence }) = outcome else { panic!("{outcome:?}") };
        let proved: Vec<_> = evidence.iter().map(|one| one.verify(&mesh.committee).unwrap()).collect();
        assert_eq!(proved, culprits);
        assert!(session.culprits().iter().eq(culprits));

        let mut session = session.retry(&validators, &mut mesh.pool).unwrap();
        assert!(!session.signers().any(|signer| culprits.contains(signer)));
        let signature = mesh.answer(&mut session, MESSAGE, &[]).unwrap();
        assert!(mesh.public().verify_strict(MESSAGE, &signature.signature()).is_ok());
    }
}

#[test]
fn a_share_that_is_no_scalar_is_as_bad() {
    let mut mesh = Mesh::new(4);
    let mut session = mesh.begin(MESSAGE, &mesh.validators());
    let culprit = *session.signers().next().unwrap();
    let share = SignedShare::sign(session.session(), [0xff; 32], &mesh.identities[&culprit]);
    assert_eq!(session.receive(share), Ok(Progress::Waiting));
    let honest: Vec<_> = session.signers().skip(1).copied().collect();
    let share = mesh.share(&honest[0], &session.request().clone(), MESSAGE).unwrap();
    assert_eq!(session.receive(share), Ok(Progress::Waiting));
    let share = mesh.share(&honest[1], &session.request().clone(), MESSAGE).unwrap();
    let Err(ShareFault::BadShares { evidence }) = session.receive(share) else { panic!() };
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].verify(&mesh.committee), Ok(culprit));
}

#[test]
fn nobody_honest_can_be_framed() {
    let mut mesh = Mesh::new(4);
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signers: Vec<_> = session.signers().copied().collect();
    let share = mesh.share(&signers[0], session.request(), MESSAGE).unwrap();
    let (request, message) = (session.request().clone(), MESSAGE.to_vec());
    let good = ShareEvidence { request, message, share };
    assert_eq!(good.verify(&mesh.committee), Err(NoEvidence::GoodShare));
    let tried = |change: fn(&mut ShareEvidence)| {
        let mut evidence = good.clone();
        change(&mut evidence);
        evidence.verify(&mesh.committee).unwrap_err()
    };
    assert_eq!(tried(|evidence| evidence.message.push(0)), NoEvidence::Unrelated);
    assert_eq!(tried(|evidence| evidence.request.purpose = KeyPurpose::Log), NoEvidence::Unrelated);
    assert_eq!(tried(|evidence| evidence.request.committee = Digest::ZERO), NoEvidence::Unrelated);
    assert_eq!(tried(|evidence| evidence.share.share[0] ^= 1), NoEvidence::NotSigned);
    assert_eq!(
        tried(|evidence| {
            evidence.request.commitments.values_mut().for_each(|named| named.points = NO_COMMITMENT);
            evidence.share.session = evidence.request.session();
        }),
        NoEvidence::NotSigned
    );
    let other =
        Committee::new(Generation::begin(&super::session(4, 2), 9).finish().pop_first().unwrap().1.keys);
    assert_eq!(good.verify(&other.unwrap()), Err(NoEvidence::Unrelated));
}

#[test]
fn a_signer_whose_own_commitment_was_no_point_is_the_culprit_and_the_others_are_not() {
    let mut mesh = Mesh::new(4);
    let session = mesh.begin(MESSAGE, &mesh.validators());
    let signers: Vec<_> = session.signers().copied().collect();
    let mut request = session.request().clone();
    request.commitments.get_mut(&signers[1]).unwrap().points = NO_COMMITMENT;
    let signed = |signer: &PublicKey| {
        let share = SignedShare::sign(request.session(), [0; 32], &mesh.identities[signer]);
        ShareEvidence { request: request.clone(), message: MESSAGE.to_vec(), share }
    };
    assert_eq!(signed(&signers[1]).verify(&mesh.committee), Ok(signers[1]));
    assert_eq!(signed(&signers[0]).verify(&mesh.committee), Err(NoEvidence::MalformedRequest));
}

#[test]
fn silence_leads_to_others_and_a_late_share_still_counts() {
    let mut mesh = Mesh::new(4);
    let validators = mesh.validators();
    let mut session = mesh.begin(MESSAGE, &validators);
    let silent = validators[0];
    assert_eq!(mesh.answer(&mut session, MESSAGE, &[silent]), None);
    let mut second = session.retry(&validators, &mut mesh.pool).unwrap();
    assert!(!second.signers().any(|signer| *signer == silent));
    assert!(mesh.answer(&mut second, MESSAGE, &[]).is_some());

    let late = mesh.share(&silent, &session.request().clone(), MESSAGE).unwrap();
    let Ok(Progress::Signed(signature)) = session.receive(late) else { panic!() };
    assert!(mesh.public().verify_strict(MESSAGE, &signature.signature()).is_ok());
}

#[test]
fn a_bad_share_is_found_though_another_signer_is_silent() {
    let mut mesh = Mesh::new(7);
    let validators = mesh.validators();
    let [silent, culprit] = [validators[0], validators[1]];
    let mut session = mesh.begin(MESSAGE, &validators);
    let share = mesh.bad_share(&culprit, &session);
    assert_eq!(session.receive(share), Ok(Progress::Waiting));
    assert_eq!(mesh.answer(&mut session, MESSAGE, &[silent, culprit]), None);
    let mut second = session.retry(&validators, &mut mesh.pool).unwrap();
    assert!(second.signers().eq(&validators[2..]));
    assert_eq!(session.evidence().len(), 1);
    assert_eq!(session.evidence()[0].verify(&mesh.committee), Ok(culprit));
    assert!(mesh.answer(&mut second, MESSAGE, &[]).is_some());
    assert_eq!(second.evidence(), []);
}

#[test]
fn the_silent_are_asked_again_when_there_is_nobody_else() {
    let mut mesh = Mesh::new(4);
    let validators = mesh.validators();
    let mut session = mesh.begin(MESSAGE, &validators);
    assert_eq!(session.missing().len(), 3);
    let second = session.retry(&validators, &mut mesh.pool).unwrap();
    assert!(second.signers().any(|signer| *signer == validators[3]));
    assert_eq!(second.signers().count(), 3);
}

#[test]
fn shares_that_do_not_belong_are_refused() {
    let mut mesh = Mesh::new(4);
    let validators = mesh.validators();
    let mut session = mesh.begin(MESSAGE, &validators);
    let other = mesh.begin(MESSAGE, &validators);
    let signer = validators[0];
    let elsewhere = mesh.share(&signer, other.request(), MESSAGE).unwrap();
    assert_eq!(session.receive(elsewhere), Err(ShareFault::OtherSession { signer }));
    let share = mesh.share(&signer, session.request(), MESSAGE).unwrap();
    let mut forged = share.clone();
    forged.share[0] ^= 1;
    assert_eq!(session.receive(forged.clone()), Ok(Progress::Waiting), "nothing depends on it yet");
    assert_eq!(session.receive(forged.clone()), Err(ShareFault::Repeated { signer }));
    assert_eq!(session.receive(share.clone()), Ok(Progress::Waiting), "what is signed takes its place");
    assert_eq!(session.receive(share), Err(ShareFault::Repeated { signer }));
    assert_eq!(session.receive(forged), Err(ShareFault::Repeated { signer }));
    let outsider = validators[3];
    let share = mesh.bad_share(&outsider, &session);
    assert_eq!(session.receive(share), Err(ShareFault::NotAsked { signer: outsider }));
}

#[test]
fn forged_shares_accuse_nobody_and_keep_nobody_out() {
    let mut mesh = Mesh::new(4);
    let mut session = mesh.begin(MESSAGE, &mesh.validators());
    let signers: Vec<_> = session.signers().copied().collect();
    let request = session.request().clone();
    let genuine: Vec<_> =
        signers.iter().map(|signer| mesh.share(signer, &request, MESSAGE).unwrap()).collect();
    let forged = SignedShare { share: [1; 32], ..genuine[0].clone() };
    let forged_again = SignedShare { share: [2; 32], ..genuine[0].clone() };
    let fault = ShareFault::Forged { signers: [signers[0]].into() };
    assert_eq!(session.receive(forged), Ok(Progress::Waiting));
    assert_eq!(session.receive(forged_again), Err(fault.clone()));
    assert_eq!(session.receive(genuine[1].clone()), Ok(Progress::Waiting));
    assert_eq!(session.receive(genuine[2].clone()), Err(fault));
    assert_eq!(session.missing(), [signers[0]].into());
    assert!(session.culprits().is_empty());
    assert!(matches!(session.receive(genuine[0].clone()), Ok(Progress::Signed(_))));
}

/// Signs with a commitment of mixed order, as well as that can be done. Such a signature would satisfy
/// verifiers that multiply by the cofactor (ZIP-215) and no others.
#[test]
fn a_commitment_of_mixed_order_makes_no_signature_and_convicts_its_maker() {
    let mut mesh = Mesh::new(4);
    let liar = mesh.validators()[0];
    let (_, shares) = generated(4);
    let key = shares[&liar].packages(&mesh.committee, &liar).unwrap().remove(&KeyPurpose::Issuing).unwrap();
    let (nonces, clean) = {
        let mut random = crate::base::EntropyRng(&mut mesh.entropy);
        frost_ed25519::round1::commit(key.signing_share(), &mut random)
    };
    let mixed = clean.hiding().value() + curve25519_dalek::constants::EIGHT_TORSION[1];
    let mut points = Commitment::encode_points(&clean);
    points[..32].copy_from_slice(mixed.compress().as_bytes());
    mesh.pool.forget(&liar);
    let (purpose, incarnation) = (KeyPurpose::Issuing, SignerIncarnation([1; 16]));
    let commitments = alloc::vec![Commitment { id: NonceId(0), points }];
    let offer = CommitmentOffer { purpose, incarnation, oldest: NonceId(0), commitments };
    mesh.pool.accept_offer(&mesh.committee, liar, offer).unwrap();

    let mut session = mesh.begin(MESSAGE, &mesh.validators());
    assert!(session.signers().any(|signer| *signer == liar));
    let scalar = best_share(&mesh, session.request(), &nonces, &key);
    let share = SignedShare::sign(session.session(), scalar, &mesh.identities[&liar]);
    assert_eq!(session.receive(share), Ok(Progress::Waiting));
    let honest: Vec<_> = session.signers().filter(|signer| **signer != liar).copied().collect();
    let answers: Vec<_> =
        honest.iter().map(|signer| mesh.share(signer, session.request(), MESSAGE).unwrap()).collect();
    assert_eq!(session.receive(answers[0].clone()), Ok(Progress::Waiting));
    let Err(ShareFault::BadShares { evidence }) = session.receive(answers[1].clone()) else { panic!() };
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].verify(&mesh.committee), Ok(liar));
    for share in answers {
        let (request, message) = (session.request().clone(), MESSAGE.to_vec());
        let framed = ShareEvidence { request, message, share };
        assert_eq!(framed.verify(&mesh.committee), Err(NoEvidence::GoodShare));
    }
}

/// The share that fits the nonces, whatever commitment was shown for them.
pub(super) fn best_share(
    mesh: &Mesh,
    request: &ShareRequest,
    nonces: &frost_ed25519::round1::SigningNonces,
    key: &frost_ed25519::keys::KeyPackage,
) -> [u8; 32] {
    let group = mesh.committee.group(request.purpose);
    let commitments = evidence::decode_commitments(group, request, None).unwrap();
    let package = frost_ed25519::SigningPackage::new(commitments, MESSAGE);
    let factors = frost_core::compute_binding_factor_list(&package, key.verifying_key(), &[]).unwrap();
    let commitment = frost_core::compute_group_commitment(&package, &factors).unwrap().to_element();
    let challenge = frost_core::challenge(&commitment, key.verifying_key(), MESSAGE).unwrap();
    let factor = factors.get(key.identifier()).unwrap().clone();
    let weight = frost_core::derive_interpolating_value(key.identifier(), &package).unwrap();
    let share = frost_core::round2::compute_signature_share(nonces, factor, weight, key, challenge);
    share.serialize().try_into().unwrap()
}

#[test]
fn shares_of_another_validator_or_committee_make_no_signer() {
    let (keys, shares) = generated(4);
    let committee = Arc::new(Committee::new(keys).unwrap());
    let validators = committee.validators();
    let entropy = &mut Seeded::new(1);
    let mut signer = |me: PublicKey, shares: &KeyShares| {
        Signer::new(me, Arc::clone(&committee), shares, entropy).map(|_| ()).unwrap_err()
    };
    let refused = signer(validators[0], &shares[&validators[1]]);
    assert_eq!(refused, InvalidShares::Mismatch { purpose: KeyPurpose::Root });
    let stranger = PublicKey([1; 32]);
    let refused = signer(stranger, &shares[&validators[1]]);
    assert_eq!(refused, InvalidShares::NotAValidator { validator: stranger });
    let (_, others) = generated(7);
    assert_eq!(signer(validators[0], others.values().next().unwrap()), InvalidShares::OtherCommittee);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// f of n cheat or are silent, in any order: a signature comes within f + 1 sessions.
    #[test]
    fn a_signature_comes_whenever_a_quorum_is_honest(
        order in Just((0..7_usize).collect::<Vec<_>>()).prop_shuffle(),
        cheats: [bool; 2],
    ) {
        let mut mesh = Mesh::new(7);
        let validators = mesh.validators();
        let preference: Vec<_> = order.iter().map(|index| validators[*index]).collect();
        let faulty = [validators[0], validators[1]];
        let mut session = mesh.begin(MESSAGE, &preference);
        let mut signature = None;
        for _ in 0..3 {
            let asked: Vec<_> = session.signers().copied().collect();
            for signer in asked {
                let share = match faulty.iter().position(|one| *one == signer) {
                    Some(index) if cheats[index] => mesh.bad_share(&signer, &session),
                    Some(_) => continue,
                    None => mesh.share(&signer, &session.request().clone(), MESSAGE).unwrap(),
                };
                if let Ok(Progress::Signed(done)) = session.receive(share) {
                    signature = Some(done);
                }
            }
            if signature.is_some() {
                break;
            }
            session = session.retry(&preference, &mut mesh.pool).unwrap();
        }
        prop_assert!(signature.is_some());
    }
}
