use super::*;

const LINK: Link = Link { source: 0, target: 1 };
const BACK: Link = Link { source: 1, target: 0 };

fn paths(faults: LinkFaults) -> Paths {
    let mut paths = Paths::new(7, Span::us(2_000, 6_000));
    *paths.faults() = faults;
    paths
}

/// What becomes of so many datagrams, one each tenth of a millisecond.
fn send(paths: &mut Paths, count: u64) -> Vec<DatagramFate> {
    (0..count).map(|number| paths.send(Mono(number * 100), LINK, 1200)).collect()
}

fn arrivals(verdicts: &[DatagramFate]) -> Vec<Mono> {
    verdicts.iter().flat_map(|verdict| &verdict.arrivals).map(|arrival| arrival.at).collect()
}

fn hits(verdicts: &[DatagramFate], class: FaultClass) -> usize {
    verdicts.iter().flat_map(|verdict| &verdict.hits).filter(|hit| **hit == class).count()
}

fn is_lost(verdict: &DatagramFate) -> bool {
    verdict.arrivals.is_empty()
}

#[test]
fn a_path_without_troubles_delays_within_its_latency_and_keeps_the_order() {
    let verdicts = send(&mut paths(LinkFaults::default()), 1000);
    let arrivals = arrivals(&verdicts);
    assert_eq!(arrivals.len(), 1000);
    assert!(arrivals.is_sorted());
    assert!(arrivals.iter().zip(0..).all(|(at, number)| (2_000..=6_000).contains(&(at.0 - number * 100))));
    assert!(verdicts.iter().all(|verdict| verdict.hits.is_empty()));
}

#[test]
fn losses_come_singly_at_their_rate() {
    let verdicts = send(&mut paths(LinkFaults { loss_per_mille: 100, ..LinkFaults::default() }), 10_000);
    let lost = verdicts.iter().filter(|verdict| is_lost(verdict)).count();
    assert!((850..1150).contains(&lost), "{lost}");
    assert_eq!(hits(&verdicts, FaultClass::Loss), lost);
}

#[test]
fn losses_in_bursts_follow_one_another() {
    let bursts = Bursts { enter_per_mille: 10, leave_per_mille: 100, loss_per_mille: 1000 };
    let verdicts = send(&mut paths(LinkFaults { bursts: Some(bursts), ..LinkFaults::default() }), 20_000);
    let lost = hits(&verdicts, FaultClass::BurstLoss);
    let runs = verdicts.chunk_by(|one, next| is_lost(one) == is_lost(next));
    let runs = runs.filter(|run| run.first().is_some_and(is_lost)).count();
    // A bad link stays so for ten datagrams in the mean.
    assert!((7..14).contains(&(lost / runs)), "{lost} in {runs} runs");
    // 10 / (10 + 100) of the time is bad.
    assert!((1400..2300).contains(&lost), "{lost}");
}

#[test]
fn the_copy_of_a_datagram_arrives_after_it() {
    let verdicts = send(&mut paths(LinkFaults { duplicates_per_mille: 1000, ..LinkFaults::default() }), 100);
    assert!(
        verdicts.iter().all(|verdict| {
            matches!(verdict.arrivals.as_slice(), [first, second] if first.at <= second.at)
        })
    );
    assert_eq!(hits(&verdicts, FaultClass::Duplication), 100);
}

#[test]
fn damage_changes_one_bit_or_cuts_and_never_leaves_a_datagram_as_it_was() {
    for truncates in [false, true] {
        let damaged = BTreeMap::from([(0, Damage { per_mille: 1000, truncates })]);
        let verdicts = send(&mut paths(LinkFaults { damaged, ..LinkFaults::default() }), 500);
        for verdict in &verdicts {
            let mut bytes = vec![0_u8; 1200];
            verdict.arrivals[0].corruption.unwrap().apply(&mut bytes);
            let ones = bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
            assert_eq!((bytes.len() < 1200, ones), if truncates { (true, 0) } else { (false, 1) });
        }
        let class = if truncates { FaultClass::Truncation } else { FaultClass::Corruption };
        assert_eq!(hits(&verdicts, class), 500);
    }
}

#[test]
fn what_others_send_is_not_damaged() {
    let damaged = BTreeMap::from([(1, Damage { per_mille: 1000, truncates: false })]);
    let verdicts = send(&mut paths(LinkFaults { damaged, ..LinkFaults::default() }), 100);
    assert!(verdicts.iter().all(|verdict| verdict.arrivals[0].corruption.is_none()));
}

#[test]
fn a_datagram_that_takes_very_long_holds_up_those_behind_it() {
    let spikes = Some(Spikes { per_mille: 20, longest_ms: 500 });
    let verdicts = send(&mut paths(LinkFaults { spikes, ..LinkFaults::default() }), 1000);
    let arrivals = arrivals(&verdicts);
    assert!(arrivals.is_sorted());
    let latest = arrivals.iter().zip(0..).map(|(at, number)| at.0 - number * 100).max().unwrap();
    assert!((100_000..=506_000).contains(&latest), "{latest}");
    assert!((10..35).contains(&hits(&verdicts, FaultClass::DelaySpike)));
}

