//! The client's calls, timed: round trips, pooling, losses, time-outs; and what addresses and damage do.

mod machines;

use super::*;
use crate::base::{Link, Span, name};
use crate::fault::WorldKind;
use crate::plan::{Plan, PlanOutcome, Shape, play};
use crate::world::Damage;
use hypermesh_core::api::{
    HypermeshMetricsRequest, Request, Response, TrustBundleRequest, TrustchainHealthRequest,
};
use hypermesh_core::trust::{CertificateProof, TrustBundle, verify_certificate};
use stoq::CallError;

const PATIENCE: Duration = Duration::from_secs(60);
/// One way, in the tests that count round trips.
const ONE_WAY: Duration = Duration::from_millis(20);
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Timers and hosts go by whole milliseconds; some of them add up in a round trip.
const ROUNDING: Duration = Duration::from_millis(6);

fn ready(seed: u64, options: Options) -> QuicWorld {
    let mut world = QuicWorld::new(seed, options);
    world.run_until("all nodes ready", PATIENCE, QuicWorld::is_ready).unwrap();
    world
}

/// A world in which round trips can be counted.
fn slow(seed: u64) -> QuicWorld {
    let us = u64::try_from(ONE_WAY.as_micros()).unwrap();
    ready(seed, Options { latency: Span::us(us, us), ..Options::default() })
}

/// Something that a node answers out of its view, in a few bytes.
const fn read() -> Request {
    Request::TrustchainHealth(TrustchainHealthRequest {})
}

/// Whether each node that runs is linked with so many, itself included.
fn all_linked(world: &QuicWorld, with: u64) -> bool {
    world.views().all(|view| view.status.connected == with)
}

fn issue(world: &QuicWorld, number: u64) -> Request {
    world.owner(&world.participants().client).issue(number, &["web.demo.hypermesh"])
}

/// Asks all of this at once. Says what came, and how long each took.
fn ask_all(
    world: &mut QuicWorld,
    requests: Vec<(NodeIndex, Request)>,
) -> Vec<(Result<Response, CallError>, Duration)> {
    let asked = world.now();
    let ids: Vec<RequestId> =
        requests.into_iter().map(|(place, request)| world.request(place, request)).collect();
    world
        .run_until("all answers", PATIENCE, |world| ids.iter().all(|id| world.answer(*id).is_some()))
        .unwrap();
    ids.iter()
        .map(|id| {
            let answer = world.answer(*id).unwrap();
            (answer.response, answer.at.since(asked))
        })
        .collect()
}

fn ask(world: &mut QuicWorld, place: NodeIndex, request: Request) -> (Result<Response, CallError>, Duration) {
    ask_all(world, vec![(place, request)]).remove(0)
}

/// Issues a certificate at a node, and verifies it offline with what another says to trust.
fn issues(world: &mut QuicWorld, number: u64, place: NodeIndex, bundle: NodeIndex) {
    let request = issue(world, number);
    let Response::IssueCertificate(issued) = ask(world, place, request).0.unwrap() else { panic!() };
    let trusted = Request::TrustBundle(TrustBundleRequest {});
    let Response::TrustBundle(bundle) = ask(world, bundle, trusted).0.unwrap() else { panic!() };
    TrustBundle::check(&bundle).unwrap();
    let proof = CertificateProof::from_pem(&issued.proof_pem).unwrap();
    let expected = name("web.demo.hypermesh");
    let der = &issued.certificate_der;
    let verification = verify_certificate(&bundle, der, Some(&proof), Some(&expected), world.wall());
    assert!(verification.valid, "{verification:?}");
}

fn is_about(took: Duration, expected: Duration) -> bool {
    (expected..expected + ROUNDING).contains(&took)
}

#[test]
fn a_first_call_takes_two_round_trips_one_of_them_to_connect_and_the_next_takes_one() {
    let mut world = slow(1);
    let first = ask(&mut world, 0, read()).1;
    let second = ask(&mut world, 0, read()).1;
    assert!(is_about(first, 2 * ROUND_TRIP), "{first:?}");
    assert!(is_about(second, ROUND_TRIP), "{second:?}");
    assert_eq!(world.client().dials, 1);
}

