//! Odd Ed25519 signatures and keys, judged by this code, by aws-lc, by rustls-webpki and by the openssl binary: on whatever
//! a certificate authority may sign with, all agree.
//!
//! The cases are those of Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs" (2020), and the kinds of Project
//! Wycheproof's Ed25519 set: commitments and keys with a part of small order, small or not canonically encoded ones, scalars
//! that are not reduced. They are computed here from the curve, so each can be made over whatever a verifier signs.
//!
//! Keys of small order and keys that are not canonically encoded are refused here whatever the signature is, and the other
//! implementations differ about them among themselves. No certificate is ever issued for such a key or under one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use hypermesh_core::base::{PublicKey, Signature};
use hypermesh_core::trustchain::ca::CertificateRequest;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha512};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// How often a commitment is drawn until the challenge is what a case needs: each draw has one chance in eight.
const DRAW_COUNT_MAX: u64 = 4096;
/// The order of the group, little-endian (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

type Sign = Box<dyn Fn(&[u8]) -> [u8; 64]>;

/// A key, a way to sign with it, and what is to come of it.
struct Case {
    name: String,
    key: [u8; 32],
    sign: Sign,
    /// Whether the key is one that this code takes at all.
    key_is_taken: bool,
    /// Whether the signature holds by ZIP-215: so that a case is seen to be what it says.
    by_zip_215: bool,
    /// Whether it holds without the cofactor.
    strictly: bool,
}

fn case(name: &str, key: [u8; 32], (by_zip_215, strictly): (bool, bool), sign: Sign) -> Case {
    Case { name: name.to_string(), key, sign, key_is_taken: true, by_zip_215, strictly }
}

fn weak(name: &str, key: [u8; 32], sign: Sign) -> Case {
    Case { name: name.to_string(), key, sign, key_is_taken: false, by_zip_215: true, strictly: false }
}

fn secret() -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(b"the secret of the corpus").into())
}

