//! What travels and what is stored: one encoding each, bounded, and no bytes that make decoding panic.

use super::*;
use crate::base::{decode, encode};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt::Debug;
use proptest::prelude::*;

fn returns<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(value: &T, bytes_max: usize) {
    let bytes = encode(value);
    assert!(bytes.len() <= bytes_max, "{} bytes", bytes.len());
    assert_eq!(&decode::<T>(&bytes, bytes_max).unwrap(), value);
}

#[test]
fn what_travels_comes_back_the_same() {
    let mut mesh = Mesh::new(7);
    let session = mesh.begin(b"message", &mesh.validators());
    let signer = mesh.validators()[0];
    let share = mesh.share(&signer, session.request(), b"message").unwrap();
    returns(session.request(), ShareRequest::BYTES_MAX);
    returns(&share, SignedShare::BYTES_MAX);
    let (request, message) = (session.request().clone(), b"message".to_vec());
    returns(&ShareEvidence { request, message, share }, ShareEvidence::BYTES_MAX);
    let part = mesh.signers.get_mut(&signer).unwrap();
    let offer = part.offer(mesh.coordinator, KeyPurpose::Issuing, &mut mesh.entropy).unwrap();
    returns(&offer, CommitmentOffer::BYTES_MAX);
    returns(mesh.committee.keys(), CommitteeKeys::BYTES_MAX);
    let mut generation = Generation::begin(&super::session(4, 1), 1);
    returns(&generation.round1[&super::session(4, 1).validators[0]], Round1::BYTES_MAX);
    let round2 = generation.deal().pop_first().unwrap().1.pop_first().unwrap().1;
    let bytes = round2.to_bytes();
    assert_eq!(bytes.len(), Round2::BYTES_MAX);
    assert_eq!(decode::<Round2>(&bytes, Round2::BYTES_MAX).unwrap().to_bytes(), bytes);
}

#[test]
fn bounds_are_those_of_the_largest_committee() {
    let key = |seed: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(seed as u64).to_le_bytes());
        PublicKey(bytes)
    };
    let shares = (0..VALIDATOR_COUNT_MAX).map(|seed| (key(seed), key(seed))).collect();
    let group = GroupKey { public: key(0), verifying_shares: shares };
    let keys = KeyPurpose::ALL.map(|purpose| (purpose, group.clone())).into();
    let keys = CommitteeKeys { genesis: GENESIS, attempt: 0, threshold: 86, keys };
    assert_eq!(encode(&keys).len(), CommitteeKeys::BYTES_MAX);

    let coefficients = alloc::vec![[0; 32]; threshold(VALIDATOR_COUNT_MAX)];
    let dealt = DealerCommitment { coefficients, proof: Signature([0; 64]) };
    let commitments = KeyPurpose::ALL.map(|purpose| (purpose, dealt.clone())).into();
    assert_eq!(encode(&Round1 { session: GENESIS, commitments }).len(), Round1::BYTES_MAX);

    let named = NamedCommitment {
        incarnation: SignerIncarnation([0; 16]),
        id: NonceId(0),
        points: [0; Commitment::POINT_BYTES],
    };
    let commitments = (0..VALIDATOR_COUNT_MAX).map(|seed| (key(seed), named.clone())).collect();
    let purpose = KeyPurpose::Issuing;
    let request = ShareRequest { committee: GENESIS, purpose, message: GENESIS, commitments };
    assert_eq!(encode(&request).len(), ShareRequest::BYTES_MAX);
    let share =
        SignedShare { session: GENESIS, signer: key(0), share: [0; 32], signature: Signature([0; 64]) };
    assert_eq!(encode(&share).len(), SignedShare::BYTES_MAX);
}

#[test]
fn keys_go_to_people_and_back() {
    let (keys, _) = generated(4);
    let text = serde_json::to_string(&keys).unwrap();
    assert!(text.contains("\"issuing\""));
    assert_eq!(serde_json::from_str::<CommitteeKeys>(&text).unwrap(), keys);
}

