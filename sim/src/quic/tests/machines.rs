//! Nodes that lie on the real transport, and machines that fail under it.

use super::*;
use crate::base::Disk;
use crate::fault::{FaultClass, Lie};
use crate::world::BadWrites;
use hypermesh_core::base::Table;

const LIAR: NodeIndex = 2;
const SECOND: Duration = Duration::from_secs(1);

/// All nodes that run come further than any is now.
fn goes_on(world: &mut QuicWorld, places: &[NodeIndex]) {
    let highest = world.views().map(|view| view.state.height()).max().unwrap();
    world
        .run_until("all further on", PATIENCE, |world| {
            let further = |view: Arc<View>| view.state.height().0 > highest.0 + 2;
            places.iter().all(|place| world.view(*place).is_some_and(further))
        })
        .unwrap();
    world.finish().unwrap();
}

/// A mesh in which one lies while clients ask for certificates and one node has to catch up; the lie takes effect and
/// the honest go on.
fn told(seed: u64, lie: Lie) -> QuicWorld {
    let mut world = ready(seed, Options::default());
    world.corrupt(LIAR, lie);
    for turn in 0..16 {
        let place = [0, 1, 3, LIAR][turn as usize % 4];
        let request = issue(&world, turn + 1);
        world.request(place, request);
        match turn {
            6 => world.crash(0),
            11 => world.start(0),
            _ => {}
        }
        world.run_for(SECOND).unwrap();
    }
    let class = lie.class().unwrap();
    assert!(world.coverage().count(class) > 0, "{} did not take effect", class.name());
    goes_on(&mut world, &[0, 1, 3]);
    world
}

fn is_blamed(world: &QuicWorld) -> bool {
    let blames = |event: &Event| {
        matches!(event, Event::Equivocation(_) | Event::Culprit { .. } | Event::InvalidBlock { .. })
    };
    world.events().iter().any(|(_, place, event)| *place != LIAR && blames(event))
}

#[test]
fn liars_on_quic_are_found_out_by_name() {
    for lie in [Lie::EquivocatingVoter, Lie::WrongStateRoot, Lie::BadShares] {
        assert!(is_blamed(&told(21, lie)), "{lie:?}");
    }
}

#[test]
fn liars_on_quic_who_cannot_be_blamed_stop_nobody() {
    for lie in [Lie::Garbage, Lie::NoBlocks, Lie::LateShares, Lie::RogueCertificates] {
        told(22, lie);
    }
}

#[test]
fn the_checks_see_what_nodes_say_on_quic() {
    let mut world = ready(23, Options::default());
    // Nobody tells the checks that it lies.
    let host = &world.hosts[LIAR];
    host.behaviour().lying = Some(node_under_test::Lying {
        liar: crate::world::Liar::new(Lie::EquivocatingVoter),
        random: host.lies(),
        stolen_keys: crate::world::StolenKeys::default(),
    });
    let fault = world.run_for(PATIENCE).unwrap_err();
    assert!(matches!(&fault, RunFault::Violation(violation) if violation.check == "evidence"), "{fault}");
}

#[test]
fn marks_outlive_the_nodes_that_reached_them() {
    let mut world = ready(24, Options::default());
    world.crash(2);
    world.run_for(8 * SECOND).unwrap();
    world.start(2);
    world.run_until("all nodes ready again", PATIENCE, QuicWorld::is_ready).unwrap();
    let marks = world.marks();
    assert!(!marks.is_empty());
    (0..4).for_each(|place| world.crash(place));
    assert_eq!(world.marks(), marks);
}

#[test]
fn a_node_whose_writes_fail_ends_comes_back_and_is_there_when_they_hold() {
    for (bad, class) in [(BadWrites::Fail, FaultClass::WriteError), (BadWrites::NoRoom, FaultClass::FullDisk)]
    {
        let mut world = ready(25, Options::default());
        world.set_bad_writes(1, Some(bad));
        world.run_for(8 * SECOND).unwrap();
        assert!(world.coverage().count(class) > 1, "{}", class.name());
        world.set_bad_writes(1, None);
        world.run_until("the node back", PATIENCE, |world| world.view(1).is_some()).unwrap();
        goes_on(&mut world, &[0, 1, 2, 3]);
    }
}

