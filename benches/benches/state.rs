//! What a node does with its state: blocks, names, certificates.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use hypermesh_core::api::{Request, Response, ValidateCertificateRequest, View, read};
use hypermesh_core::base::{Sequence, decode, encode};
use hypermesh_core::hypermesh::proof::{Statement, prove_set, prove_ticket};
use hypermesh_core::state::{
    BLOCK_BYTES_MAX, Batch, Block, Candidate, CheckedBatch, Member, Operation, batch_root,
};
use hypermesh_core::trustchain::dns::{Transport, answer};
use hypermesh_sim::world::{Options, World};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const OPERATIONS: u64 = 256;
const PATIENCE: Duration = Duration::from_secs(30);

struct Ready {
    world: World,
    view: Arc<View>,
}

impl Ready {
    fn new() -> Self {
        let mut world = World::new(1, Options::default());
        world.run_until("all nodes ready", PATIENCE, World::is_ready).unwrap();
        let view = world.view(0).unwrap();
        Self { world, view }
    }

    /// A batch of requests for certificates by the first validator.
    fn batch(&self) -> Arc<CheckedBatch> {
        let state = &self.view.state;
        let validator = &self.world.participants().validators[0].member;
        let key = validator.identity.public();
        let owner = self.world.owner(&self.world.participants().client.clone());
        let operations: Vec<Operation> = (0..OPERATIONS)
            .map(|number| match owner.issue(number, &[&format!("b{number}.demo.hypermesh")]) {
                Request::IssueCertificate(request) => request.operation,
                other => panic!("asked for {other:?}"),
            })
            .collect();
        let beacon = state.beacon();
        let parameters = state.genesis_document().profile.proofs();
        let ticket = prove_ticket(&validator.plot, &beacon.value, &key, &parameters);
        let member = state.get::<Member>(&key).unwrap();
        let statement = Statement {
            genesis: state.genesis_hash(),
            member: key,
            sequence: Sequence(member.next_sequence.0),
            batch_root: batch_root(operations.iter().map(Operation::id)),
            beacon_index: beacon.index,
        };
        let full = !member.tickets.contains_key(&beacon.index);
        let proofs =
            prove_set(&ticket, full, &statement, &beacon.value, beacon.difficulty, &validator.identity);
        let batch = Batch {
            genesis: statement.genesis,
            member: key,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations,
            omitted: Vec::new(),
            proofs,
        };
        Arc::new(batch.check(&state.genesis_hash()).unwrap())
    }
}

fn blocks(criterion: &mut Criterion, ready: &Ready) {
    let state = &ready.view.state;
    let batch = ready.batch();
    let candidate = Candidate {
        time: state.time().plus(1),
        proposer: ready.world.participants().validators[0].member.identity.public(),
        batches: vec![batch.clone()],
        system: Vec::new(),
        parent_commit: ready.view.commit.clone(),
    };
    let (block, executed) = state.build(candidate);
    assert_eq!(executed.receipts.len() as u64, OPERATIONS, "every certificate is approved");
    let batches = [batch.clone()];
    let mut group = criterion.benchmark_group("a block of 256 requests for certificates");
    group.sample_size(20);
    group.bench_function("check the batch's form and signatures", |bencher| {
        let genesis = state.genesis_hash();
        bencher.iter_batched(|| batch.batch.clone(), |batch| batch.check(&genesis), BatchSize::LargeInput);
    });
    group.bench_function("apply", |bencher| bencher.iter(|| state.execute(black_box(&block), &batches)));
    let bytes = block.to_bytes();
    group.bench_function("encode", |bencher| bencher.iter(|| encode(black_box(&block))));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| decode::<Block>(black_box(&bytes), BLOCK_BYTES_MAX));
    });
    group.finish();
}

fn reads(criterion: &mut Criterion, ready: &mut Ready) {
    let owner = ready.world.owner(&ready.world.participants().client.clone());
    let id = ready.world.request(0, owner.issue(9, &["read.demo.hypermesh"]));
    ready.world.run_until("an answer", PATIENCE, |world| world.answer(id).is_some()).unwrap();
    let issued = match ready.world.answer(id).unwrap().response.clone() {
        Ok(Response::IssueCertificate(issued)) => issued,
        other => panic!("{other:?}"),
    };
    let view = ready.world.view(0).unwrap();
    let wall = ready.world.wall();
    let request =
        Request::ValidateCertificate(ValidateCertificateRequest { certificate_der: issued.certificate_der });
    criterion.bench_function("trustchain/validate_certificate", |bencher| {
        bencher.iter(|| read(&view, black_box(&request), wall));
    });
    let query = query("node-1.hypermesh");
    let answered = answer(&view.state, &query, Transport::Udp, None).unwrap();
    assert_eq!(answered[3] & 0xf, 0, "the node's address is found");
    criterion.bench_function("DNS answer, AAAA", |bencher| {
        bencher.iter(|| answer(&view.state, black_box(&query), Transport::Udp, None));
    });
}

/// A query for an AAAA record in wire form (RFC 1035 §4.1).
fn query(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.extend_from_slice(&[0, 0, 28, 0, 1]);
    bytes
}

fn all(criterion: &mut Criterion) {
    let mut ready = Ready::new();
    blocks(criterion, &ready);
    reads(criterion, &mut ready);
}

criterion_group!(benches, all);
criterion_main!(benches);
