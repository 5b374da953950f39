//! Every check passed, and every check failed.

use super::*;
use alloc::string::ToString;

fn now() -> UnixMillis {
    certified().mesh.state.time()
}

fn verify(der: &[u8], proof: Option<&CertificateProof>) -> Verification {
    verify_certificate(&certified().bundle, der, proof, Some(&name(GIVEN)), now())
}

/// The check that fails, which is the last that was made.
fn failed(verification: &Verification) -> CheckName {
    assert!(!verification.valid);
    let (last, before) = verification.checks.split_last().unwrap();
    assert!(
        last.passed == Some(false) && before.iter().all(|check| check.passed == Some(true)),
        "{verification:?}"
    );
    assert!(!last.detail.is_empty());
    last.name
}

#[test]
fn a_certificate_of_the_committee_passes_every_check_and_says_who_approved_it() {
    let certified = certified();
    let verification = verify(&certified.der, Some(&certified.proof));
    assert!(verification.valid, "{verification:?}");
    let names: Vec<_> = verification.checks.iter().map(|check| check.name).collect();
    use CheckName::{Approved, Bundle, Chain, Checkpoint, Form, Logged, Names, Quorum, Time};
    assert_eq!(names, [Bundle, Form, Chain, Time, Names, Approved, Logged, Quorum, Checkpoint]);
    assert_eq!(
        verification.checks[4].detail,
        certified.mesh.state.get::<Certificate>(&certified.serial).unwrap().names.to_string()
    );
    assert_eq!(verification.approved_by, ["node-1", "node-2", "node-3"]);
    let (header, leaf_index) = approval(&certified.mesh, certified.serial);
    assert_eq!((verification.height, verification.leaf_index), (Some(header.height), Some(leaf_index)));

    let alone = verify(&certified.der, None);
    assert!(alone.valid && alone.approved_by.is_empty());
    assert_eq!(alone.checks.len(), 7, "without the proof file nobody says who approved it");
    let nameless = verify_certificate(&certified.bundle, &certified.der, Some(&certified.proof), None, now());
    assert!(nameless.valid);
    let text = serde_json::to_string(&alone).unwrap();
    assert!(text.contains(r#"{"name":"bundle","passed":true"#), "{text}");
}

#[test]
fn the_first_of_two_certificates_passes_as_well() {
    let Certified { mesh, other, .. } = certified();
    let verification = verify(&der_of(mesh, *other), Some(&proof_of(mesh, *other)));
    assert!(verification.valid, "{verification:?}");
}

#[test]
fn a_bit_flipped_anywhere_in_the_certificate_fails() {
    let certified = certified();
    for position in 0..certified.der.len() {
        let mut der = certified.der.clone();
        der[position] ^= 1 << (position % 8);
        let verification = verify(&der, None);
        assert!(matches!(failed(&verification), CheckName::Form | CheckName::Chain), "byte {position}");
    }
}

#[test]
fn a_bit_flipped_anywhere_in_the_proof_file_fails() {
    let certified = certified();
    let bytes = encode(&certified.proof);
    let mut decoded = 0;
    for position in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1 << (position % 8);
        let Ok(proof) = decode::<CertificateProof>(&bytes, PROOF_BYTES_MAX) else { continue };
        decoded += 1;
        let verification = verify(&certified.der, Some(&proof));
        assert!(
            matches!(failed(&verification), CheckName::Quorum | CheckName::Checkpoint),
            "byte {position}"
        );
    }
    assert!(decoded > bytes.len() / 2);
}

#[test]
fn a_bit_flipped_anywhere_in_a_files_armour_fails() {
    let certified = certified();
    let pem = certified.proof.to_pem().into_bytes();
    // The end of the last line may be missing, and is the only thing that may.
    for position in 0..pem.len() - 1 {
        let mut pem = pem.clone();
        pem[position] ^= 1 << (position % 8);
        let Ok(text) = String::from_utf8(pem) else { continue };
        let Ok(proof) = CertificateProof::from_pem(&text) else { continue };
        assert!(!verify(&certified.der, Some(&proof)).valid, "byte {position}");
    }
    let bundle = certified.bundle.to_pem();
    assert_eq!(TrustBundle::from_pem(&bundle).as_ref(), Ok(&certified.bundle));
    assert_eq!(TrustBundle::from_pem(&certified.proof.to_pem()), Err(InvalidBundle));
}

#[test]
fn a_checkpoint_is_checked_on_its_own_as_well() {
    let Certified { mesh, serial, bundle, proof, .. } = certified();
    let (header, _) = approval(mesh, *serial);
    let checked = bundle.verify_checkpoint(&proof.checkpoint).unwrap();
    assert_eq!((checked.head, checked.unknown_lines), (Note::of(&header).head, 0));
    assert_eq!(checked.cosigned.len(), 4);
    let with = |change: &dyn Fn(&mut Note)| {
        let mut note = Note::of(&header);
        change(&mut note);
        bundle.verify_checkpoint(&checkpoint(mesh, &note)).unwrap_err()
    };
    let few = with(&|note| note.cosigners = [0, 1].into());
    assert_eq!(few, CheckpointRefusal::Quorum { cosigned: 2, quorum: 3 });
    let other = with(&|note| note.origin = "demo.hypermesh/other/log".into());
    assert!(matches!(other, CheckpointRefusal::Origin { .. }));
    assert!(matches!(with(&|note| note.log = KeyPurpose::Issuing), CheckpointRefusal::Checkpoint(_)));
}

#[test]
fn a_bit_flipped_anywhere_in_the_trust_bundle_fails() {
    let bundle = &certified().bundle;
    assert_eq!(bundle.check(), Ok(()));
    let bytes = encode(bundle);
    let mut decoded = 0;
    for position in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1 << (position % 8);
        let Ok(bundle) = decode::<TrustBundle>(&bytes, TRUST_BUNDLE_BYTES_MAX) else { continue };
        decoded += 1;
        assert!(bundle.check().is_err(), "byte {position}");
    }
    assert!(decoded > bytes.len() / 2);
}

