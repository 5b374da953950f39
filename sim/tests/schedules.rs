//! Schedules of faults, lies and requests as strategies of proptest: each is a plan that can be played, and one that fails
//! shrinks to the faults that it takes, the shortest and the earliest.
//!
//! A swarm draws every class of faults there is, with rates that were chosen by hand, and shrinks plans by taking things away.
//! Here there are few kinds of faults, in any order and at any time, down to none at all; and proptest shrinks every
//! number in them too. `PROPTEST_CASES` says how many are tried.

use hypermesh_sim::plan::{
    ClientRequest, DiskFault, Fault, FaultClass, FollowUp, Liar, PathFault, Plan, ProcessFault, Rest, Shape,
    TimedFault, TimedRequest, WorldKind, play,
};
use hypermesh_sim::world::{Lie, NodeIndex, Start};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

const NODES: usize = 4;
/// How long the chaos lasts.
const CHAOS_MS: u64 = 2_500;
/// How many schedules are tried where nobody says how many.
const CASES: u32 = 10;
/// What proptest itself would try where nobody says how many.
const CASES_UNTOLD: u32 = 256;

/// Faults that may happen to every node, and to all at once.
fn harmless() -> impl Strategy<Value = Fault> {
    let place = || 0..NODES;
    let pair = || (place(), 1..NODES).prop_map(|(source, step)| (source, (source + step) % NODES));
    prop_oneof![
        4 => place().prop_map(|place| Fault::Crash { place }),
        4 => prop::collection::vec(0..2_u8, NODES).prop_map(|sides| Fault::Partition { sides }),
        2 => (1..500_u64).prop_map(|per_mille| Fault::Loss { per_mille }),
        2 => pair().prop_map(|(source, target)| Fault::Flap { source, target }),
        2 => pair().prop_map(|(source, target)| Fault::Path { path: PathFault::OneWay { source, target } }),
        1 => (1..300_u64).prop_map(|per_mille| Fault::Path { path: PathFault::Duplicates { per_mille } }),
        1 => Just(Fault::PowerLoss),
        1 => (place(), 1..40_u64).prop_map(|(place, outputs)| Fault::Process {
            place,
            process: ProcessFault::CrashInStep { outputs },
        }),
        1 => place().prop_map(|place| Fault::Process { place, process: ProcessFault::Pause }),
        1 => place().prop_map(|place| Fault::Disk { place, disk: DiskFault::WriteErrors }),
    ]
}

/// What happens to the disk of the one node that may be as bad as a liar.
fn harmful(place: NodeIndex) -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::WipeDisk { place }),
        Just(Fault::LoseLog { place }),
        Just(Fault::OldDisk { place }),
        (0..64_u64).prop_map(move |row| Fault::Rot { place, row }),
    ]
}

fn timed(fault: impl Strategy<Value = Fault>) -> impl Strategy<Value = TimedFault> {
    (0..CHAOS_MS, 0..CHAOS_MS, fault).prop_map(|(at_ms, for_ms, fault)| {
        let for_ms = for_ms.min(CHAOS_MS - at_ms);
        TimedFault { at_ms, for_ms, fault }
    })
}

/// How the one node lies, if it does.
fn lies() -> impl Strategy<Value = Lie> {
    let planned: Vec<Lie> = Lie::EVERY.iter().copied().filter(|lie| lie.is_planned()).collect();
    prop::sample::select(planned)
}

fn requests() -> impl Strategy<Value = TimedRequest> {
    let asks = prop_oneof![
        2 => Just(ClientRequest::Issue),
        1 => Just(ClientRequest::Register),
        1 => any::<bool>().prop_map(|hot| ClientRequest::Update { hot }),
        1 => Just(ClientRequest::Resolve),
        1 => Just(ClientRequest::Prove),
        2 => (1..1_000_000_u64).prop_map(|amount| ClientRequest::Transfer { amount }),
    ];
    let thens = prop_oneof![
        4 => Just(FollowUp::Wait),
        1 => (0..1_000_u64).prop_map(|after_ms| FollowUp::GiveUp { after_ms }),
        1 => (0..NODES, 0..1_000_u64).prop_map(|(place, after_ms)| FollowUp::RetryElsewhere { place, after_ms }),
        1 => (0..1_000_u64).prop_map(|after_ms| FollowUp::Repeat { after_ms }),
    ];
    (0..CHAOS_MS, 0..NODES, asks, thens).prop_map(|(at_ms, place, ask, then)| TimedRequest {
        at_ms,
        place,
        ask,
        then,
    })
}

