//! A mesh on QUIC: calm, with a node that dies, divided; and the same each time.

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn plan(steps: &[Step]) -> Plan {
    Plan { options: Options { keep_lines: true, ..Options::default() }, steps: steps.to_vec() }
}

/// Runs a plan that passes.
fn passes(seed: u64, plan: &Plan) -> Report {
    let report = run(seed, plan);
    if report.fault.is_some() {
        report.lines.iter().filter(|line| !line.contains(" datagram ")).for_each(|line| println!("{line}"));
    }
    assert_eq!(report.fault, None);
    report
}

#[test]
fn a_mesh_becomes_ready_and_issues_a_certificate_that_verifies_offline() {
    passes(1, &plan(&[Step::AwaitReady, Step::Issue { place: 0, bundle: 1 }]));
}

#[test]
fn certificates_are_issued_before_while_and_after_a_node_is_down() {
    passes(
        2,
        &plan(&[
            Step::AwaitReady,
            Step::Issue { place: 0, bundle: 1 },
            Step::Crash { place: 2 },
            Step::Issue { place: 1, bundle: 3 },
            Step::Start { place: 2 },
            Step::AwaitReady,
            Step::AwaitSameHeight,
            Step::Issue { place: 2, bundle: 0 },
        ]),
    );
}

#[test]
fn a_mesh_goes_on_without_a_node_that_is_cut_off_and_takes_it_back() {
    passes(
        3,
        &plan(&[
            Step::AwaitReady,
            Step::Partition { sides: vec![0, 0, 0, 1] },
            Step::Issue { place: 0, bundle: 1 },
            Step::Pass { duration: Duration::from_secs(10) },
            Step::Heal,
            Step::AwaitSameHeight,
            Step::Issue { place: 3, bundle: 0 },
        ]),
    );
}

#[test]
fn halves_decide_nothing_and_go_on_when_they_are_one_again() {
    let mut world = QuicWorld::new(4, Options::default());
    world.run_until("all nodes ready", PATIENCE, QuicWorld::is_ready).unwrap();
    world.issue(1, 0, 1).unwrap();
    world.partition(&[0, 0, 1, 1]);
    // What was decided already may still become known.
    world.run_for(Duration::from_secs(2)).unwrap();
    let heights = |world: &QuicWorld| world.views().map(|view| view.state.height()).collect::<Vec<_>>();
    let before = heights(&world);
    world.run_for(Duration::from_secs(10)).unwrap();
    assert_eq!(heights(&world), before);
    world.heal();
    world.run_until("all nodes ready again", PATIENCE, QuicWorld::is_ready).unwrap();
    world.issue(2, 3, 0).unwrap();
    world.finish().unwrap();
}

#[test]
fn lost_datagrams_are_made_good() {
    passes(
        5,
        &plan(&[
            Step::AwaitReady,
            Step::Lose { per_mille: 30 },
            Step::Issue { place: 0, bundle: 1 },
            Step::Issue { place: 3, bundle: 2 },
        ]),
    );
}

#[test]
fn the_same_seed_gives_the_same_datagrams_and_events_and_another_seed_others() {
    let plan = Plan::standard(true);
    let (once, again) = (passes(7, &plan), run(7, &plan));
    let difference = once.lines.iter().zip(&again.lines).find(|(one, other)| one != other);
    assert_eq!(difference, None);
    assert_eq!(once, again);
    assert_ne!(once.trace, run(8, &plan).trace);
}

#[test]
fn runs_on_several_threads_at_once_do_not_touch_each_other() {
    let calm = plan(&[Step::AwaitReady, Step::Issue { place: 0, bundle: 1 }]);
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let calm = calm.clone();
            std::thread::spawn(move || run(9, &calm))
        })
        .collect();
    let runs: Vec<Report> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn what_does_not_come_about_is_a_fault_that_says_how_the_nodes_are() {
    let mut world = QuicWorld::new(1, Options::default());
    world.partition(&[0, 0, 1, 1]);
    let fault = world.run_until("all nodes ready", Duration::from_secs(3), QuicWorld::is_ready).unwrap_err();
    assert!(
        matches!(&fault, RunFault::Stalled { state, .. } if state.contains("node-4 at height 0")),
        "{fault}"
    );
}
