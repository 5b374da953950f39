//! Commitments: quotas, incarnations, and what is done about losses.

use super::*;

const PURPOSE: KeyPurpose = KeyPurpose::Issuing;

/// Entropy that is broken.
struct Stuck;

impl Entropy for Stuck {
    fn fill(&mut self, buffer: &mut [u8]) {
        buffer.fill(4);
    }
}

#[test]
fn offers_stop_at_the_quota() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    for purpose in KeyPurpose::ALL {
        let quota = outstanding_count_max(purpose);
        let part = mesh.signers.get_mut(&me).unwrap();
        while let Some(offer) = part.offer(mesh.coordinator, purpose, &mut mesh.entropy) {
            assert!(offer.commitments.len() <= OFFER_COMMITMENT_COUNT_MAX);
            mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
        }
        assert_eq!(part.outstanding_count(&mesh.coordinator, purpose), quota);
        assert_eq!(mesh.pool.held_count(&me, purpose), quota);
    }
    let session = mesh.begin(b"one", &mesh.validators());
    assert!(session.signers().any(|signer| *signer == me));
    assert!(mesh.share(&me, session.request(), b"one").is_ok());
    let part = mesh.signers.get_mut(&me).unwrap();
    let offer = part.offer(mesh.coordinator, PURPOSE, &mut mesh.entropy).unwrap();
    assert_eq!(offer.commitments.len(), 1, "an offer tops up what was spent");
}

#[test]
fn an_offer_holds_no_more_than_was_asked_for() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let part = mesh.signers.get_mut(&me).unwrap();
    let before = part.outstanding_count(&mesh.coordinator, PURPOSE);
    let offer = part.offer_some(mesh.coordinator, PURPOSE, 3, &mut mesh.entropy).unwrap();
    assert_eq!(offer.commitments.len(), 3);
    assert_eq!(part.offer_some(mesh.coordinator, PURPOSE, 0, &mut mesh.entropy), None);
    assert_eq!(part.outstanding_count(&mesh.coordinator, PURPOSE), before + 3);
}

#[test]
fn a_pool_holds_the_quota_and_one_past_it_drops_the_oldest() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let root = KeyPurpose::Root;
    let part = mesh.signers.get_mut(&me).unwrap();
    let mut offer = part.offer(mesh.coordinator, root, &mut mesh.entropy).unwrap();
    let (first, last) = (offer.commitments[0], *offer.commitments.last().unwrap());
    assert_eq!(offer.commitments.len(), outstanding_count_max(root));
    mesh.pool.accept_offer(&mesh.committee, me, offer.clone()).unwrap();
    let refused = mesh.pool.accept_offer(&mesh.committee, me, offer.clone());
    assert_eq!(refused, Err(OfferFault::Repeated { from: me }));
    assert_eq!(mesh.pool.next(&me, root).unwrap().1, first);
    offer.commitments = alloc::vec![Commitment { id: NonceId(last.id.0 + 1), ..last }];
    mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
    assert_eq!(mesh.pool.held_count(&me, root), outstanding_count_max(root));
    assert_eq!(mesh.pool.next(&me, root).unwrap().1.id, NonceId(first.id.0 + 1));
}

#[test]
fn a_signer_that_forgot_what_it_offered_is_not_asked_for_it_for_long() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let root = KeyPurpose::Root;
    let part = mesh.signers.get_mut(&me).unwrap();
    let void = part.offer(mesh.coordinator, root, &mut mesh.entropy).unwrap();
    mesh.pool.accept_offer(&mesh.committee, me, void).unwrap();
    // Asked again, it forgets; the word of that is lost, the offer that follows is not.
    part.forget(&mesh.coordinator);
    let good = part.offer(mesh.coordinator, root, &mut mesh.entropy).unwrap();
    mesh.pool.accept_offer(&mesh.committee, me, good.clone()).unwrap();
    assert_eq!(mesh.pool.next(&me, root).unwrap().1, good.commitments[0]);
}

