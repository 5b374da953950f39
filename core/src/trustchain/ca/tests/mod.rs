//! The authority tried end to end, with real keys. Plain keys stand here for the committee's group keys.

mod chain;
mod hostile;
mod proof;
mod request;
mod revocation;

use super::*;
use crate::base::{Digest, PublicKey, SecretKey, StrictSignature, UnixMillis};
use alloc::vec::Vec;

/// 2026-11-30T00:53:20Z.
const AT: UnixMillis = UnixMillis(1_796_000_000_123);

const ED25519: &[u8] = include_bytes!("../fixtures/ed25519.der");
const P256: &[u8] = include_bytes!("../fixtures/p256.der");
const P256_SHA384: &[u8] = include_bytes!("../fixtures/p256_sha384.der");
const P384_SHA256: &[u8] = include_bytes!("../fixtures/p384_sha256.der");
const P384_SHA384: &[u8] = include_bytes!("../fixtures/p384_sha384.der");
const IPV6_ONLY: &[u8] = include_bytes!("../fixtures/ipv6_only.der");

/// Requests of every kind that is taken.
const TAKEN: [&[u8]; 6] = [ED25519, P256, P256_SHA384, P384_SHA256, P384_SHA384, IPV6_ONLY];

struct Mesh {
    root: SecretKey,
    issuing: SecretKey,
    issuer: Issuer,
}

struct Chain {
    root: Vec<u8>,
    issuing: Vec<u8>,
    leaf: Vec<u8>,
}

impl Mesh {
    fn new() -> Self {
        let (root, issuing) = (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]));
        let root_validity = Validity::root(AT);
        let issuer = Issuer {
            network: "devnet".into(),
            zone: "demo.hypermesh".parse().unwrap(),
            root_key: root.public(),
            root_validity,
            issuing_key: issuing.public(),
            issuing_validity: Validity::issuing(AT, &root_validity),
        };
        Self { root, issuing, issuer }
    }

    fn leaf_parameters(&self) -> LeafParameters {
        let validity = Validity::leaf(AT, LEAF_MS_LIFETIME, &self.issuer.issuing_validity);
        LeafParameters { serial: serial(3), validity }
    }

    fn leaf_tbs(&self, csr: &[u8]) -> Vec<u8> {
        let request = CertificateRequest::from_csr(csr).unwrap();
        self.issuer.leaf_tbs(&request, &self.leaf_parameters()).unwrap()
    }

    /// The chain for a request, its leaf with a proof in it.
    fn chain(&self, csr: &[u8]) -> Chain {
        let leaf = with_proof(&self.leaf_tbs(csr), &[0xC5; 900]).unwrap();
        Chain {
            root: signed(&self.root, &self.issuer.root_tbs(serial(1)).unwrap()),
            issuing: signed(&self.root, &self.issuer.issuing_tbs(serial(2)).unwrap()),
            leaf: signed(&self.issuing, &leaf),
        }
    }

    fn anchor(&self) -> ChainAnchor {
        ChainAnchor { root_key: self.issuer.root_key, zone: self.issuer.zone.clone() }
    }
}

fn signed(key: &SecretKey, tbs: &[u8]) -> Vec<u8> {
    certificate_der(tbs, &strictly(key, tbs)).unwrap()
}

fn strictly(key: &SecretKey, message: &[u8]) -> StrictSignature {
    key.public().verify_strict(message, &key.sign_bytes(message)).unwrap()
}

fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_operation(&Digest([number; 32]))
}

fn key_with_seed(seed: u8) -> PublicKey {
    SecretKey::from_seed([seed; 32]).public()
}
