//! The event-heap world: what a simulated second and a certificate cost on the wall, as the mesh grows.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use hypermesh_sim::world::{Options, Start, World};
use std::time::Duration;

/// Meshes that tolerate 1, 2, 5 and 10 faults.
const NODES: [usize; 4] = [4, 7, 16, 31];
/// A mesh of this size is measured before it has keys: generating them takes minutes of all its nodes.
const NODES_WITHOUT_KEYS: usize = 100;
/// How long anything may take in the simulated time.
const PATIENCE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn ready(nodes: usize) -> World {
    let mut world = World::new(1, Options { nodes, ..Options::default() });
    world.run_until("all nodes ready", PATIENCE, World::is_ready).unwrap();
    world
}

/// A second in which nothing is asked: heartbeats, and the blocks that they make.
fn calm_second(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("world/calm_second");
    group.sample_size(10);
    for nodes in NODES {
        let mut world = ready(nodes);
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| world.run_for(SECOND).unwrap());
        });
    }
    let options = Options { nodes: NODES_WITHOUT_KEYS, start: Start::Empty, ..Options::default() };
    let mut world = World::new(1, options);
    group.bench_function(BenchmarkId::new("without_keys", NODES_WITHOUT_KEYS), |bencher| {
        bencher.iter(|| world.run_for(SECOND).unwrap());
    });
    group.finish();
}

/// A certificate, from the request to the answer: the proofs, a block, the log, and both threshold signatures.
fn certificate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("world/certificate");
    group.sample_size(10);
    for nodes in NODES {
        let mut world = ready(nodes);
        let mut nonce = 0;
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
            bencher.iter(|| {
                nonce += 1;
                let client = world.participants().client.clone();
                let request = world.owner(&client).issue(nonce, &["web.demo.hypermesh"]);
                let id = world.request(0, request);
                world.run_until("an answer", PATIENCE, |world| world.answer(id).is_some()).unwrap();
                assert!(world.answer(id).unwrap().response.is_ok());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, calm_second, certificate);
criterion_main!(benches);