#[test]
fn offers_hold_their_limits_at_them_and_one_past_them() {
    let mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let offer = |count: u64| {
        let one = |id| Commitment { id: NonceId(id), points: [0; Commitment::POINT_BYTES] };
        CommitmentOffer {
            purpose: PURPOSE,
            incarnation: SignerIncarnation([1; 16]),
            oldest: NonceId(0),
            commitments: (0..count).map(one).collect(),
        }
    };
    let mut pool = CommitmentPool::new();
    let mut accept = |from, count| pool.accept_offer(&mesh.committee, from, offer(count));
    assert_eq!(accept(me, 0), Err(OfferFault::Count { from: me, count: 0 }));
    assert_eq!(accept(me, 65), Err(OfferFault::Count { from: me, count: 65 }));
    assert_eq!(accept(me, 64), Ok(()));
    let stranger = PublicKey([1; 32]);
    assert_eq!(accept(stranger, 1), Err(OfferFault::NotASigner { from: stranger }));
    assert_eq!(crate::base::encode(&offer(64)).len(), CommitmentOffer::BYTES_MAX);
}

#[test]
fn a_restarted_signer_voids_the_stock_that_is_held_of_it() {
    let mut mesh = Mesh::new(4);
    mesh.stock(KeyPurpose::Log);
    let me = mesh.validators()[0];
    let before = mesh.begin(b"one", &mesh.validators());
    let (_, shares) = generated(4);
    let committee = Arc::clone(&mesh.committee);
    let restarted = Signer::new(me, committee, &shares[&me], &mut mesh.entropy).unwrap();
    assert_ne!(restarted.incarnation(), mesh.signers[&me].incarnation());
    mesh.signers.insert(me, restarted);
    assert_eq!(mesh.share(&me, before.request(), b"one"), Err(SignRefusal::UnknownNonce));

    let part = mesh.signers.get_mut(&me).unwrap();
    let offer = part.offer(mesh.coordinator, PURPOSE, &mut mesh.entropy).unwrap();
    assert_eq!(mesh.pool.held_count(&me, PURPOSE), 63);
    mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
    assert_eq!(mesh.pool.held_count(&me, PURPOSE), 64);
    assert_eq!(mesh.pool.held_count(&me, KeyPurpose::Log), 0, "for every purpose");
    let mut session = mesh.begin(b"one", &mesh.validators());
    assert!(mesh.answer(&mut session, b"one", &[]).is_some());
}

#[test]
fn a_new_connection_starts_the_quota_anew() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let part = mesh.signers.get_mut(&me).unwrap();
    while part.offer(mesh.coordinator, PURPOSE, &mut mesh.entropy).is_some() {}
    part.forget(&mesh.coordinator);
    mesh.pool.forget(&me);
    assert_eq!(part.outstanding_count(&mesh.coordinator, PURPOSE), 0);
    assert_eq!(mesh.pool.held_count(&me, PURPOSE), 0);
    let offer = part.offer(mesh.coordinator, PURPOSE, &mut mesh.entropy).unwrap();
    mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
    let mut session = mesh.begin(b"one", &mesh.validators());
    assert!(mesh.answer(&mut session, b"one", &[]).is_some());
}

#[test]
fn requests_that_are_lost_do_not_use_up_the_quota() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[0];
    for round in 0..40 {
        for _ in 0..31 {
            let _lost = mesh.begin(b"lost", &mesh.validators());
        }
        let session = mesh.begin(b"one", &mesh.validators());
        assert!(mesh.share(&me, session.request(), b"one").is_ok(), "round {round}");
        for validator in mesh.validators() {
            let part = mesh.signers.get_mut(&validator).unwrap();
            // The others answer too, so that they also see how far the coordinator is.
            if validator != me && session.request().commitments.contains_key(&validator) {
                let identity = &mesh.identities[&validator];
                assert!(part.sign(&mesh.coordinator, session.request(), b"one", identity).is_ok());
            }
        }
        mesh.stock(PURPOSE);
        let held = mesh.signers[&me].outstanding_count(&mesh.coordinator, PURPOSE);
        assert!(held <= outstanding_count_max(PURPOSE));
    }
}