#[test]
fn a_bundle_needs_the_word_of_every_validator_for_the_same_keys() {
    let Certified { mesh, bundle, .. } = certified();
    let with = |change: &dyn Fn(&mut Vec<SystemOperation>)| {
        let mut bundle = bundle.clone();
        change(&mut bundle.confirmations);
        bundle.check().err()
    };
    let only = |confirmed| Some(BundleFault::Confirmations { confirmed, validators: 4 });
    assert_eq!(with(&|all| all.clear()), only(0));
    assert_eq!(with(&|all| all.truncate(3)), only(3));
    assert_eq!(with(&|all| all[3] = all[2].clone()), only(3));
    let SystemAction::GenerationConfirm { attempt, keys } = bundle.confirmations[0].action.clone() else {
        unreachable!()
    };
    let say = |validator: &SecretKey, action| mesh.say(validator, action);
    let mut other = keys.clone();
    other.threshold = 1;
    let other = SystemAction::GenerationConfirm { attempt, keys: other };
    assert_eq!(with(&|all| all[3] = say(&mesh.validators[3], other.clone())), only(3));
    let later = SystemAction::GenerationConfirm { attempt: attempt + 1, keys };
    assert_eq!(with(&|all| all[3] = say(&mesh.validators[3], later.clone())), only(3));
    assert_eq!(with(&|all| all[3] = say(&alice(), all[0].action.clone())), only(3));
    assert_eq!(with(&|all| all.insert(0, say(&alice(), SystemAction::Reveal(Digest::ZERO)))), None);
}