#[test]
fn what_is_held_back_is_overtaken_and_only_then_counts() {
    let reorders = Some(Reorders { per_mille: 100, within_ms: 20 });
    let mut paths = paths(LinkFaults { reorders, ..LinkFaults::default() });
    let verdicts = send(&mut paths, 1000);
    assert!(!arrivals(&verdicts).is_sorted());
    assert!(hits(&verdicts, FaultClass::Reordering) > 0);
    let alone = Some(Reorders { per_mille: 1000, within_ms: 20 });
    *paths.faults() = LinkFaults { reorders: alone, ..LinkFaults::default() };
    assert_eq!(paths.send(Mono(60_000_000), LINK, 1200).hits, []);
}

#[test]
fn a_link_carries_what_it_can_and_its_queue_drops_the_rest() {
    let narrow = Some(Narrow { bytes_per_second: 1_200_000, queue_bytes_max: 12_000 });
    let verdicts = send(&mut paths(LinkFaults { narrow, ..LinkFaults::default() }), 1000);
    // A datagram takes a millisecond, and ten are sent in one: nine of ten are dropped.
    let arrived = arrivals(&verdicts).len();
    assert!((105..=115).contains(&arrived), "{arrived}");
    let latest = arrivals(&verdicts).last().unwrap().0;
    assert!((105_000..120_000).contains(&latest), "{latest}");
    assert_eq!(hits(&verdicts, FaultClass::FullQueue), 1000 - arrived);
    assert!(hits(&verdicts, FaultClass::NarrowLink) > 90);
}

#[test]
fn a_black_hole_swallows_what_is_longer_and_nothing_else() {
    let mut paths = paths(LinkFaults { bytes_max: Some(1200), ..LinkFaults::default() });
    assert!(!is_lost(&paths.send(Mono(0), LINK, 1200)));
    let verdict = paths.send(Mono(0), LINK, 1201);
    assert!(is_lost(&verdict));
    assert_eq!(verdict.hits, [FaultClass::BlackHole]);
}

#[test]
fn sides_do_not_reach_each_other_and_who_is_on_none_reaches_all() {
    let mut paths = paths(LinkFaults::default());
    paths.set_sides(&[0, 1]);
    assert_eq!(paths.send(Mono(0), LINK, 1200).hits, [FaultClass::Partition]);
    assert!(!is_lost(&paths.send(Mono(0), Link { source: 2, target: 1 }, 1200)));
    paths.set_sides(&[0, 0]);
    assert!(!is_lost(&paths.send(Mono(0), LINK, 1200)));
}

#[test]
fn a_cut_direction_leaves_the_other() {
    let mut paths = paths(LinkFaults::default());
    paths.faults().one_way.insert(LINK);
    assert_eq!(paths.send(Mono(0), LINK, 1200).hits, [FaultClass::OneWayPartition]);
    assert!(!is_lost(&paths.send(Mono(0), BACK, 1200)));
    paths.faults().one_way.remove(&LINK);
    assert!(!is_lost(&paths.send(Mono(0), LINK, 1200)));
}

#[test]
fn a_cut_link_carries_nothing_either_way() {
    let mut paths = paths(LinkFaults::default());
    paths.faults().cut.insert(LINK);
    assert_eq!(paths.send(Mono(0), LINK, 1200).hits, [FaultClass::SwizzledPartition]);
    assert_eq!(paths.send(Mono(0), BACK, 1200).hits, [FaultClass::SwizzledPartition]);
    assert!(!is_lost(&paths.send(Mono(0), Link { source: 0, target: 2 }, 1200)));
}

#[test]
fn one_more_trouble_leaves_what_the_others_do_as_it_was() {
    let loss = LinkFaults { loss_per_mille: 200, ..LinkFaults::default() };
    let both = LinkFaults { duplicates_per_mille: 300, ..loss.clone() };
    let lost = |faults| send(&mut paths(faults), 1000).iter().map(is_lost).collect::<Vec<_>>();
    assert_eq!(lost(loss), lost(both));
}

#[test]
fn verdicts_are_the_same_each_time() {
    let all = LinkFaults {
        loss_per_mille: 50,
        duplicates_per_mille: 50,
        damaged: BTreeMap::from([(0, Damage { per_mille: 50, truncates: false })]),
        reorders: Some(Reorders { per_mille: 50, within_ms: 9 }),
        ..LinkFaults::default()
    };
    assert_eq!(send(&mut paths(all.clone()), 1000), send(&mut paths(all), 1000));
}

#[test]
fn a_link_that_is_wide_again_has_no_queue() {
    let narrow = Narrow { bytes_per_second: 1_000, queue_bytes_max: 64_000 };
    let mut paths = paths(LinkFaults { narrow: Some(narrow), ..LinkFaults::default() });
    let behind = arrivals(&send(&mut paths, 50));
    assert!(behind.last().is_some_and(|last| last.0 > 50_000_000), "a minute of queue");
    *paths.faults() = LinkFaults::default();
    let arrivals = arrivals(&[paths.send(Mono(10_000), LINK, 1200)]);
    assert!((12_000..=16_000).contains(&arrivals[0].0), "{arrivals:?}");
}
