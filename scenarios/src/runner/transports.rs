//! `cargo scenario transports`: the same calls over STOQ, on one ordered stream, and over TLS on TCP, in simulated time.

use super::exit::Exit;
use clap::Args;
use hypermesh_sim::quic::transports::{Carried, ClientLoad, Sharing, in_one_stream, over_stoq, over_tcp};
use serde::Serialize;
use std::time::Duration;

/// What to compare.
#[derive(Args)]
pub(crate) struct TransportsArgs {
    /// The seed of what is lost.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many calls, with one packet of twenty lost.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    calls: u32,
    /// Print JSON instead of the tables.
    #[arg(long)]
    json: bool,
}

/// Five packets of a hundred.
const LOSS_PER_MILLE: u64 = 50;
/// So many calls at once.
const AT_ONCE: usize = 4000;
/// As many connections as a browser opens to a host.
const CONNECTIONS: usize = 6;
/// Timers and hosts go by whole milliseconds; what takes longer than a round trip and this is late.
const ROUNDING: Duration = Duration::from_millis(6);

/// One way of carrying calls, put through everything.
#[derive(Serialize)]
struct OutputRow {
    transport: &'static str,
    /// Round trips before the first question leaves: a stranger's, and with a server known from before.
    set_up: [u128; 2],
    lossy: Lossy,
    /// How long it takes until all of many calls made at once are answered, in milliseconds.
    at_once_ms: Option<u128>,
    /// How many calls are never answered when the client's address changes in the middle.
    unanswered_after_move: usize,
}

/// Under loss.
#[derive(Clone, Copy, Serialize)]
struct Lossy {
    lost_packets: u64,
    late_calls: usize,
    p50_ms: Option<u128>,
    p99_ms: Option<u128>,
    longest_ms: Option<u128>,
}

impl TransportsArgs {
    pub(crate) fn run(self) -> Exit {
        let calls = usize::try_from(self.calls).unwrap_or(usize::MAX);
        let rows = match rows(self.seed, calls) {
            Ok(rows) => rows,
            Err(fault) => return Exit::Unable(fault),
        };
        if self.json {
            match serde_json::to_string_pretty(&rows) {
                Ok(json) => println!("{json}"),
                Err(fault) => return Exit::Unable(fault.to_string()),
            }
        } else {
            print!("{}", table(&rows, calls));
        }
        Exit::Passed
    }
}

fn rows(seed: u64, calls: usize) -> Result<Vec<OutputRow>, String> {
    type Carry = Box<dyn Fn(ClientLoad) -> Result<Carried, String>>;
    let tcp = move |sharing| -> Carry { Box::new(move |load| over_tcp(seed, load, sharing)) };
    let ways: [(&'static str, Carry); 4] = [
        ("STOQ, a stream for each call", Box::new(move |load| over_stoq(seed, load))),
        ("STOQ, one ordered stream", Box::new(move |load| in_one_stream(seed, load))),
        ("TLS on TCP (smoltcp), one connection", tcp(Sharing::Together)),
        ("TLS on TCP (smoltcp), HTTP/1.1's way", tcp(Sharing::OneAtATime(CONNECTIONS))),
    ];
    ways.into_iter().map(|(transport, carry)| row(transport, calls, &carry)).collect()
}

fn row(
    transport: &'static str,
    calls: usize,
    carry: &dyn Fn(ClientLoad) -> Result<Carried, String>,
) -> Result<OutputRow, String> {
    let calm = ClientLoad { calls: AT_ONCE, every: Duration::ZERO, bytes: 100, ..ClientLoad::default() };
    let at_once = carry(calm)?;
    let round_trips = |time: Duration| {
        let trip = calm.round_trip().as_micros();
        ((time.as_micros() + trip / 4) / trip).saturating_sub(1)
    };
    let lossy = ClientLoad { calls, loss_per_mille: LOSS_PER_MILLE, ..ClientLoad::default() };
    let through_loss = carry(lossy)?;
    let moving =
        ClientLoad { calls: 200, moves_after: Some(Duration::from_secs(1)), ..ClientLoad::default() };
    let moved = carry(moving)?;
    let ms = |time: Option<Duration>| time.map(|time| time.as_millis());
    Ok(OutputRow {
        transport,
        set_up: [at_once.first, at_once.again].map(round_trips),
        lossy: Lossy {
            lost_packets: through_loss.lost,
            late_calls: through_loss.slower_than(lossy.round_trip() + ROUNDING),
            p50_ms: ms(through_loss.at(500)),
            p99_ms: ms(through_loss.at(990)),
            longest_ms: ms(through_loss.at(1000)),
        },
        at_once_ms: ms(at_once.at(1000)),
        unanswered_after_move: moved.times.iter().filter(|time| time.is_none()).count(),
    })
}

fn table(rows: &[OutputRow], calls: usize) -> String {
    let load = ClientLoad::default();
    let mut text = format!(
        "{calls} calls, one each {} ms, on a path of {} ms one way; a call is late that takes longer than a round trip\n\n",
        load.every.as_millis(),
        load.one_way.as_millis()
    );
    let head =
        ["set-up", "again", "lost", "late", "p50 ms", "p99 ms", "longest", "4000 at once", "lost by a move"];
    let line = |name: &str, cells: [String; 9]| {
        let cells: Vec<String> = cells
            .iter()
            .zip([7, 7, 6, 6, 8, 8, 9, 14, 16])
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        format!("{name:<38}{}\n", cells.concat())
    };
    text += &line("", head.map(str::to_string));
    for row in rows {
        let shown = |value: Option<u128>| value.map_or("never".to_string(), |value| value.to_string());
        let Lossy { lost_packets, late_calls, p50_ms, p99_ms, longest_ms } = row.lossy;
        let [first, again] = row.set_up.map(|trips| format!("{trips} RTT"));
        text += &line(
            row.transport,
            [
                first,
                again,
                lost_packets.to_string(),
                late_calls.to_string(),
                shown(p50_ms),
                shown(p99_ms),
                shown(longest_ms),
                format!("{} ms", shown(row.at_once_ms)),
                format!("{} calls", row.unanswered_after_move),
            ],
        );
    }
    text + "\nsmoltcp sends no selective acknowledgements and waits a second before it sends again: under loss it shows the \
            worst that\na TCP does, and the one ordered stream the best that any can do\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_order_costs() {
        let rows = rows(1, 300).unwrap();
        let late = |row: &OutputRow| row.lossy.late_calls;
        assert!(late(&rows[0]) * 2 < late(&rows[1]) && late(&rows[1]) < late(&rows[2]));
        assert_eq!((rows[0].set_up, rows[2].set_up), ([1, 0], [2, 2]));
        assert_eq!((rows[0].unanswered_after_move, rows[3].at_once_ms > rows[0].at_once_ms), (0, true));
        assert_eq!(table(&rows, 300).lines().filter(|line| line.contains("RTT")).count(), 4);
    }
}