#[test]
fn a_bundle_holds_only_the_committees_own_certificates() {
    let Certified { bundle, der, .. } = certified();
    let foreign = &foreign().bundle;
    let with = |change: &dyn Fn(&mut TrustBundle)| {
        let mut bundle = bundle.clone();
        change(&mut bundle);
        bundle.check().err()
    };
    assert!(matches!(
        with(&|bundle| bundle.root_der = foreign.root_der.clone()),
        Some(BundleFault::Chain { .. })
    ));
    assert_eq!(
        with(&|bundle| bundle.issuing_ders = foreign.issuing_ders.clone()),
        Some(BundleFault::Issuing)
    );
    let also =
        |der: &[u8]| with(&|bundle: &mut TrustBundle| bundle.issuing_ders.push(IssuingDer(der.to_vec())));
    assert_eq!(also(&bundle.root_der), Some(BundleFault::Issuing));
    assert!(matches!(
        with(&|bundle| bundle.root_der = bundle.issuing_ders[0].0.clone()),
        Some(BundleFault::Chain { .. })
    ));
    assert_eq!(also(der), Some(BundleFault::Issuing));
    assert_eq!(also(&bundle.issuing_ders[0].0), None);
    let count =
        |count| with(&|bundle| bundle.issuing_ders = alloc::vec![bundle.issuing_ders[0].clone(); count]);
    assert_eq!((count(1), count(ISSUING_COUNT_MAX)), (None, None));
    assert_eq!(count(0), Some(BundleFault::IssuingCount { count: 0 }));
    let more = ISSUING_COUNT_MAX + 1;
    assert_eq!(count(more), Some(BundleFault::IssuingCount { count: more }));
    assert!(matches!(with(&|bundle| bundle.root_der.clear()), Some(BundleFault::Certificate { .. })));
    assert!(matches!(with(&|bundle| bundle.genesis.validators.clear()), Some(BundleFault::Genesis(_))));
}

/// Another mesh of the same people: the same names and voting keys, another genesis, other committee keys.
fn foreign() -> &'static Certified {
    static FOREIGN: OnceLock<Certified> = OnceLock::new();
    FOREIGN.get_or_init(|| {
        let mut genesis = genesis();
        genesis.time = genesis.time.plus(1);
        let mut mesh = Mesh::of(genesis);
        mesh.generate_keys();
        certified_in(mesh)
    })
}

#[test]
fn a_certificate_of_another_mesh_fails() {
    let foreign = foreign();
    let at_home = verify_certificate(&foreign.bundle, &foreign.der, Some(&foreign.proof), None, now());
    assert!(at_home.valid, "{at_home:?}");
    assert_eq!(failed(&verify(&foreign.der, Some(&foreign.proof))), CheckName::Chain);

    let Certified { mesh, serial, .. } = certified();
    let (mut header, leaf_index) = approval(mesh, *serial);
    header.genesis = foreign.mesh.genesis_hash();
    let inclusion = mesh.state.log().inclusion_proof(leaf_index, header.log_size).unwrap();
    let proof = ConsensusProof { header, leaf_index, inclusion };
    let der = signed_with(mesh, &pre_tbs(mesh, leaf_index), &proof);
    assert_eq!(failed(&verify(&der, None)), CheckName::Approved);
}

#[test]
fn a_certificate_that_was_signed_and_never_logged_is_found_out() {
    let Certified { mesh, serial, proof, .. } = certified();
    let (header, leaf_index) = approval(mesh, *serial);
    let logged = pre_tbs(mesh, leaf_index);

    // No proof of approval at all.
    let bare = certificate_der(&logged, &mesh.sign(KeyPurpose::Issuing, &logged)).unwrap();
    assert_eq!(failed(&verify(&bare, Some(proof))), CheckName::Approved);

    // Bytes that are in no log, beside a real header.
    let issuer = mesh.state.issuer().unwrap();
    let forged = forged_tbs(mesh);
    let inclusion = mesh.state.log().inclusion_proof(leaf_index, header.log_size).unwrap();
    let beside = ConsensusProof { header: header.clone(), leaf_index, inclusion };
    assert_eq!(failed(&verify(&signed_with(mesh, &forged, &beside), Some(proof))), CheckName::Logged);

    // The same in a log and under a header that were invented for it.
    let mut tree = MerkleTree::new();
    let entry =
        LogEntry { timestamp: header.time, issuer_key_hash: issuer.issuing_key_hash(), tbs: forged.clone() };
    let leaf_index = tree.push(entry.leaf_hash());
    let invented = Header { log_size: 1, log_root: tree.root(), ..header };
    let consensus = ConsensusProof { header: invented.clone(), leaf_index, inclusion: Vec::new() };
    let der = signed_with(mesh, &forged, &consensus);
    assert!(
        verify(&der, None).valid,
        "the shares alone can do that: the proof file is what they cannot make"
    );
    let forged_proof =
        |commit: CommitCertificate| CertificateProof { commit, ..forged_proof(mesh, &invented) };
    let of_the_real = forged_proof(proof.commit.clone());
    assert_eq!(failed(&verify(&der, Some(&of_the_real))), CheckName::Quorum);
    let renamed = forged_proof(CommitCertificate { value_id: invented.hash(), ..proof.commit.clone() });
    assert_eq!(failed(&verify(&der, Some(&renamed))), CheckName::Quorum);
    let by_two = forged_proof(mesh.precommits(&invented, &mesh.validators[..2]));
    assert_eq!(failed(&verify(&der, Some(&by_two))), CheckName::Quorum);
}