#[test]
fn a_hundred_reads_at_once_on_one_connection_take_one_round_trip_together() {
    let mut world = slow(2);
    ask(&mut world, 0, read()).0.unwrap();
    let answers = ask_all(&mut world, (0..100).map(|_| (0, read())).collect());
    assert!(answers.iter().all(|(response, _)| response.is_ok()));
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap();
    // More than the first flight that congestion control allows may be one more, and not a hundred.
    assert!(slowest <= 2 * ROUND_TRIP + ROUNDING, "{slowest:?}");
    assert_eq!(world.client().dials, 1);
}

#[test]
fn reads_do_not_wait_for_a_slow_call_before_them_on_the_same_connection() {
    let mut world = slow(3);
    ask(&mut world, 0, read()).0.unwrap();
    let mut requests = vec![(0, issue(&world, 1))];
    requests.extend((0..20).map(|_| (0, read())));
    let answers = ask_all(&mut world, requests);
    assert!(answers.iter().all(|(response, _)| response.is_ok()));
    // Consensus takes several rounds between nodes.
    assert!(answers[0].1 > 2 * ROUND_TRIP, "{:?}", answers[0].1);
    assert!(answers[1..].iter().all(|(_, took)| is_about(*took, ROUND_TRIP)), "{answers:?}");
    assert_eq!(world.client().dials, 1);
}

#[test]
fn a_lost_datagram_holds_up_its_own_calls_and_no_others() {
    let mut world = slow(4);
    ask(&mut world, 0, read()).0.unwrap();
    world.lose(150);
    let answers = ask_all(&mut world, (0..100).map(|_| (0, read())).collect());
    assert!(answers.iter().all(|(response, _)| response.is_ok()));
    let late = |took: &Duration| *took >= ROUND_TRIP + ROUND_TRIP / 2;
    let first_late = answers.iter().position(|(_, took)| late(took)).expect("something was lost");
    let overtaken = answers[first_late..].iter().filter(|(_, took)| !late(took)).count();
    assert!(overtaken > 10, "{overtaken} calls overtook an earlier one");
    assert_eq!(world.client().dials, 1);
}

#[test]
fn there_is_one_connection_to_each_peer_however_many_calls() {
    let mut world = ready(5, Options::default());
    let answers = ask_all(&mut world, (0..200).map(|number| (number % 4, read())).collect());
    assert!(answers.iter().all(|(response, _)| response.is_ok()));
    assert_eq!((world.client().dials, world.client().total_requests), (4, 200));
}

#[test]
fn a_call_to_a_node_that_is_not_reached_times_out_and_one_after_it_is_answered() {
    let mut world = ready(6, Options::default());
    let link = Link { source: 4, target: 0 };
    world.change_faults(|faults| faults.cut.extend([link]));
    let (response, took) = ask(&mut world, 0, read());
    assert!(matches!(response, Err(CallError::Dial(_) | CallError::DeadlineExceeded)), "{response:?}");
    assert!(took <= Duration::from_secs(31), "{took:?}");
    world.change_faults(|faults| faults.cut.clear());
    ask(&mut world, 0, read()).0.unwrap();
}

#[test]
fn a_call_is_tried_again_until_a_node_that_was_down_is_there() {
    let mut world = ready(7, Options::default());
    world.crash(1);
    let id = world.request(1, read());
    world.run_for(Duration::from_secs(3)).unwrap();
    assert!(world.answer(id).is_none());
    world.start(1);
    world.run_until("an answer", PATIENCE, |world| world.answer(id).is_some()).unwrap();
    world.answer(id).unwrap().response.unwrap();
    assert!(world.client().retries > 0);
}

#[test]
fn without_a_quorum_a_call_says_so_and_with_one_it_is_answered_when_repeated() {
    let mut world = ready(8, Options::default());
    world.crash(2);
    world.crash(3);
    let request = issue(&world, 1);
    let (response, _) = ask(&mut world, 0, request.clone());
    let error = response.unwrap_err();
    assert!(matches!(error, CallError::Refused { .. } | CallError::DeadlineExceeded), "{error}");
    world.start(2);
    world.run_until("three nodes linked", PATIENCE, |world| all_linked(world, 3)).unwrap();
    let response = ask(&mut world, 1, request).0.unwrap();
    assert!(matches!(response, Response::IssueCertificate(_)));
}

