//! The runner: lists scenarios, plays them, and shows that a seed is all that a run depends on.

use clap::{Parser, Subcommand, ValueEnum};
use hypermesh_scenarios::{QUIC_SCENARIOS, Run, SCENARIOS};
use std::process::ExitCode;
use std::time::Instant;

/// Puts nodes through what can go wrong, from a seed.
#[derive(Parser)]
#[command(name = "scenario")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios.
    List,
    /// Plays a scenario, or all of them.
    Run {
        /// Its name; `all` for every one.
        name: String,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many seeds to play, from the first on.
        #[arg(long, default_value_t = 1)]
        seeds: u64,
        /// In which world.
        #[arg(long, value_enum, default_value_t = WorldKind::World)]
        world: WorldKind,
        /// Print what happened, a line each.
        #[arg(long)]
        trace: bool,
    },
    /// Plays scenarios twice and prints the hash of all that happened: the same in every process and build.
    Determinism {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// A world to play in.
#[derive(Clone, Copy, ValueEnum)]
enum WorldKind {
    /// An event heap over nodes.
    World,
    /// Real QUIC on a simulated network.
    Quic,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::List => {
            for world in [WorldKind::World, WorldKind::Quic] {
                playables(world)
                    .iter()
                    .for_each(|one| println!("{:<24} {:<6} {}", one.name, world.name(), one.shows));
            }
            Ok(())
        }
        Command::Run { name, seed, seeds, world, trace } => {
            run(world, &name, seed..seed.saturating_add(seeds), trace)
        }
        Command::Determinism { seed } => determinism(seed),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("scenario: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// A scenario of one of the worlds.
struct Playable {
    name: &'static str,
    shows: &'static str,
    play: Box<dyn Fn(u64, bool) -> Run>,
}

impl WorldKind {
    const fn name(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Quic => "quic",
        }
    }
}

/// Every scenario of a world.
fn playables(world: WorldKind) -> Vec<Playable> {
    match world {
        WorldKind::World => SCENARIOS
            .iter()
            .map(|one| Playable {
                name: one.name,
                shows: one.shows,
                play: Box::new(|seed, trace| one.play(seed, trace)),
            })
            .collect(),
        WorldKind::Quic => QUIC_SCENARIOS
            .iter()
            .map(|one| Playable {
                name: one.name,
                shows: one.shows,
                play: Box::new(|seed, trace| one.play(seed, trace)),
            })
            .collect(),
    }
}

fn chosen(world: WorldKind, name: &str) -> Result<Vec<Playable>, String> {
    let mut all = playables(world);
    if name == "all" {
        return Ok(all);
    }
    let known: Vec<&str> = all.iter().map(|one| one.name).collect();
    let unknown = format!("there is no scenario {name:?}: there are {}", known.join(", "));
    all.retain(|one| one.name == name);
    if all.is_empty() { Err(unknown) } else { Ok(all) }
}

fn run(world: WorldKind, name: &str, seeds: std::ops::Range<u64>, trace: bool) -> Result<(), String> {
    let mut failures = 0_u64;
    for scenario in chosen(world, name)? {
        let began = Instant::now();
        let (mut played, mut simulated_us) = (0_u64, 0_u64);
        for seed in seeds.clone() {
            let run = (scenario.play)(seed, trace);
            run.lines.iter().for_each(|line| println!("{line}"));
            played += 1;
            simulated_us += run.simulated.0;
            if !report(world, scenario.name, seed, &run) {
                failures += 1;
            }
        }
        summarise(scenario.name, played, simulated_us, began.elapsed().as_secs_f64());
    }
    if failures == 0 { Ok(()) } else { Err(format!("{failures} runs failed")) }
}

fn report(world: WorldKind, name: &str, seed: u64, run: &Run) -> bool {
    let Run { hash, events, simulated, fault, .. } = run;
    let seconds = simulated.0 as f64 / 1e6;
    match fault {
        None => println!("{name} seed {seed}: passed, {seconds:.1} s simulated, {events} events, {hash}"),
        Some(fault) => {
            println!("{name} seed {seed}: FAILED after {seconds:.1} s: {fault}");
            println!("  again: cargo scenario run {name} --world {} --seed {seed} --trace", world.name());
        }
    }
    fault.is_none()
}

fn summarise(name: &str, played: u64, simulated_us: u64, seconds: f64) {
    let rate = played as f64 / seconds;
    let simulated = simulated_us as f64 / 1e6 / seconds;
    println!("{name}: {played} seeds, {rate:.1} seeds/s, {simulated:.0} simulated s per second");
}

fn determinism(seed: u64) -> Result<(), String> {
    for world in [WorldKind::World, WorldKind::Quic] {
        for scenario in playables(world) {
            let (once, again) = ((scenario.play)(seed, false), (scenario.play)(seed, false));
            let (name, world) = (scenario.name, world.name());
            if once != again {
                let (once, again) = (once.hash, again.hash);
                return Err(format!("{name} in {world} at seed {seed} gave {once} and then {again}"));
            }
            println!("{name:<24} {world:<6} {}", once.hash);
        }
    }
    Ok(())
}