#[test]
fn an_offer_drops_the_commitments_whose_nonces_are_destroyed_and_no_others() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let quota = outstanding_count_max(PURPOSE);
    let part = mesh.signers.get_mut(&me).unwrap();
    mesh.pool.forget(&me);
    part.forget(&mesh.coordinator);
    while let Some(offer) = part.offer(mesh.coordinator, PURPOSE, &mut mesh.entropy) {
        mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
    }
    assert_eq!(mesh.pool.held_count(&me, PURPOSE), quota);
    let oldest = mesh.pool.next(&me, PURPOSE).unwrap().1.id;
    // Of another purpose, nothing is touched.
    let root = part.offer_some(mesh.coordinator, KeyPurpose::Root, 2, &mut mesh.entropy).unwrap();
    mesh.pool.accept_offer(&mesh.committee, me, root).unwrap();
    part.make_room(&mesh.coordinator, PURPOSE, 3);
    assert_eq!(part.outstanding_count(&mesh.coordinator, PURPOSE), quota - 3);
    let offer = part.offer_some(mesh.coordinator, PURPOSE, 3, &mut mesh.entropy).unwrap();
    assert_eq!(offer.oldest, NonceId(oldest.0 + 3));
    mesh.pool.accept_offer(&mesh.committee, me, offer).unwrap();
    assert_eq!(mesh.pool.next(&me, PURPOSE).unwrap().1.id, NonceId(oldest.0 + 3));
    assert_eq!(mesh.pool.held_count(&me, PURPOSE), quota);
    assert_eq!(mesh.pool.held_count(&me, KeyPurpose::Root), 2);
}

#[test]
fn a_commitment_that_is_no_point_is_passed_over() {
    let mut mesh = Mesh::new(4);
    let liar = mesh.validators()[0];
    mesh.pool.forget(&liar);
    let commitments = alloc::vec![Commitment { id: NonceId(0), points: NO_COMMITMENT }];
    let incarnation = SignerIncarnation([9; 16]);
    let offer = CommitmentOffer { purpose: PURPOSE, incarnation, oldest: NonceId(0), commitments };
    mesh.pool.accept_offer(&mesh.committee, liar, offer).unwrap();
    let mut session = mesh.begin(b"one", &mesh.validators());
    assert!(!session.signers().any(|signer| *signer == liar));
    assert_eq!(mesh.pool.held_count(&liar, PURPOSE), 0);
    assert!(mesh.answer(&mut session, b"one", &[]).is_some());
}

#[test]
fn coordinators_hold_their_limit_at_it_and_one_past_it() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let part = mesh.signers.get_mut(&me).unwrap();
    part.forget(&mesh.coordinator);
    let coordinator = |number: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(number as u64).to_le_bytes());
        PublicKey(key)
    };
    for number in 0..COORDINATOR_COUNT_MAX {
        assert!(part.offer(coordinator(number), KeyPurpose::Root, &mut mesh.entropy).is_some());
    }
    let one_more = coordinator(COORDINATOR_COUNT_MAX);
    assert!(part.offer(one_more, KeyPurpose::Root, &mut mesh.entropy).is_none());
    part.forget(&coordinator(0));
    assert!(part.offer(one_more, KeyPurpose::Root, &mut mesh.entropy).is_some());
}

#[test]
#[should_panic(expected = "was used before")]
fn entropy_that_repeats_itself_makes_no_second_nonce() {
    let mut mesh = Mesh::new(4);
    let me = mesh.validators()[1];
    let part = mesh.signers.get_mut(&me).unwrap();
    drop(part.offer(mesh.coordinator, KeyPurpose::Root, &mut Stuck));
}
