//! Real processes that are killed at any moment, under load: whatever was acknowledged is there afterwards, on
//! every node, nobody contradicted itself, and the mesh goes on by itself.
//!
//! `KILL_SEED` repeats a run's choices (not its timing, which is the machine's). The two that are ignored are
//! the long ones; `.ci/run` runs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh::store::RedbStore;
use hypermesh_core::base::{Reader, Table, decode};
use hypermesh_core::hypermesh::ordering::CommitCertificate;
use hypermesh_core::state::{BLOCK_BYTES_MAX, Header};
use hypermesh_sim::world::{Random, Span, Stream};
use hypermesh_tests::load::{Load, goes_on};
use hypermesh_tests::processes::{NODES, ProcessMesh};
use std::collections::BTreeMap;
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
/// Clients at work while nodes die.
const CLIENTS: u64 = 8;
/// How long the nodes are let work before the next one dies.
const CALM: Span = Span::us(0, 250_000);
/// How long a dead node stays dead.
const DEATH: Span = Span::us(0, 150_000);
/// How long a node lives that is killed again before it is ready.
const SHORT_LIFE: Span = Span::us(0, 700_000);
/// So many of a thousand nodes are killed again before they are ready.
const SHORT_LIFE_PER_MILLE: u64 = 250;
/// What no correct node ever says, whatever was done to it.
const NEVER_SAID: [&str; 5] = [
    "a validator contradicts itself",
    "this happens only if",
    "a validator sent a provably false signature share",
    "an invalid block was proposed",
    "panicked",
];

fn random(purpose: &str) -> (u64, Random) {
    let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| hypermesh_tests::wall().0);
    eprintln!("KILL_SEED={seed} repeats the choices of this run");
    (seed, Random::new(Stream { seed, purpose, owner: 0, incarnation: 1 }))
}

/// Kills single nodes, each as soon as the last one is ready again, or before it is.
async fn kill_one_by_one(kills: usize) {
    let (seed, mut random) = random("kill -9");
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let mut load = Load::start(&mesh, CLIENTS, seed);
    let begun = Instant::now();
    let mut killed = 0;
    while killed < kills {
        tokio::time::sleep(random.duration(CALM)).await;
        let victim = usize::try_from(random.below(NODES as u64)).unwrap();
        loop {
            mesh.kill(&[victim]);
            killed += 1;
            tokio::time::sleep(random.duration(DEATH)).await;
            mesh.start(victim);
            if killed >= kills || !random.per_mille(SHORT_LIFE_PER_MILLE) {
                break;
            }
            tokio::time::sleep(random.duration(SHORT_LIFE)).await;
        }
        mesh.until(victim, |status| status.ready).await;
    }
    report("killed one by one", killed, begun, &load);
    settle(mesh, &mut load).await;
}

/// Kills all four within a moment, again and again.
async fn kill_all_at_once(times: usize) {
    let (seed, mut random) = random("power loss");
    let mut mesh = ProcessMesh::started(PROGRAM).await;
    let mut load = Load::start(&mesh, CLIENTS, seed);
    let begun = Instant::now();
    for _ in 0..times {
        // Something has to be under way, or a loss of power is none.
        goes_on(&load, 1).await;
        tokio::time::sleep(random.duration(CALM)).await;
        mesh.kill(&[0, 1, 2, 3]);
        (0..NODES).for_each(|number| mesh.start(number));
    }
    mesh.until_all(|status| status.ready).await;
    report("killed all at once", times, begun, &load);
    settle(mesh, &mut load).await;
}

fn report(what: &str, times: usize, begun: Instant, load: &Load) {
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "{what}: {times} times in {seconds:.1} s, {} things acknowledged meanwhile",
        load.acknowledged()
    );
}

/// Sees that the mesh goes on, that all that was acknowledged is there, and that nobody contradicted itself.
async fn settle(mut mesh: ProcessMesh, load: &mut Load) {
    goes_on(load, 6).await;
    load.finish().await;
    mesh.until_all(|status| status.ready && status.connected == NODES as u64).await;
    let height = highest(&mut mesh).await;
    mesh.until_all(|status| status.height.0 >= height).await;
    let [certificates, names, transfers] = load.check(&mesh).await;
    eprintln!("there on every node: {certificates} certificates, {names} names, {transfers} transfers");
    mesh.stop().await;
    for number in 0..NODES {
        let log = mesh.log(number);
        for never in NEVER_SAID {
            let said = log.lines().find(|line| line.contains(never));
            assert_eq!(said, None, "node-{} has seen what may not happen", number + 1);
        }
    }
    compare_chains(&mesh);
}

async fn highest(mesh: &mut ProcessMesh) -> u64 {
    let mut highest = 0;
    for number in 0..NODES {
        highest = highest.max(mesh.until(number, |_| true).await.height.0);
    }
    highest
}

/// Of each height there is one block, whoever kept it, and every commit certificate of that height is for it.
fn compare_chains(mesh: &ProcessMesh) {
    let mut blocks: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut decided = BTreeMap::new();
    for number in 0..NODES {
        let store = RedbStore::open(&mesh.node(number).store()).unwrap();
        let reader = store.reader();
        for (height, block) in reader.range(Table::Blocks, &[], usize::MAX).unwrap() {
            let known = blocks.entry(height.clone()).or_insert_with(|| block.clone());
            assert_eq!(*known, block, "two blocks of height {height:?}");
        }
        let commits = reader.range(Table::Commits, &[], usize::MAX).unwrap();
        assert!(commits.len() > 1, "a mesh that ran has blocks");
        for (height, commit) in commits {
            let (header, commit): (Header, CommitCertificate) = decode(&commit, BLOCK_BYTES_MAX).unwrap();
            let known = *decided.entry(height).or_insert(commit.value_id);
            assert_eq!(known, commit.value_id, "two decisions at height {}", header.height);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_killed_under_load_lose_nothing_and_contradict_nobody() {
    kill_one_by_one(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_of_power_under_load_loses_nothing() {
    kill_all_at_once(4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: .ci/run runs it"]
async fn two_hundred_kills_lose_nothing() {
    kill_one_by_one(200).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: .ci/run runs it"]
async fn twenty_losses_of_power_lose_nothing() {
    kill_all_at_once(20).await;
}