#[test]
fn a_peer_that_takes_calls_and_never_answers_costs_its_callers_a_deadline_and_the_mesh_nothing() {
    let mut world = ready(9, Options::default());
    world.silence(3, true);
    let id = world.request(3, read());
    issues(&mut world, 1, 0, 1);
    world.run_until("the deadline", PATIENCE, |world| world.answer(id).is_some()).unwrap();
    assert!(matches!(world.answer(id).unwrap().response, Err(CallError::DeadlineExceeded)));
    assert!(world.coverage().count(FaultClass::SilentPeer) > 0);
    world.silence(3, false);
    world.run_until("all nodes ready again", PATIENCE, QuicWorld::is_ready).unwrap();
    issues(&mut world, 2, 3, 0);
}

#[test]
fn a_client_whose_address_changes_keeps_its_connection() {
    let mut world = ready(10, Options::default());
    ask(&mut world, 0, read()).0.unwrap();
    for away in [true, false] {
        world.relocate(4, away);
        ask(&mut world, 0, read()).0.unwrap();
    }
    assert_eq!(world.coverage().count(FaultClass::AddressChange), 2);
    assert_eq!(world.client().dials, 1);
}

#[test]
fn a_node_whose_address_changes_is_found_where_it_is_and_where_it_was() {
    let mut world = ready(11, Options::default());
    for (number, away) in [(1, true), (2, false)] {
        world.relocate(3, away);
        // Longer than a connection lives without an answer.
        world.run_for(Duration::from_secs(8)).unwrap();
        world.run_until("all nodes linked", PATIENCE, |world| all_linked(world, 4)).unwrap();
        issues(&mut world, number, 0, 1);
        let height = world.view(0).unwrap().state.height();
        world
            .run_until("the node that moved at the others' height", PATIENCE, |world| {
                world.view(3).unwrap().state.height() >= height
            })
            .unwrap();
    }
    assert!(world.coverage().count(FaultClass::AddressChange) >= 2);
}

#[test]
fn a_node_that_moves_and_comes_back_before_it_sends_anything_goes_on_as_if_it_had_stayed() {
    let mut world = ready(17, Options::default());
    world.relocate(3, true);
    world.relocate(3, false);
    world.run_for(Duration::from_secs(8)).unwrap();
    assert!(all_linked(&world, 4));
    issues(&mut world, 1, 3, 0);
}

#[test]
fn damaged_datagrams_are_refused_and_what_they_held_is_sent_again() {
    let mut world = ready(12, Options::default());
    for truncates in [false, true] {
        let damage = Damage { per_mille: 150, truncates };
        world.change_faults(|faults| faults.damaged = (0..5).map(|place| (place, damage)).collect());
        issues(&mut world, u64::from(truncates) + 1, 0, 1);
    }
    let coverage = world.coverage();
    assert!(coverage.count(FaultClass::Corruption) > 10 && coverage.count(FaultClass::Truncation) > 10);
}

#[test]
fn nothing_gets_through_from_a_node_all_of_whose_datagrams_are_damaged() {
    let mut world = ready(13, Options::default());
    let damage = Damage { per_mille: 1000, truncates: false };
    world.change_faults(|faults| faults.damaged.extend([(3, damage)]));
    world.run_for(Duration::from_secs(10)).unwrap();
    assert!((0..3).all(|place| world.view(place).unwrap().status.connected == 3));
    assert_eq!(world.view(3).unwrap().status.connected, 1);
}

#[test]
fn large_datagrams_that_vanish_are_sent_again_as_small_ones() {
    let mut world = ready(14, Options::default());
    issues(&mut world, 1, 0, 1);
    world.change_faults(|faults| faults.bytes_max = Some(1200));
    issues(&mut world, 2, 1, 2);
    assert!(world.coverage().count(FaultClass::BlackHole) > 0);
}