/// Plans: any faults and requests, and one node that lies, or has a damaged disk, or neither.
fn plans() -> impl Strategy<Value = Plan> {
    let impaired = (0..NODES).prop_flat_map(|place| {
        let lie = prop::option::of(lies().prop_map(move |lie| Liar { place, lie }));
        (Just(place), lie, prop::collection::vec(timed(harmful(place)), 0..2))
    });
    let faults = prop::collection::vec(timed(harmless()), 0..8);
    let rest = prop::sample::select(vec![Rest::AsLeft, Rest::Down, Rest::CutOff]);
    let seed = 0..1_000_u64;
    (seed, impaired, faults, prop::collection::vec(requests(), 0..6), rest).prop_map(
        |(seed, (place, liar, damage), faults, requests, rest)| {
            // What a seed says of pace and skew, and nothing of its faults; a mesh that has its keys.
            let seed = seed - seed % 32;
            let shape = Shape { world: WorldKind::World, nodes: Some(NODES) };
            let mut plan = Plan::of_seed(seed, shape);
            plan.start = Start::Ready;
            plan.chaos_ms = CHAOS_MS;
            plan.healed = (0..NODES).filter(|healed| *healed != place).collect();
            plan.rest = rest;
            plan.liars = liar.into_iter().collect();
            plan.faults = [faults, damage].concat();
            plan.faults.sort_by_key(|timed| timed.at_ms);
            plan.requests = requests;
            plan.requests.sort_by_key(|request| request.at_ms);
            plan
        },
    )
}

/// So many schedules, or as many as `PROPTEST_CASES` asks for.
fn config() -> Config {
    let given = Config::default();
    let cases = if given.cases == CASES_UNTOLD { CASES } else { given.cases };
    // Every step of shrinking is a whole run.
    Config { cases, max_shrink_iters: 500, ..given }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_the_schedule_promises_hold_and_everything_is_answered_in_the_end(plan in plans()) {
        prop_assert_eq!(plan.check(), Ok(()));
        let failure = play(&plan).failure;
        prop_assert!(failure.is_none(), "{:?}\n{}", failure, plan.to_toml());
    }
}

proptest! {
    #[test]
    fn every_schedule_is_one_that_a_plan_may_have_and_its_file_says_it_all(plan in plans()) {
        prop_assert_eq!(plan.check(), Ok(()));
        prop_assert_eq!(Plan::from_toml(&plan.to_toml()), Ok(plan));
    }
}

/// The plan that a property which cannot hold shrinks to.
fn shrunk(property: impl Fn(&Plan) -> bool) -> Plan {
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let found = TestRunner::new_with_rng(config, random).run(&plans(), |plan| {
        if property(&plan) { Ok(()) } else { Err(TestCaseError::fail("it does not hold")) }
    });
    match found {
        Err(TestError::Fail(_, plan)) => plan,
        other => panic!("what cannot hold was not found out: {other:?}"),
    }
}

#[test]
fn a_property_that_cannot_hold_shrinks_to_the_one_fault_that_breaks_it() {
    // "No node goes down": the run itself says whether one did. Plans in which none is told to need not be played.
    let is_crash = |timed: &TimedFault| matches!(timed.fault, Fault::Crash { .. });
    let crashes = |plan: &Plan| plan.faults.iter().any(is_crash);
    let plan = shrunk(|plan| !crashes(plan) || play(plan).coverage.count(FaultClass::Crash) == 0);
    let least = TimedFault { at_ms: 0, for_ms: 0, fault: Fault::Crash { place: 0 } };
    assert_eq!(plan.faults, [least], "{}", plan.to_toml());
    assert_eq!((plan.liars.len(), plan.requests.len(), plan.seed), (0, 0, 0), "{}", plan.to_toml());
}