fn drawn(message: &[u8], number: u64) -> Scalar {
    let hash = Sha512::new().chain_update(message).chain_update(number.to_le_bytes());
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn challenge(commitment: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(commitment).chain_update(key).chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn joined(commitment: [u8; 32], response: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(&response);
    signature
}

fn encoded(point: EdwardsPoint) -> [u8; 32] {
    point.compress().to_bytes()
}

/// A signature of this secret under this key, with this added to the commitment.
fn signed(key: [u8; 32], added: EdwardsPoint) -> impl Fn(&[u8]) -> [u8; 64] {
    move |message| {
        let nonce = drawn(message, 0);
        let commitment = encoded(EdwardsPoint::mul_base(&nonce) + added);
        joined(commitment, (nonce + challenge(&commitment, &key, message) * secret()).to_bytes())
    }
}

/// A signature whose challenge is of a certain kind: drawn until it is.
fn picked(
    key: [u8; 32],
    added: EdwardsPoint,
    is_wanted: impl Fn(&Scalar) -> bool,
) -> impl Fn(&[u8]) -> [u8; 64] {
    move |message| {
        let one = |number| {
            let nonce = drawn(message, number);
            let commitment = encoded(EdwardsPoint::mul_base(&nonce) + added);
            let challenge = challenge(&commitment, &key, message);
            is_wanted(&challenge).then(|| joined(commitment, (nonce + challenge * secret()).to_bytes()))
        };
        (0..DRAW_COUNT_MAX).find_map(one).expect("one challenge in eight is as wanted")
    }
}

/// The challenge's remainder by eight: what it does to a point of small order.
fn small_part(challenge: &Scalar) -> usize {
    usize::from(challenge.as_bytes()[0] & 7)
}

/// A scalar plus a multiple of the order, which is below 2²⁵⁶.
fn unreduced(response: &[u8], times: u8) -> [u8; 32] {
    let mut sum: [u8; 32] = response.try_into().unwrap();
    for _ in 0..times {
        let mut carry = 0;
        for (byte, more) in sum.iter_mut().zip(ORDER) {
            let total = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (total as u8, total >> 8);
        }
        assert_eq!(carry, 0, "it fits");
    }
    sum
}

/// The encodings of points that are not canonical and of small order, or the point's own: `y` plus the field's prime.
fn not_canonical(y: u8, sign: bool) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + y;
    bytes[31] = if sign { 0xff } else { 0x7f };
    bytes
}

fn good_keys() -> Vec<Case> {
    let key = encoded(EdwardsPoint::mul_base(&secret()));
    let honest = signed(key, EdwardsPoint::identity());
    let mut cases = vec![case("honest", key, (true, true), Box::new(honest))];
    for (number, small) in EIGHT_TORSION.iter().enumerate().skip(1) {
        let name = format!("commitment plus point {number} of small order");
        cases.push(case(&name, key, (true, false), Box::new(signed(key, *small))));
        let small = *small;
        let of_small_order = move |message: &[u8]| {
            let commitment = encoded(small);
            joined(commitment, (challenge(&commitment, &key, message) * secret()).to_bytes())
        };
        let name = format!("commitment is point {number} of small order");
        cases.push(case(&name, key, (true, false), Box::new(of_small_order)));
    }
    let with_commitment = move |commitment: [u8; 32]| {
        move |message: &[u8]| {
            joined(commitment, (challenge(&commitment, &key, message) * secret()).to_bytes())
        }
    };
    let identity = encoded(EdwardsPoint::identity());
    cases.push(case("commitment is the identity", key, (true, true), Box::new(with_commitment(identity))));
    for (name, commitment) in [
        ("commitment is the identity, y plus the prime", not_canonical(1, false)),
        ("commitment is the identity, y plus the prime, with a sign", not_canonical(1, true)),
        ("commitment is a point of order four, y plus the prime", not_canonical(0, false)),
    ] {
        cases.push(case(name, key, (true, false), Box::new(with_commitment(commitment))));
    }
    let mut minus_zero = identity;
    minus_zero[31] |= 0x80;
    cases.push(case(
        "commitment is the identity with a sign",
        key,
        (true, false),
        Box::new(with_commitment(minus_zero)),
    ));
    for times in [1, 2, 7] {
        let plus_order = move |message: &[u8]| {
            let good = signed(key, EdwardsPoint::identity())(message);
            joined(good[..32].try_into().unwrap(), unreduced(&good[32..], times))
        };
        cases.push(case(
            &format!("scalar plus {times} times the order"),
            key,
            (false, false),
            Box::new(plus_order),
        ));
    }
    let bits = |place: usize, bit: u8| {
        move |message: &[u8]| {
            let mut changed = signed(key, EdwardsPoint::identity())(message);
            changed[place] ^= bit;
            changed
        }
    };
    for (name, place, bit) in [
        ("a bit of the commitment", 5, 1),
        ("the commitment's sign", 31, 0x80),
        ("a bit of the scalar", 40, 1),
        ("the scalar's highest bit", 63, 0x80),
    ] {
        cases.push(case(&format!("{name} is changed"), key, (false, false), Box::new(bits(place, bit))));
    }
    cases.push(case("all zero", key, (false, false), Box::new(|_| [0; 64])));
    cases.push(case("all one", key, (false, false), Box::new(|_| [0xff; 64])));
    let of_another = |message: &[u8]| {
        let other = encoded(EdwardsPoint::mul_base(&(secret() + Scalar::ONE)));
        signed(other, EdwardsPoint::identity())(message)
    };
    cases.push(case("another key's", key, (false, false), Box::new(of_another)));
    cases
}

/// Keys with a part of small order: whoever has the secret can sign with them, if the challenge is right.
fn mixed_keys() -> Vec<Case> {
    let small = EIGHT_TORSION[1];
    let key = encoded(EdwardsPoint::mul_base(&secret()) + small);
    let identity = EdwardsPoint::identity();
    let vanishes = picked(key, identity, |challenge| small_part(challenge) == 0);
    let stays = picked(key, identity, |challenge| small_part(challenge) != 0);
    // The commitment's part of small order takes the key's away.
    let cancels = picked(key, EIGHT_TORSION[7] * Scalar::from(3_u8), |challenge| small_part(challenge) == 3);
    let twisted = picked(key, small, |challenge| small_part(challenge) == 0);
    vec![
        case("mixed key, its small part vanishes", key, (true, true), Box::new(vanishes)),
        case("mixed key, its small part stays", key, (true, false), Box::new(stays)),
        case("mixed key, the commitment cancels its small part", key, (true, true), Box::new(cancels)),
        case("mixed key, the commitment's small part stays", key, (true, false), Box::new(twisted)),
    ]
}

/// Keys for which anyone can sign, and encodings that are not the point's own.
fn weak_keys() -> Vec<Case> {
    let anyones = |key: [u8; 32]| -> Sign {
        Box::new(move |message| {
            let one = |number| {
                let response = drawn(message, number);
                let commitment = encoded(EdwardsPoint::mul_base(&response));
                let is_wanted = small_part(&challenge(&commitment, &key, message)) == 0;
                is_wanted.then(|| joined(commitment, response.to_bytes()))
            };
            (0..DRAW_COUNT_MAX).find_map(one).expect("one challenge in eight is as wanted")
        })
    };
    let small = EIGHT_TORSION.iter().enumerate();
    let small =
        small.map(|(number, small)| (format!("key is point {number} of small order"), encoded(*small)));
    let not_canonical = [
        ("key is the identity, y plus the prime", not_canonical(1, false)),
        ("key is a point of order four, y plus the prime", not_canonical(0, false)),
        ("key is a point of order four, y plus the prime, with a sign", not_canonical(0, true)),
    ];
    let not_canonical = not_canonical.map(|(name, key)| (name.to_string(), key));
    small.chain(not_canonical).map(|(name, key)| weak(&name, key, anyones(key))).collect()
}

// --- the verifiers ---

/// A key that signs as a case has it.
struct Odd<'a>(&'a Case);