/// A certificate that alice never asked for: for the same name, and another key.
fn forged_tbs(mesh: &Mesh) -> Vec<u8> {
    use crate::trustchain::ca::{CertificateRequest, LeafParameters, Validity};
    let issuer = mesh.state.issuer().unwrap();
    let request = CertificateRequest::from_csr(&csr(&bob(), &[GIVEN])).unwrap();
    let validity = Validity::leaf(mesh.state.time(), 3_600_000, &issuer.issuing_validity);
    let serial = SerialNumber::from_operation(&Digest([0x66; 32]));
    issuer.leaf_tbs(&request, &LeafParameters { serial, validity }).unwrap()
}

fn forged_proof(mesh: &Mesh, header: &Header) -> CertificateProof {
    CertificateProof {
        serial_number: SerialNumber::from_operation(&Digest([0x66; 32])),
        commit: mesh.precommits(header, &[]),
        checkpoint: checkpoint(mesh, &Note::of(header)),
    }
}

#[test]
fn a_wrong_inclusion_proof_fails() {
    let Certified { mesh, serial, .. } = certified();
    let (header, leaf_index) = approval(mesh, *serial);
    let tbs = pre_tbs(mesh, leaf_index);
    let inclusion = mesh.state.log().inclusion_proof(leaf_index, header.log_size).unwrap();
    let good = ConsensusProof { header, leaf_index, inclusion };
    let wrong = |change: &dyn Fn(&mut ConsensusProof)| {
        let mut proof = good.clone();
        change(&mut proof);
        failed(&verify(&signed_with(mesh, &tbs, &proof), None))
    };
    assert_eq!(wrong(&|proof| proof.leaf_index.0 -= 1), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.leaf_index.0 = u64::MAX), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.inclusion[0].0[0] ^= 1), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.inclusion.clear()), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.inclusion.push(Digest::ZERO)), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.header.log_size = 0), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.header.time = proof.header.time.plus(1)), CheckName::Logged);
    assert_eq!(wrong(&|proof| proof.header.log_root = Digest::ZERO), CheckName::Logged);

    let tbs_with = with_proof(&tbs, b"no proof").unwrap();
    let der = certificate_der(&tbs_with, &mesh.sign(KeyPurpose::Issuing, &tbs_with)).unwrap();
    assert_eq!(failed(&verify(&der, None)), CheckName::Approved);
}

#[test]
fn the_name_and_the_time_are_looked_at() {
    let Certified { mesh, bundle, serial, der, proof, .. } = certified();
    let at = |text: &str, wall| verify_certificate(bundle, der, Some(proof), Some(&name(text)), wall);
    assert_eq!(failed(&at("other.demo.hypermesh", now())), CheckName::Names);
    assert_eq!(failed(&at("x.given.demo.hypermesh", now())), CheckName::Names);
    let row: Certificate = mesh.state.get(serial).unwrap();
    assert!(at(GIVEN, row.not_before).valid);
    assert_eq!(failed(&at(GIVEN, row.not_before.minus(1))), CheckName::Time);
    assert!(at(GIVEN, row.not_after.plus(999)).valid, "the last second is in");
    assert_eq!(failed(&at(GIVEN, row.not_after.plus(1000))), CheckName::Time);
}

#[test]
fn the_proof_file_of_another_certificate_fails() {
    let Certified { mesh, other, der, serial, .. } = certified();
    let of_the_other = proof_of(mesh, *other);
    assert_eq!(failed(&verify(der, Some(&of_the_other))), CheckName::Quorum);
    let renamed = CertificateProof { serial_number: *serial, ..of_the_other };
    assert_eq!(failed(&verify(der, Some(&renamed))), CheckName::Quorum);
}

