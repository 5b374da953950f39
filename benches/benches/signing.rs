//! Threshold signatures: every party's work for one, in one thread.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use criterion::{Criterion, criterion_group, criterion_main};
use hypermesh_core::base::{Digest, Entropy, PublicKey, SecretKey};
use hypermesh_core::hypermesh::committee::{
    CommitmentPool, Committee, GenerationSession, KeyGeneration, KeyPurpose, Progress, Signer, SigningSession,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

struct Seeded(ChaCha20Rng);

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

struct Signers {
    committee: Arc<Committee>,
    keys: BTreeMap<PublicKey, SecretKey>,
    signers: BTreeMap<PublicKey, Signer>,
    entropy: Seeded,
}

impl Signers {
    /// A committee out of a real key generation.
    fn generate(count: u8) -> Self {
        let mut entropy = Seeded(ChaCha20Rng::seed_from_u64(u64::from(count)));
        let keys: BTreeMap<PublicKey, SecretKey> = (0..count)
            .map(|number| SecretKey::from_seed([number + 1; 32]))
            .map(|key| (key.public(), key))
            .collect();
        let session = GenerationSession {
            genesis: Digest([1; 32]),
            attempt: 0,
            validators: keys.keys().copied().collect(),
        };
        let mut parts = BTreeMap::new();
        let mut round1 = BTreeMap::new();
        for key in keys.keys() {
            let (part, package) = KeyGeneration::begin(session.clone(), *key, &mut entropy).unwrap();
            parts.insert(*key, part);
            round1.insert(*key, package);
        }
        let mut packages = Vec::new();
        for (key, part) in &mut parts {
            let dealt = part.receive_round1(&round1).unwrap();
            packages.extend(dealt.packages.into_iter().map(|(to, package)| (*key, to, package)));
        }
        let mut generated = BTreeMap::new();
        for (from, to, package) in packages {
            if let Some(outcome) = parts.get_mut(&to).unwrap().receive_round2(from, package).unwrap() {
                generated.insert(to, outcome);
            }
        }
        let public = generated.values().next().unwrap().keys.clone();
        let committee = Arc::new(Committee::new(public).unwrap());
        let signers = generated
            .iter()
            .map(|(key, outcome)| {
                (*key, Signer::new(*key, committee.clone(), &outcome.shares, &mut entropy).unwrap())
            })
            .collect();
        Self { committee, keys, signers, entropy }
    }

    fn sign(&mut self, message: &[u8]) {
        let order: Vec<PublicKey> = self.keys.keys().copied().collect();
        let coordinator = order[0];
        let mut pool = CommitmentPool::new();
        for key in &order[..self.committee.threshold()] {
            let signer = self.signers.get_mut(key).unwrap();
            signer.forget(&coordinator);
            let mut offer = signer.offer(coordinator, KeyPurpose::Root, &mut self.entropy).unwrap();
            offer.commitments.truncate(1);
            pool.accept_offer(&self.committee, *key, offer).unwrap();
        }
        let mut session = SigningSession::begin(
            self.committee.clone(),
            KeyPurpose::Root,
            message.to_vec(),
            &order,
            &mut pool,
        )
        .unwrap();
        let request = session.request().clone();
        let mut signed = false;
        for key in session.signers().copied().collect::<Vec<_>>() {
            let signer = self.signers.get_mut(&key).unwrap();
            let share = signer.sign(&coordinator, &request, message, &self.keys[&key]).unwrap();
            signed = matches!(session.receive(share), Ok(Progress::Signed(_)));
        }
        assert!(signed, "an honest quorum signs");
    }
}

fn signing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("threshold signature, all parties, 8 commitments each");
    group.sample_size(20);
    for (name, count) in [("3 of 4", 4), ("11 of 16", 16)] {
        let mut signers = Signers::generate(count);
        let message = vec![0x5a; 1200];
        group.bench_function(name, |bencher| bencher.iter(|| signers.sign(&message)));
    }
    group.finish();
}

criterion_group!(benches, signing);
criterion_main!(benches);
