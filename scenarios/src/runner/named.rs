//! Scenarios by name.

use super::InWorld;
use super::exit::Exit;
use clap::Args;
use hypermesh_scenarios::{QUIC_SCENARIOS, Run as Played, SCENARIOS};
use hypermesh_sim::plan::{Failure, FailureKind, WorldKind};
use serde::Serialize;
use std::time::Instant;

/// Lists the scenarios.
#[derive(Args)]
pub(crate) struct List {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

/// Plays a scenario, or all of them.
#[derive(Args)]
pub(crate) struct Run {
    /// Its name; `all` for every one.
    name: String,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to play, from the first on.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    #[command(flatten)]
    world: InWorld,
    /// A bug to plant first; only in a build for that.
    #[cfg(hypermesh_planted)]
    #[arg(long)]
    plant: Option<String>,
    /// Print what happened, a line each.
    #[arg(long)]
    trace: bool,
}

/// A scenario of one of the worlds.
struct Playable {
    name: &'static str,
    shows: &'static str,
    play: Box<dyn Fn(u64, bool) -> Played>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    world: WorldKind,
    shows: &'static str,
}

impl List {
    pub(crate) fn print(&self) -> Exit {
        let worlds = [WorldKind::World, WorldKind::Quic];
        let listed = worlds.into_iter().flat_map(|world| {
            playables(world).into_iter().map(move |one| Listed { name: one.name, world, shows: one.shows })
        });
        let listed: Vec<Listed> = listed.collect();
        if self.json {
            return match serde_json::to_string_pretty(&listed) {
                Ok(text) => {
                    println!("{text}");
                    Exit::Passed
                }
                Err(fault) => Exit::Unable(fault.to_string()),
            };
        }
        let widest = listed.iter().map(|one| one.name.len()).max().unwrap_or_default();
        for one in &listed {
            println!("{:<widest$} {:<6} {}", one.name, one.world.name(), one.shows);
        }
        Exit::Passed
    }
}

impl Run {
    pub(crate) fn play(&self) -> Exit {
        #[cfg(hypermesh_planted)]
        if let Some(name) = &self.plant
            && let Err(reason) = super::planted::plant(name)
        {
            return Exit::Unable(reason);
        }
        let world = self.world.kind();
        let scenarios = match chosen(world, &self.name) {
            Ok(scenarios) => scenarios,
            Err(reason) => return Exit::Unable(reason),
        };
        let mut failures = Vec::new();
        for scenario in scenarios {
            let began = Instant::now();
            let mut simulated_us = 0_u64;
            for seed in self.seed..self.seed.saturating_add(self.seeds) {
                let run = (scenario.play)(seed, self.trace);
                run.lines.iter().for_each(|line| println!("{line}"));
                simulated_us += run.simulated.0;
                failures.extend(tell(world, scenario.name, seed, &run));
            }
            let seconds = began.elapsed().as_secs_f64();
            let (rate, simulated) = (self.seeds as f64 / seconds, simulated_us as f64 / 1e6 / seconds);
            println!(
                "{}: {} seeds, {rate:.1} seeds/s, {simulated:.0} simulated s per second",
                scenario.name, self.seeds
            );
        }
        if !failures.is_empty() {
            eprintln!("scenario: {} runs failed", failures.len());
        }
        Exit::of(failures)
    }
}

/// Plays all scenarios twice.
pub(crate) fn determinism(seed: u64) -> Exit {
    for world in [WorldKind::World, WorldKind::Quic] {
        for scenario in playables(world) {
            let (once, again) = ((scenario.play)(seed, false), (scenario.play)(seed, false));
            if once != again {
                let (name, world) = (scenario.name, world.name());
                eprintln!(
                    "scenario: {name} in {world} at seed {seed} gave {} and then {}",
                    once.hash, again.hash
                );
                return Exit::Failed(FailureKind::Determinism);
            }
            println!("{:<36} {:<6} {}", scenario.name, world.name(), once.hash);
        }
    }
    Exit::Passed
}

/// Plays one scenario and keeps what happens.
pub(crate) fn play_named(world: WorldKind, name: &str, seed: u64) -> Result<Played, String> {
    let scenario = chosen(world, name)?.into_iter().next();
    scenario
        .map(|scenario| (scenario.play)(seed, true))
        .ok_or_else(|| format!("there is no scenario {name:?}"))
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

fn tell(world: WorldKind, name: &str, seed: u64, run: &Played) -> Option<FailureKind> {
    let Played { hash, events, simulated, fault, .. } = run;
    let seconds = simulated.0 as f64 / 1e6;
    match fault {
        None => {
            println!("{name} seed {seed}: passed, {seconds:.1} s simulated, {events} events, {hash}");
            None
        }
        Some(fault) => {
            let Failure { kind, .. } = Failure::from(fault.clone());
            println!("{name} seed {seed}: FAILED after {seconds:.1} s ({kind}): {fault}");
            println!("  again: cargo scenario run {name} --in {} --seed {seed} --trace", world.name());
            Some(kind)
        }
    }
}