#[test]
fn a_checkpoint_is_of_this_log_at_this_size_signed_by_its_key_and_a_quorum() {
    let Certified { mesh, serial, der, proof, .. } = certified();
    let (header, _) = approval(mesh, *serial);
    let with = |change: &dyn Fn(&mut Note)| {
        let mut note = Note::of(&header);
        change(&mut note);
        let proof = CertificateProof { checkpoint: checkpoint(mesh, &note), ..proof.clone() };
        verify(der, Some(&proof))
    };
    assert!(with(&|_| ()).valid);
    assert!(with(&|note| note.cosigners = [3, 1, 0].into()).valid);
    let wrong = |change: &dyn Fn(&mut Note)| assert_eq!(failed(&with(change)), CheckName::Checkpoint);
    wrong(&|note| note.cosigners = [0, 1].into());
    wrong(&|note| note.cosigners = [0, 1, 1, 0].into());
    wrong(&|note| note.cosigners.clear());
    wrong(&|note| note.log = KeyPurpose::Issuing);
    wrong(&|note| note.origin = "demo.hypermesh/other/log".into());
    wrong(&|note| note.head.size += 1);
    wrong(&|note| note.head.root = Digest::ZERO);
    let proof = CertificateProof { checkpoint: String::new(), ..proof.clone() };
    assert_eq!(failed(&verify(der, Some(&proof))), CheckName::Checkpoint);
}

#[test]
fn authorities_are_no_leaves() {
    let bundle = &certified().bundle;
    for der in [&bundle.root_der, &bundle.issuing_ders[0].0] {
        assert_eq!(failed(&verify(der, None)), CheckName::Chain);
    }
    assert_eq!(failed(&verify(&[], None)), CheckName::Form);
}

#[test]
fn proof_files_go_to_disk_and_back() {
    let proof = &certified().proof;
    let pem = proof.to_pem();
    assert!(pem.starts_with("-----BEGIN HYPERMESH CERTIFICATE PROOF-----\n"));
    assert!(pem.lines().all(|line| line.len() <= 64));
    assert_eq!(CertificateProof::from_pem(&pem).as_ref(), Ok(proof));
    assert_eq!(CertificateProof::from_pem(&pem.replace('\n', "\r\n")).as_ref(), Ok(proof));
    for wrong in [
        String::new(),
        pem.replace("PROOF", "PROVE"),
        pem.replacen("BEGIN", "END", 1),
        [pem.as_str(), &pem].concat(),
        [pem.as_str(), "x"].concat(),
        pem.replacen('A', "-", 1),
        " ".repeat(4 * PROOF_BYTES_MAX),
        [" ", pem.as_str()].concat(),
    ] {
        assert_eq!(CertificateProof::from_pem(&wrong), Err(InvalidProof));
    }
    let json = serde_json::to_string(proof).unwrap();
    assert_eq!(&serde_json::from_str::<CertificateProof>(&json).unwrap(), proof);
}

#[test]
fn a_bundle_goes_to_people_and_back() {
    let bundle = &certified().bundle;
    let json = serde_json::to_string(bundle).unwrap();
    assert_eq!(&serde_json::from_str::<TrustBundle>(&json).unwrap(), bundle);
    assert_eq!(bundle.genesis_hash(), certified().mesh.genesis_hash());
    assert!(certified().mesh.state.height() > Height(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_verified_may_be_anything_and_nothing_panics(
        edits in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6), cut in any::<usize>(), text in ".{0,120}",
    ) {
        let certified = certified();
        let hostile = |good: &[u8]| {
            let mut bytes = good.to_vec();
            for (position, value) in &edits {
                let position = position % bytes.len();
                bytes[position] = *value;
            }
            bytes.truncate(cut % (2 * bytes.len()));
            bytes
        };
        let der = hostile(&certified.der);
        prop_assert_eq!(verify(&der, None).valid, der == certified.der);
        let bytes = hostile(&encode(&certified.proof));
        if let Ok(proof) = decode::<CertificateProof>(&bytes, PROOF_BYTES_MAX) {
            prop_assert_eq!(verify(&certified.der, Some(&proof)).valid, proof == certified.proof);
        }
        let bytes = hostile(&encode(&certified.bundle));
        if let Ok(bundle) = decode::<TrustBundle>(&bytes, TRUST_BUNDLE_BYTES_MAX) {
            prop_assert_eq!(bundle.check().is_ok(), bundle == certified.bundle);
        }
        prop_assert!(CertificateProof::from_pem(&text).is_err());
    }
}