#[test]
fn a_torn_write_is_found_and_a_disk_that_is_no_use_is_wiped() {
    let mut world = ready(26, Options::default());
    world.set_bad_writes(2, Some(BadWrites::Torn { rows: 3 }));
    world.run_until("a crash", PATIENCE, |world| world.view(2).is_none()).unwrap();
    assert_eq!(world.coverage().count(FaultClass::TornWrite), 1);
    world.start_or_wipe(2);
    goes_on(&mut world, &[0, 1, 2, 3]);
}

#[test]
fn a_node_comes_back_from_an_empty_an_old_and_a_damaged_disk() {
    let mut world = ready(27, Options::default());
    let old = world.disk(3).unwrap().copy();
    goes_on(&mut world, &[0, 1, 2, 3]);
    world.crash(3);
    world.wipe(3);
    assert_eq!(world.disk(3).unwrap().row_count(Table::Blocks), 0);
    world.start(3);
    goes_on(&mut world, &[0, 1, 2, 3]);
    world.crash(3);
    world.replace_disk(3, &old);
    world.start(3);
    goes_on(&mut world, &[0, 1, 2, 3]);
    let keys = Disk::keys(&world.disk(3).unwrap(), Table::State);
    let (last, rest) = keys.split_last().unwrap();
    world.misdirect(3, Table::State, last, &rest[rest.len() / 2]);
    world.crash(3);
    world.start_or_wipe(3);
    goes_on(&mut world, &[0, 1, 2, 3]);
    for class in [FaultClass::WipedDisk, FaultClass::OldDisk, FaultClass::MisdirectedWrite] {
        assert!(world.coverage().count(class) > 0, "{}", class.name());
    }
}

#[test]
fn a_node_does_not_start_while_its_device_gives_nothing_back() {
    let mut world = ready(28, Options::default());
    world.fail_reads(1, true);
    world.crash(1);
    world.start_or_wipe(1);
    world.run_for(3 * SECOND).unwrap();
    assert!(world.view(1).is_none());
    world.fail_reads(1, false);
    assert!(world.coverage().count(FaultClass::ReadError) > 0);
    world.start_or_wipe(1);
    world.run_until("the node back", PATIENCE, |world| world.view(1).is_some()).unwrap();
    goes_on(&mut world, &[0, 1, 2, 3]);
}

#[test]
fn a_crash_in_the_middle_of_a_step_and_late_jobs_stop_nobody() {
    let mut world = ready(29, Options::default());
    world.delay_jobs(0, Some(Span::us(1_000, 300_000)));
    world.crash_after(1, 3);
    world.run_until("a crash", PATIENCE, |world| world.view(1).is_none()).unwrap();
    world.start(1);
    goes_on(&mut world, &[0, 1, 2, 3]);
    for class in [FaultClass::CrashInStep, FaultClass::LateJob] {
        assert!(world.coverage().count(class) > 0, "{}", class.name());
    }
}

#[test]
fn clocks_that_drift_and_jump_a_little_stop_nobody_and_one_that_is_far_off_stops_its_node_alone() {
    let mut world = ready(30, Options::default());
    for (place, sign) in [(0, 1), (1, -1), (2, 1)] {
        world.drift(place, 100_000 * sign, 500 * sign);
        world.jump(place, 150 * sign);
    }
    world.run_for(5 * SECOND).unwrap();
    goes_on(&mut world, &[0, 1, 2, 3]);
    world.jump(3, 7_200_000);
    issues(&mut world, 1, 0, 1);
    goes_on(&mut world, &[0, 1, 2]);
    let classes =
        [FaultClass::MonotonicDrift, FaultClass::WallDrift, FaultClass::JumpForward, FaultClass::JumpBack];
    for class in classes {
        assert!(world.coverage().count(class) > 0, "{}", class.name());
    }
}
