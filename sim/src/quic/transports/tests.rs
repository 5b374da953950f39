use super::*;

/// Timers and hosts go by whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(6);

fn load(loss_per_mille: u64) -> ClientLoad {
    ClientLoad { calls: 400, loss_per_mille, ..ClientLoad::default() }
}

fn round_trips(time: Duration, load: &ClientLoad) -> u128 {
    (time.as_micros() + 2000) / load.round_trip().as_micros()
}

#[test]
fn setting_up_takes_one_round_trip_and_then_none_where_tls_on_tcp_takes_two_each_time() {
    let load = ClientLoad { calls: 1, ..ClientLoad::default() };
    let (stoq, tcp) = (over_stoq(1, load).unwrap(), over_tcp(1, load, Sharing::Together).unwrap());
    let counted = |carried: &Carried| [carried.first, carried.again].map(|time| round_trips(time, &load) - 1);
    assert_eq!(counted(&stoq), [1, 0]);
    assert_eq!(counted(&tcp), [2, 2]);
}

#[test]
fn without_loss_a_call_takes_a_round_trip_over_either() {
    let load = load(0);
    let prompt = load.round_trip() + ROUNDING;
    for carried in [over_stoq(2, load).unwrap(), over_tcp(2, load, Sharing::Together).unwrap()] {
        let late: Vec<_> = carried.times.iter().enumerate().filter(|(_, t)| t.unwrap() > prompt).collect();
        assert_eq!((carried.slower_than(prompt), carried.lost), (0, 0), "{late:?}");
    }
}

/// Each lost packet delays the call that it is of, and no other: with a stream for each there are no more late calls than
/// lost packets. On one ordered stream whatever was sent behind it waits, however well losses are repaired.
#[test]
fn a_lost_packet_delays_no_other_call() {
    let load = load(50);
    let prompt = load.round_trip() + ROUNDING;
    for seed in 1..4 {
        let (apart, together) = (over_stoq(seed, load).unwrap(), in_one_stream(seed, load).unwrap());
        for carried in [&apart, &together] {
            assert!(carried.lost > 10, "little was lost: {}", carried.lost);
            assert!(carried.times.iter().all(Option::is_some), "a call was not answered");
        }
        let (late_apart, late_together) = (apart.slower_than(prompt), together.slower_than(prompt));
        assert!(late_apart as u64 <= apart.lost, "{late_apart} late of {} lost", apart.lost);
        assert!(late_together as u64 > 2 * together.lost, "{late_together} late of {} lost", together.lost);
    }
}

#[test]
fn a_new_address_costs_stoq_no_call_and_tcp_all_that_follow() {
    let load =
        ClientLoad { calls: 100, moves_after: Some(Duration::from_millis(200)), ..ClientLoad::default() };
    let (stoq, tcp) = (over_stoq(3, load).unwrap(), over_tcp(3, load, Sharing::Together).unwrap());
    assert_eq!(stoq.times.iter().filter(|time| time.is_none()).count(), 0);
    assert!(tcp.times.iter().filter(|time| time.is_none()).count() > 50);
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let load = load(50);
    assert_eq!(over_stoq(4, load).unwrap(), over_stoq(4, load).unwrap());
    let tcp = || over_tcp(4, load, Sharing::Together).unwrap();
    assert_eq!(tcp(), tcp());
}

#[test]
fn a_message_is_taken_when_it_is_whole() {
    let mut come = [0, 0, 0, 5, 0, 0, 0, 2, 9].to_vec();
    assert_eq!(tcp::take_message(&mut come), None);
    come.extend([8, 1]);
    assert_eq!((tcp::take_message(&mut come), come), (Some((5, vec![9, 8])), vec![1]));
}