impl rcgen::PublicKeyData for Odd<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.0.key
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Odd<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok((self.0.sign)(message).to_vec())
    }
}

/// An authority with the odd key, and a certificate that it signed oddly.
struct Certificates {
    authority: rcgen::Certificate,
    leaf: rcgen::Certificate,
}

fn certificates(case: &Case) -> Certificates {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut leaf = CertificateParams::new(vec!["web.demo.hypermesh".to_string()]).unwrap();
    // With the issuer's name it would be self-issued.
    leaf.distinguished_name = DistinguishedName::new();
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let signed = authority.self_signed(&Odd(case)).unwrap();
    let leaf = leaf.signed_by(&Odd(case), &Issuer::new(authority, Odd(case))).unwrap();
    Certificates { authority: signed, leaf }
}

fn webpki_takes(certificates: &Certificates) -> bool {
    let (root, leaf) =
        (CertificateDer::from(certificates.authority.der().to_vec()), certificates.leaf.der().to_vec());
    let leaf = CertificateDer::from(leaf);
    let anchor = anchor_from_trusted_cert(&root).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_796_000_000));
    let end = EndEntityCert::try_from(&leaf).unwrap();
    let algorithms = [webpki::aws_lc_rs::ED25519];
    end.verify_for_usage(&algorithms, &[anchor], &[], now, KeyUsage::server_auth(), None, None).is_ok()
}

fn openssl(folder: &Path, arguments: &[&str]) -> bool {
    let run = Command::new("openssl").args(arguments).current_dir(folder).output();
    run.expect("openssl is installed").status.success()
}