#[test]
fn unusable_keys_are_refused() {
    let (good, _) = generated(4);
    let refused = |change: fn(&mut CommitteeKeys)| {
        let mut keys = good.clone();
        change(&mut keys);
        assert_ne!(keys.digest(), good.digest());
        Committee::new(keys).unwrap_err()
    };
    let (log, zone) = (KeyPurpose::Log, KeyPurpose::Zone);
    let missing = refused(|keys| drop(keys.keys.remove(&KeyPurpose::Log)));
    assert_eq!(missing, InvalidKeys::Missing { purpose: log });
    let threshold = refused(|keys| keys.threshold = 2);
    assert_eq!(threshold, InvalidKeys::Threshold { threshold: 2, expected: 3 });
    let others = refused(|keys| {
        keys.keys.get_mut(&KeyPurpose::Zone).unwrap().verifying_shares.pop_first();
    });
    assert_eq!(others, InvalidKeys::OtherValidators { purpose: zone });
    let one = refused(|keys| {
        for key in keys.keys.values_mut() {
            key.verifying_shares = key.verifying_shares.pop_first().into_iter().collect();
        }
    });
    assert_eq!(one, InvalidKeys::ValidatorCount { count: 1 });
    let mut identity = [0; 32];
    identity[0] = 1;
    // The identity, a point of order 4, and no point at all.
    for point in [identity, [0; 32], [0xff; 32]].map(PublicKey) {
        let mut keys = good.clone();
        keys.keys.get_mut(&log).unwrap().public = point;
        assert_eq!(Committee::new(keys).unwrap_err(), InvalidKeys::Point { purpose: log });
        let mut keys = good.clone();
        *keys.keys.get_mut(&zone).unwrap().verifying_shares.values_mut().next().unwrap() = point;
        assert_eq!(Committee::new(keys).unwrap_err(), InvalidKeys::Point { purpose: zone });
    }
}

#[test]
fn shares_survive_the_store_and_print_nothing() {
    let (keys, shares) = generated(4);
    let committee = Arc::new(Committee::new(keys).unwrap());
    for (me, shares) in &shares {
        let bytes = shares.to_bytes();
        assert_eq!(bytes.len(), KeyShares::BYTES_MAX);
        let restored = KeyShares::from_bytes(&bytes).unwrap();
        assert!(Signer::new(*me, Arc::clone(&committee), &restored, &mut Seeded::new(1)).is_ok());
        assert_eq!(KeyShares::from_bytes(&bytes[1..]).unwrap_err(), InvalidShares::Malformed);
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(KeyShares::from_bytes(&longer).unwrap_err(), InvalidShares::Malformed);
        let printed = alloc::format!("{shares:?}");
        assert!(printed.len() < 40 && !printed.contains(&hex::encode(&bytes[37..41])), "{printed}");
    }
}

#[test]
fn the_digest_of_committee_keys_is_what_other_versions_make() {
    let group = GroupKey {
        public: PublicKey([1; 32]),
        verifying_shares: BTreeMap::from([(PublicKey([2; 32]), PublicKey([3; 32]))]),
    };
    let keys = BTreeMap::from([(KeyPurpose::Zone, group)]);
    let keys = CommitteeKeys { genesis: GENESIS, attempt: 4, threshold: 1, keys };
    assert_eq!(
        hex::encode(keys.digest().0),
        "45b729ee806dd2ed8b0ed80a8a11777878e0fd2228468959f26f4bbbd9e63e01"
    );
}

#[test]
fn a_quorum_is_more_than_two_thirds() {
    let expected = [(2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (16, 11), (128, 86)];
    for (count, quorum) in expected {
        assert_eq!(threshold(count), quorum);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(decode::<Round1>(&bytes, Round1::BYTES_MAX));
        drop(decode::<Round2>(&bytes, Round2::BYTES_MAX));
        drop(decode::<CommitteeKeys>(&bytes, CommitteeKeys::BYTES_MAX).map(Committee::new));
        drop(decode::<CommitmentOffer>(&bytes, CommitmentOffer::BYTES_MAX));
        drop(decode::<ShareRequest>(&bytes, ShareRequest::BYTES_MAX));
        drop(decode::<SignedShare>(&bytes, SignedShare::BYTES_MAX));
        drop(decode::<ShareEvidence>(&bytes, ShareEvidence::BYTES_MAX));
        drop(KeyShares::from_bytes(&bytes));
    }

    #[test]
    fn no_points_make_decoding_panic(hiding: [u8; 32], binding: [u8; 32]) {
        let decoded = Commitment::decode_points(&[hiding, binding].concat().try_into().unwrap());
        let one = |point| curve25519_dalek::edwards::CompressedEdwardsY(point).decompress();
        prop_assert_eq!(decoded.is_some(), one(hiding).is_some() && one(binding).is_some());
    }
}
