//! Finished signatures that hold by ZIP-215 alone: how a coordinator makes one, and what its word for it is worth.

use super::*;

const MESSAGE: &[u8] = b"the to-be-signed bytes of a certificate";

/// A validator's word for whatever it likes.
fn claim_of(mesh: &Mesh, by: &PublicKey, signature: Signature, message: &[u8]) -> SignatureClaim {
    let mut claim = SignatureClaim {
        committee: mesh.committee.digest(),
        purpose: KeyPurpose::Issuing,
        message: StrictSignature::message_digest(message),
        signature,
        validator: *by,
        word: Signature([0; 64]),
    };
    claim.word = mesh.identities[by].sign(&claim.digest());
    claim
}

/// A coordinator names its own commitment plus a point of order eight, adds the shares up, and has a signature whose
/// commitment is twisted. The shares of the honest signers are good, so nothing else of it is evidence.
#[cfg(not(hypermesh_simulation_crypto))]
#[test]
fn a_coordinator_that_twists_its_own_commitment_makes_a_signature_that_only_zip_215_accepts() {
    use super::signing::best_share;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::scalar::Scalar;

    let mut mesh = Mesh::new(4);
    let liar = mesh.coordinator;
    let (_, shares) = generated(4);
    let key = shares[&liar].packages(&mesh.committee, &liar).unwrap().remove(&KeyPurpose::Issuing).unwrap();
    let (nonces, clean) = {
        let mut random = crate::base::EntropyRng(&mut mesh.entropy);
        frost_ed25519::round1::commit(key.signing_share(), &mut random)
    };
    let mut points = Commitment::encode_points(&clean);
    points[..32].copy_from_slice((clean.hiding().value() + EIGHT_TORSION[1]).compress().as_bytes());
    let mut request = mesh.begin(MESSAGE, &mesh.validators()).request().clone();
    request.commitments.get_mut(&liar).unwrap().points = points;

    let own = best_share(&mesh, &request, &nonces, &key);
    let mut response = Scalar::from_canonical_bytes(own).unwrap();
    let honest: Vec<_> = request.commitments.keys().filter(|signer| **signer != liar).copied().collect();
    for signer in honest {
        let share = mesh.share(&signer, &request, MESSAGE).unwrap();
        response += Scalar::from_canonical_bytes(share.share).unwrap();
        let good = ShareEvidence { request: request.clone(), message: MESSAGE.to_vec(), share };
        assert_eq!(good.verify(&mesh.committee), Err(NoEvidence::GoodShare));
    }
    let group = mesh.committee.group(KeyPurpose::Issuing);
    let commitments = evidence::decode_commitments(group, &request, None).unwrap();
    let package = frost_ed25519::SigningPackage::new(commitments, MESSAGE);
    let factors = frost_core::compute_binding_factor_list(&package, key.verifying_key(), &[]).unwrap();
    let commitment = frost_core::compute_group_commitment(&package, &factors).unwrap().to_element();
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(commitment.compress().as_bytes());
    bytes[32..].copy_from_slice(response.as_bytes());
    let signature = Signature(bytes);

    let by_zip_215 = ed25519_zebra::VerificationKey::try_from(mesh.public().0).unwrap();
    assert_eq!(by_zip_215.verify(&ed25519_zebra::Signature::from_bytes(&bytes), MESSAGE), Ok(()));
    assert!(mesh.public().verify_strict(MESSAGE, &signature).is_err());

    let claim = claim_of(&mesh, &liar, signature, MESSAGE);
    assert_eq!(claim.verify(), Ok(()));
    let evidence = FalseClaim { claim, message: MESSAGE.to_vec() };
    assert_eq!(evidence.verify(&mesh.committee), Ok(liar));
}

#[test]
fn only_a_false_word_that_was_given_convicts() {
    let mut mesh = Mesh::new(4);
    let mut session = mesh.begin(MESSAGE, &mesh.validators());
    let verified = mesh.answer(&mut session, MESSAGE, &[]).unwrap();
    let (honest, liar) = (mesh.validators()[0], mesh.validators()[1]);
    let identity = mesh.identities[&honest].clone();
    let claim = SignatureClaim::sign(&mesh.committee, KeyPurpose::Issuing, &verified, &identity).unwrap();
    assert_eq!(SignatureClaim::sign(&mesh.committee, KeyPurpose::Root, &verified, &identity), None);
    let of = |claim: &SignatureClaim, message: &[u8]| {
        FalseClaim { claim: claim.clone(), message: message.to_vec() }.verify(&mesh.committee)
    };
    assert_eq!(of(&claim, MESSAGE), Err(NoEvidence::TrueClaim));

    // Whatever is changed about an honest word, it is no word any more, or not about these bytes.
    let changed = |change: fn(&mut SignatureClaim)| {
        let mut changed = claim.clone();
        change(&mut changed);
        of(&changed, MESSAGE).unwrap_err()
    };
    assert_eq!(of(&claim, b"other bytes"), Err(NoEvidence::Unrelated));
    assert_eq!(changed(|claim| claim.committee = Digest::ZERO), NoEvidence::Unrelated);
    assert_eq!(changed(|claim| claim.validator = PublicKey([7; 32])), NoEvidence::Unrelated);
    assert_eq!(changed(|claim| claim.purpose = KeyPurpose::Log), NoEvidence::NotSigned);
    assert_eq!(changed(|claim| claim.signature.0[3] ^= 1), NoEvidence::NotSigned);
    assert_eq!(changed(|claim| claim.word.0[3] ^= 1), NoEvidence::NotSigned);
    let mut framed = claim.clone();
    framed.signature = Signature([7; 64]);
    framed.word = mesh.identities[&liar].sign(&framed.digest());
    assert_eq!(of(&framed, MESSAGE), Err(NoEvidence::NotSigned), "another's name");

    let lie = claim_of(&mesh, &liar, Signature([7; 64]), MESSAGE);
    assert_eq!(of(&lie, MESSAGE), Ok(liar));
    let encoded = crate::base::encode(&lie);
    assert_eq!(encoded.len(), SignatureClaim::BYTES_MAX);
    let evidence = FalseClaim { claim: lie, message: MESSAGE.to_vec() };
    let json = serde_json::to_string(&evidence).unwrap();
    assert_eq!(serde_json::from_str::<FalseClaim>(&json).unwrap(), evidence);
}

#[test]
fn evidence_of_a_false_word_holds_at_its_most_bytes_and_not_one_past_them() {
    let mesh = Mesh::new(4);
    let liar = mesh.validators()[1];
    let longest = alloc::vec![7; MESSAGE_BYTES_MAX];
    let claim = claim_of(&mesh, &liar, Signature([7; 64]), &longest);
    let evidence = FalseClaim { claim, message: longest };
    let bytes = crate::base::encode(&evidence);
    assert_eq!(bytes.len(), FalseClaim::BYTES_MAX);
    assert_eq!(crate::base::decode::<FalseClaim>(&bytes, FalseClaim::BYTES_MAX), Ok(evidence.clone()));
    assert_eq!(evidence.verify(&mesh.committee), Ok(liar));
    let past = FalseClaim { message: alloc::vec![7; MESSAGE_BYTES_MAX + 1], ..evidence };
    assert!(crate::base::decode::<FalseClaim>(&crate::base::encode(&past), FalseClaim::BYTES_MAX).is_err());
}
