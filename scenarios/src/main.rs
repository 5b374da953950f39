//! The runner: lists scenarios, plays them, and shows that a seed is all that a run depends on.

use clap::{Parser, Subcommand, ValueEnum};
use hypermesh_scenarios::{Run, SCENARIOS, Scenario, find};
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
            SCENARIOS.iter().for_each(|scenario| println!("{:<24} {}", scenario.name, scenario.shows));
            Ok(())
        }
        Command::Run { world: WorldKind::Quic, .. } => {
            Err("scenarios are played in the world of events alone: leave --world out".to_string())
        }
        Command::Run { name, seed, seeds, trace, .. } => run(&name, seed..seed.saturating_add(seeds), trace),
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

fn chosen(name: &str) -> Result<Vec<&'static Scenario>, String> {
    if name == "all" {
        return Ok(SCENARIOS.iter().collect());
    }
    find(name).map(|scenario| vec![scenario]).ok_or_else(|| {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("there is no scenario {name:?}: there are {}", known.join(", "))
    })
}

fn run(name: &str, seeds: std::ops::Range<u64>, trace: bool) -> Result<(), String> {
    let mut failures = 0_u64;
    for scenario in chosen(name)? {
        let began = Instant::now();
        let (mut played, mut simulated_us) = (0_u64, 0_u64);
        for seed in seeds.clone() {
            let run = scenario.play(seed, trace);
            run.lines.iter().for_each(|line| println!("{line}"));
            played += 1;
            simulated_us += run.simulated.0;
            if !report(scenario, seed, &run) {
                failures += 1;
            }
        }
        summarise(scenario, played, simulated_us, began.elapsed().as_secs_f64());
    }
    if failures == 0 { Ok(()) } else { Err(format!("{failures} runs failed")) }
}

fn report(scenario: &Scenario, seed: u64, run: &Run) -> bool {
    let Run { hash, events, simulated, fault, .. } = run;
    let (name, seconds) = (scenario.name, simulated.0 as f64 / 1e6);
    match fault {
        None => println!("{name} seed {seed}: passed, {seconds:.1} s simulated, {events} events, {hash}"),
        Some(fault) => {
            println!("{name} seed {seed}: FAILED after {seconds:.1} s: {fault}");
            println!("  again: cargo scenario run {name} --seed {seed} --trace");
        }
    }
    fault.is_none()
}

fn summarise(scenario: &Scenario, played: u64, simulated_us: u64, seconds: f64) {
    let rate = played as f64 / seconds;
    let simulated = simulated_us as f64 / 1e6 / seconds;
    let name = scenario.name;
    println!("{name}: {played} seeds, {rate:.1} seeds/s, {simulated:.0} simulated s per second");
}

fn determinism(seed: u64) -> Result<(), String> {
    for scenario in SCENARIOS {
        let (once, again) = (scenario.play(seed, false), scenario.play(seed, false));
        if once != again {
            let name = scenario.name;
            return Err(format!("{name} at seed {seed} gave {} and then {}", once.hash, again.hash));
        }
        println!("{:<24} {}", scenario.name, once.hash);
    }
    Ok(())
}
