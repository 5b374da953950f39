//! Four proofs: making and checking them, cold, by ticket, and 64 at once.

use criterion::{Criterion, criterion_group, criterion_main};
use hypermesh_core::base::{
    Digest, Entropy, MicroCaesar, Profile, PublicKey, SecretKey, Sequence, decode, encode,
};
use hypermesh_core::hypermesh::proof::{
    Diligence, Expectation, FourProofSet, Plot, Plotter, Statement, Submission, Ticket, plot_key, prove_set,
    prove_ticket, verify_many,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::hint::black_box;

struct Seeded(ChaCha20Rng);

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

struct Prover {
    identity: SecretKey,
    plot: Plot,
    ticket: Ticket,
}

const BEACON: Digest = Digest([3; 32]);
const PROFILE: Profile = Profile::Devnet;

impl Prover {
    fn new() -> Self {
        let identity = SecretKey::from_seed([7; 32]);
        let key = plot_key("bench", PROFILE, &identity.public());
        let plot = Plotter::new(PROFILE.proofs().space, key).finish();
        let ticket = prove_ticket(&plot, &BEACON, &identity.public(), &PROFILE.proofs());
        Self { identity, plot, ticket }
    }

    fn member(&self) -> PublicKey {
        self.identity.public()
    }

    fn statement(&self, number: u64) -> Statement {
        Statement {
            genesis: Digest([1; 32]),
            member: self.member(),
            sequence: Sequence(number),
            batch_root: Digest([2; 32]),
            beacon_index: 0,
        }
    }

    fn set(&self, full: bool, statement: &Statement) -> FourProofSet {
        let difficulty = PROFILE.proofs().work.difficulty_initial;
        prove_set(&self.ticket, full, statement, &BEACON, difficulty, &self.identity)
    }

    fn expectation(&self, stands: bool) -> Expectation {
        Expectation {
            parameters: PROFILE.proofs(),
            beacon: BEACON,
            plot_root: Some(self.plot.root()),
            stake: MicroCaesar(1),
            stake_minimum: MicroCaesar(1),
            difficulty: PROFILE.proofs().work.difficulty_initial,
            ticket: stands.then(|| self.ticket.digest(&BEACON, &self.member())),
            ticket_open: true,
        }
    }
}

fn four_proofs(criterion: &mut Criterion) {
    let prover = Prover::new();
    let statement = prover.statement(0);
    let mut group = criterion.benchmark_group("four proofs");
    group.sample_size(20);
    group.bench_function("make a ticket (space and time)", |bencher| {
        bencher.iter(|| prove_ticket(&prover.plot, &BEACON, &prover.member(), &PROFILE.proofs()));
    });
    group.bench_function("make a set by ticket (work and stake)", |bencher| {
        bencher.iter(|| prover.set(false, &statement));
    });
    for (name, full) in [("check, cold", true), ("check, by ticket", false)] {
        let (set, expectation) = (prover.set(full, &statement), prover.expectation(!full));
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&set).verify(&statement, &expectation, Diligence::StopAtFirst));
        });
    }
    let statements: Vec<Statement> = (0..64).map(|number| prover.statement(number)).collect();
    let sets: Vec<FourProofSet> = statements.iter().map(|statement| prover.set(false, statement)).collect();
    let expectation = prover.expectation(true);
    let submissions: Vec<Submission<'_>> = sets
        .iter()
        .zip(&statements)
        .map(|(set, statement)| Submission { set, statement, expectation: &expectation })
        .collect();
    let mut entropy = Seeded(ChaCha20Rng::seed_from_u64(1));
    group.bench_function("check 64 by ticket", |bencher| {
        bencher.iter(|| verify_many(black_box(&submissions), Diligence::StopAtFirst, &mut entropy));
    });
    let set = prover.set(true, &statement);
    let bytes = encode(&set);
    group.bench_function("encode a full set", |bencher| bencher.iter(|| encode(black_box(&set))));
    group.bench_function("decode a full set", |bencher| {
        bencher.iter(|| decode::<FourProofSet>(black_box(&bytes), bytes.len()));
    });
    group.finish();
}

criterion_group!(benches, four_proofs);
criterion_main!(benches);