fn openssl_takes_certificate(folder: &Path, certificates: &Certificates) -> bool {
    std::fs::write(folder.join("root.pem"), certificates.authority.pem()).unwrap();
    std::fs::write(folder.join("leaf.pem"), certificates.leaf.pem()).unwrap();
    openssl(folder, &["verify", "-attime", "1796000000", "-CAfile", "root.pem", "leaf.pem"])
}

fn openssl_takes(folder: &Path, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    std::fs::write(folder.join("key.der"), [&SPKI[..], key].concat()).unwrap();
    std::fs::write(folder.join("message"), message).unwrap();
    std::fs::write(folder.join("signature"), signature).unwrap();
    let arguments =
        "pkeyutl -verify -pubin -inkey key.der -keyform DER -rawin -in message -sigfile signature";
    openssl(folder, &arguments.split(' ').collect::<Vec<_>>())
}

/// What this code says of a signature, and of a certificate request that is signed so.
fn taken_here(case: &Case, message: &[u8], signature: &[u8; 64]) -> [bool; 2] {
    let key = PublicKey(case.key);
    let verified = key.verify_strict(message, &Signature(*signature)).is_ok();
    let params = CertificateParams::new(vec!["web.demo.hypermesh".to_string()]).unwrap();
    let csr = params.serialize_request(&Odd(case)).unwrap();
    [verified, CertificateRequest::from_csr(csr.der()).is_ok()]
}

/// What others say: aws-lc, webpki of the signature and of a certificate, openssl of both.
fn taken_elsewhere(folder: &Path, case: &Case, message: &[u8], signature: &[u8; 64]) -> [bool; 5] {
    let certificates = certificates(case);
    [
        UnparsedPublicKey::new(&ED25519, case.key).verify(message, signature).is_ok(),
        webpki::aws_lc_rs::ED25519.verify_signature(&case.key, message, signature).is_ok(),
        webpki_takes(&certificates),
        openssl_takes(folder, &case.key, message, signature),
        openssl_takes_certificate(folder, &certificates),
    ]
}

fn zip_215_takes(case: &Case, message: &[u8], signature: &[u8; 64]) -> bool {
    let key = ed25519_zebra::VerificationKey::try_from(case.key);
    key.is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from_bytes(signature), message).is_ok())
}

#[test]
fn all_verifiers_agree_on_every_odd_signature_under_a_key_that_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for (number, case) in good_keys().into_iter().chain(mixed_keys()).enumerate() {
        let message = format!("message {number}");
        let signature = (case.sign)(message.as_bytes());
        let name = &case.name;
        assert_eq!(PublicKey(case.key).check().is_ok(), case.key_is_taken, "{name}");
        assert_eq!(zip_215_takes(&case, message.as_bytes(), &signature), case.by_zip_215, "{name}: ZIP-215");
        assert_eq!(taken_here(&case, message.as_bytes(), &signature), [case.strictly; 2], "{name}: here");
        let elsewhere = taken_elsewhere(folder.path(), &case, message.as_bytes(), &signature);
        assert_eq!(elsewhere, [case.strictly; 5], "{name}: aws-lc, webpki twice, openssl twice");
    }
}

#[test]
fn keys_that_anyone_can_sign_for_and_keys_with_two_encodings_are_refused_here() {
    let folder = tempfile::tempdir().unwrap();
    let mut taken_by_some = 0;
    for case in weak_keys() {
        let signature = (case.sign)(b"message");
        let name = &case.name;
        assert!(PublicKey(case.key).check().is_err() && !case.key_is_taken, "{name}");
        assert_eq!(zip_215_takes(&case, b"message", &signature), case.by_zip_215, "{name}: ZIP-215");
        assert_eq!(taken_here(&case, b"message", &signature), [case.strictly; 2], "{name}");
        let elsewhere = taken_elsewhere(folder.path(), &case, b"message", &signature);
        taken_by_some += usize::from(elsewhere.contains(&true));
    }
    assert!(taken_by_some > 0, "the cases are none if nobody takes them");
}