#[test]
fn halves_decide_nothing_and_go_on_when_they_are_one_again() {
    let mut world = ready(15, Options::default());
    issues(&mut world, 1, 0, 1);
    world.partition(&[0, 0, 1, 1]);
    // What was decided already may still become known.
    world.run_for(Duration::from_secs(2)).unwrap();
    let heights = |world: &QuicWorld| world.views().map(|view| view.state.height()).collect::<Vec<_>>();
    let before = heights(&world);
    world.run_for(Duration::from_secs(10)).unwrap();
    assert_eq!(heights(&world), before);
    world.heal();
    world.run_until("all nodes linked", PATIENCE, |world| all_linked(world, 4)).unwrap();
    issues(&mut world, 2, 3, 0);
    world.finish().unwrap();
}

#[test]
fn what_does_not_come_about_is_a_fault_that_says_how_the_nodes_are() {
    let mut world = QuicWorld::new(1, Options { start: Start::Empty, ..Options::default() });
    world.partition(&[0, 0, 1, 1]);
    let fault = world.run_until("all nodes ready", Duration::from_secs(3), QuicWorld::is_ready).unwrap_err();
    assert!(
        matches!(&fault, RunFault::Stalled { state, .. } if state.contains("node-4 at height 0")),
        "{fault}"
    );
}

#[test]
fn a_mesh_without_keys_generates_them_and_issues() {
    let mut world = ready(16, Options { start: Start::Empty, ..Options::default() });
    issues(&mut world, 1, 0, 1);
}

// --- determinism ---

/// The seed of the plan that is played in several processes.
const SEED: u64 = 5;

fn played() -> PlanOutcome {
    play(&Plan::of_seed(SEED, Shape { world: WorldKind::Quic, ..Shape::default() }))
}

#[test]
fn the_same_plan_gives_the_same_datagrams_on_threads_of_their_own_and_another_seed_others() {
    let runs: Vec<_> = (0..2).map(|_| std::thread::spawn(played)).collect();
    let runs: Vec<PlanOutcome> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0].failure, None);
    let other = play(&Plan::of_seed(SEED + 1, Shape { world: WorldKind::Quic, ..Shape::default() }));
    assert_ne!(runs[0].hash, other.hash);
}

#[test]
fn another_process_plays_the_same_datagrams() {
    let this = std::env::current_exe().unwrap();
    let other = std::process::Command::new(this)
        .args(["--exact", "quic::tests::tells_the_hash_to_another_process", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&other.stdout);
    let hash = format!("hash {}", played().hash);
    assert!(told.contains(&hash), "{hash} here, and there {told}");
}

#[test]
#[ignore = "another test runs it, in a process of its own"]
fn tells_the_hash_to_another_process() {
    println!("hash {}", played().hash);
}

#[test]
fn a_caller_that_gives_up_or_runs_out_of_time_leaves_nothing_behind_at_its_node() {
    let mut world = slow(11);
    ask(&mut world, 0, read()).0.unwrap();
    let requests: Vec<Request> = (1..=20).map(|number| issue(&world, number)).collect();
    let ids: Vec<RequestId> = requests.into_iter().map(|request| world.request(0, request)).collect();
    // The requests have come, and no block can be there yet.
    world.run_for(ONE_WAY * 2).unwrap();
    ids.iter().for_each(|id| world.cancel(0, *id));
    // A node's numbers are taken once a second.
    world.run_for(Duration::from_secs(3)).unwrap();
    assert!(ids.iter().all(|id| world.answer(*id).is_none()), "whoever gave up gets no answer");
    let metrics = Request::HypermeshMetrics(HypermeshMetricsRequest {});
    let Response::HypermeshMetrics(metrics) = ask(&mut world, 0, metrics).0.unwrap() else { panic!() };
    let number = |name: &str| metrics.counters.get(name).copied().unwrap();
    assert_eq!(number("requests_admitted_total"), 20);
    assert_eq!(number("requests_abandoned_total"), 20);
    for table in ["requests under way", "requests that wait for operations", "signing sessions"] {
        assert_eq!(number(&format!("table_entries{{table=\"{table}\"}}")), 0, "{table}");
    }
    // What was in a batch is executed, and signed for whoever asks for it.
    issues(&mut world, 21, 0, 1);
}
