use super::*;
use std::time::Duration;

#[test]
fn a_plan_is_read_back_as_it_was_printed() {
    for seed in 0..200 {
        let plan = Plan::of_seed(seed, Shape::default());
        assert_eq!(Plan::from_toml(&plan.to_toml()), Ok(plan), "seed {seed}");
    }
}

#[test]
fn what_is_no_plan_is_refused_with_the_line() {
    let text = Plan::of_seed(1, Shape::default()).to_toml();
    let unknown = text.replacen("nodes =", "nodez =", 1);
    assert!(matches!(Plan::from_toml(&unknown), Err(PlanFault::Malformed(what)) if what.contains("line")));
    let old = text.replacen("format = 1", "format = 9", 1);
    assert_eq!(Plan::from_toml(&old), Err(PlanFault::Format(9)));
}

#[test]
fn a_plan_for_the_other_cryptography_is_refused_with_the_command_that_plays_it() {
    let plan = Plan::of_seed(1, Shape::default());
    let line = plan.to_toml().lines().find(|line| line.starts_with("suite")).map(str::to_string).unwrap();
    let without = plan.to_toml().replacen(&line, "", 1);
    assert_eq!(Plan::from_toml(&without), Ok(plan.clone()), "if nothing is said it is this build's");
    let (other, named, command) = match Suite::BUILT {
        Suite::Real => (Suite::Simulation, "suite = \"simulation\"", "cargo scenario-simulated replay"),
        Suite::Simulation => (Suite::Real, "suite = \"real\"", "`cargo scenario replay"),
    };
    let fault = Plan::from_toml(&plan.to_toml().replacen(&line, named, 1)).unwrap_err();
    assert_eq!(fault, PlanFault::Suite(other));
    assert!(fault.to_string().contains(command), "{fault}");
}

#[test]
fn more_than_f_damaged_disks_or_liars_are_refused_and_so_is_a_healed_liar() {
    let mut plan = Plan::of_seed(0, Shape { nodes: Some(4), ..Shape::default() });
    plan.faults.clear();
    plan.liars = vec![Liar { place: 3, lie: crate::world::Lie::BadShares }];
    plan.healed = vec![0, 1, 2];
    assert_eq!(plan.check(), Ok(()));
    plan.faults = vec![TimedFault { at_ms: 0, for_ms: 1, fault: Fault::WipeDisk { place: 2 } }];
    assert!(matches!(plan.check(), Err(PlanFault::Unrecoverable(_))));
    plan.faults.clear();
    plan.healed = vec![1, 2, 3];
    assert!(matches!(plan.check(), Err(PlanFault::Unrecoverable(_))));
    plan.healed = vec![0, 1];
    assert!(matches!(plan.check(), Err(PlanFault::Unrecoverable(_))));
}

#[test]
fn limits_of_a_plan_hold_at_them_and_not_one_past() {
    assert_eq!(bounded("nodes", NODE_COUNT_MAX, NODE_COUNT_MAX), Ok(()));
    let mut plan = Plan::of_seed(0, Shape::default());
    let fault = TimedFault { at_ms: 0, for_ms: 0, fault: Fault::PowerLoss };
    plan.faults = vec![fault.clone(); FAULT_COUNT_MAX];
    assert_eq!(plan.check(), Ok(()));
    plan.faults.push(fault);
    assert!(matches!(plan.check(), Err(PlanFault::TooMany { what: "faults", .. })));
    plan.faults.clear();
    let one = TimedRequest { at_ms: 0, place: 0, ask: ClientRequest::Issue, then: FollowUp::Wait };
    plan.requests = vec![one; REQUEST_COUNT_MAX + 1];
    assert!(matches!(plan.check(), Err(PlanFault::TooMany { what: "requests", .. })));
    plan.requests.pop();
    assert_eq!(plan.check(), Ok(()));
    plan.nodes = NODE_COUNT_MAX + 1;
    assert!(matches!(plan.check(), Err(PlanFault::TooMany { what: "nodes", .. })));
}

#[test]
fn the_same_plan_gives_the_same_run() {
    let plan = Plan::of_seed(3, Shape::default());
    let once = play(&plan);
    assert_eq!(once, play(&plan));
    assert_eq!(once.failure, None);
    assert_ne!(once.hash, play(&Plan { seed: 4, ..plan }).hash);
}

/// A runner in which a run fails if its plan holds a crash of node 2 and a transfer.
fn contrived(plan: &Plan) -> PlanOutcome {
    let crash = plan.faults.iter().any(|timed| timed.fault == Fault::Crash { place: 2 });
    let transfer = plan.requests.iter().any(|request| matches!(request.ask, ClientRequest::Transfer { .. }));
    let failure = (crash && transfer).then(|| Failure {
        kind: FailureKind::Safety,
        check: "contrived".to_string(),
        what: String::new(),
    });
    PlanOutcome {
        hash: hypermesh_core::base::Digest::ZERO,
        events: 0,
        simulated: hypermesh_core::base::Mono(0),
        coverage: Coverage::default(),
        marks: std::collections::BTreeMap::new(),
        answered: 0,
        lines: Vec::new(),
        tape: Vec::new(),
        records: Vec::new(),
        failure,
    }
}

#[test]
fn a_failing_plan_is_cut_down_to_what_the_failure_needs() {
    let plan = (0..).map(|seed| Plan::of_seed(seed, Shape::default()));
    let plan = plan.into_iter().find(|plan| contrived(plan).failure.is_some()).unwrap();
    let failure = contrived(&plan).failure.unwrap();
    let shrunk = shrink(&plan, &failure, Duration::from_secs(60), contrived).unwrap();
    assert_eq!(shrunk.plan.faults.len(), 1);
    assert_eq!(shrunk.plan.requests.len(), 1);
    assert_eq!((shrunk.plan.liars.len(), shrunk.plan.nodes), (0, 4));
    assert_eq!(shrunk.outcome.failure, Some(failure));
}

#[test]
fn where_more_lie_than_can_be_tolerated_the_honest_stay_up_and_tell_who_equivocates() {
    for seed in 0..3 {
        let plan = Plan::beyond_of_seed(seed, Shape { nodes: Some(4), ..Shape::default() });
        assert_eq!(plan.check(), Ok(()));
        assert!(plan.liars.len() > plan.tolerated());
        assert_eq!(play(&plan).failure, None, "seed {seed}");
        let strict = Plan { beyond_tolerated: false, ..plan };
        assert!(matches!(strict.check(), Err(PlanFault::Unrecoverable(_))));
    }
}

/// Plays so many seeds: `HYPERMESH_SEEDS` (first,count). Run by hand; the runner's `swarm` does it with threads.
fn many_seeds_pass(world: WorldKind) {
    let wanted = std::env::var("HYPERMESH_SEEDS").unwrap_or_default();
    let mut numbers = wanted.split(',').filter_map(|number| number.parse::<u64>().ok());
    let (first, count) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(300));
    let (mut coverage, mut simulated_us, mut failed) = (Coverage::default(), 0, Vec::new());
    let began = std::time::Instant::now();
    for seed in first..first + count {
        let started = std::time::Instant::now();
        let outcome = play(&Plan::of_seed(seed, Shape { world, ..Shape::default() }));
        println!("seed {seed}: {} events in {:?}", outcome.events, started.elapsed());
        coverage.add(&outcome.coverage);
        simulated_us += outcome.simulated.0;
        if let Some(failure) = outcome.failure {
            println!("seed {seed}: {:.600}", failure.to_string());
            failed.push(seed);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for class in FaultClass::ALL {
        println!("{:24} {}", class.name(), coverage.count(*class));
    }
    let missing: Vec<&str> = coverage.missing(world).iter().map(|class| class.name()).collect();
    println!("missing: {missing:?}; failed: {failed:?}");
    let (seeds, simulated) = (count as f64 / seconds, simulated_us as f64 / 1e6 / seconds);
    println!("{count} seeds in {seconds:.1} s: {seeds:.2} seeds/s, {simulated:.0} simulated s per second");
    assert!(failed.is_empty());
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn many_world_seeds_pass() {
    many_seeds_pass(WorldKind::World);
}

#[test]
#[ignore = "it takes minutes: run it in a release build"]
fn many_quic_seeds_pass() {
    many_seeds_pass(WorldKind::Quic);
}

#[test]
fn plans_of_a_world_hold_nothing_that_it_has_not() {
    for seed in 0..200 {
        let plan = Plan::of_seed(seed, Shape { world: WorldKind::Quic, ..Shape::default() });
        assert_eq!(plan.check(), Ok(()), "seed {seed}");
    }
    let mut plan = Plan::of_seed(0, Shape { world: WorldKind::Quic, ..Shape::default() });
    let flap = TimedFault { at_ms: 0, for_ms: 1, fault: Fault::Flap { source: 0, target: 1 } };
    plan.faults = vec![flap];
    assert_eq!(plan.check(), Err(PlanFault::Foreign { what: "fault", number: 0 }));
    plan.faults.clear();
    plan.liars = vec![Liar { place: 0, lie: crate::world::Lie::Twin }];
    assert_eq!(plan.check(), Err(PlanFault::Foreign { what: "liar", number: 0 }));
    let moves = Fault::Path { path: PathFault::Moves { place: 0 } };
    plan = Plan::of_seed(0, Shape::default());
    plan.faults = vec![TimedFault { at_ms: 0, for_ms: 1, fault: moves }];
    assert_eq!(plan.check(), Err(PlanFault::Foreign { what: "fault", number: 0 }));
}

/// What a plan fails with, if it is played although no promise holds in it.
fn stall_of(plan: &Plan) -> String {
    let failure = play(plan).failure.unwrap();
    assert_eq!((failure.kind, failure.check.as_str()), (FailureKind::Liveness, "progress"), "{failure}");
    failure.what
}

#[test]
fn without_progress_a_run_fails_and_says_which_stall_it_is() {
    let plan = Plan::of_seed(0, Shape { nodes: Some(4), ..Shape::default() });
    let calm = Plan {
        faults: Vec::new(),
        liars: Vec::new(),
        requests: Vec::new(),
        healed: vec![0, 1, 2],
        rest: Rest::Down,
        chaos_ms: 1_000,
        ..plan
    };
    assert_eq!(play(&calm).failure, None);
    let hasty = stall_of(&Plan { progress_ms: 1, ..calm.clone() });
    assert!(hasty.contains("no legal stall"), "{hasty}");
    // One of the three that are said to be healed says nothing: the plan promises what it must not.
    let liars = vec![Liar { place: 2, lie: crate::world::Lie::Silence }];
    let silent = stall_of(&Plan { liars, progress_ms: 10_000, ..calm.clone() });
    assert!(
        silent.contains("no quorum: 2 of 4") && silent.contains("node-3 lies, node-4 is down"),
        "{silent}"
    );
    // Keys take all four, and the fourth is down for good.
    let crash = TimedFault { at_ms: 0, for_ms: 1_000, fault: Fault::Crash { place: 3 } };
    let start = Start::Empty;
    let keyless = stall_of(&Plan { start, faults: vec![crash], progress_ms: 10_000, ..calm });
    assert!(
        keyless.contains("waiting for key generation") && keyless.contains("node-4 is down"),
        "{keyless}"
    );
}
