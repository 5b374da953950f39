//! The runner: lists scenarios, plays them and plans by the thousand, and keeps, replays and cuts down what fails.

mod economics;
mod exit;
mod faults;
mod files;
mod named;
#[cfg(hypermesh_planted)]
mod planted;
mod progress;
mod replay;
mod report;
mod swarm;
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
mod transports;

use clap::{Args, Parser, Subcommand, ValueEnum};
use exit::Exit;
use hypermesh_sim::plan::WorldKind;
use mimalloc::MiMalloc;
use std::path::PathBuf;
use std::process::ExitCode;

/// A sixth of a run is spent on making and dropping what nodes hold.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Puts nodes through what can go wrong, from a seed.
///
/// Exit status: 0 all passed, 1 could not do what was asked, 2 bad arguments, 10 a promise was broken (safety),
/// 11 what had to happen did not (liveness), 12 a crash, 13 a run was not the same twice, 14 something of the
/// catalogue was never tried.
#[derive(Parser)]
#[command(name = "scenario")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists the scenarios.
    List(named::List),
    /// Lists the classes of faults, as a table.
    Faults(faults::Faults),
    /// Plays a scenario, or all of them.
    Run(named::Run),
    /// Plays the plans of many seeds, and keeps and cuts down those that fail.
    Swarm(swarm::Swarm),
    /// Shows what it pays to run a validator: weeks of honest, lazy and lying ones, in the ledger's own code.
    Economics(economics::EconomicsArgs),
    /// Shows what lost packets, new connections and new addresses cost calls over STOQ, and over TCP.
    #[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
    Transports(transports::TransportsArgs),
    /// Prints the plan of a seed.
    Plan(replay::PlanOf),
    /// Plays a plan from its file, and compares with its tape if there is one beside it.
    Replay(replay::Replay),
    /// Cuts a failing plan down to what its failure needs.
    Shrink(replay::Shrink),
    /// Lists the bugs that can be planted.
    #[cfg(hypermesh_planted)]
    Planted,
    /// Shows a run: as a page that can be looked at, as a table, or as a log for ShiViz.
    Report(report::Report),
    /// Plays scenarios twice and prints the hash of all that happened: the same in every process and build.
    Determinism {
        /// The seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

/// In which world.
#[derive(Args, Clone, Copy)]
struct InWorld {
    /// In which world.
    #[arg(long = "in", value_enum, default_value_t = WorldArgument::World, value_name = "WORLD")]
    world: WorldArgument,
    /// The same as `--in world`.
    #[arg(long = "world", conflicts_with_all = ["quic", "world"])]
    heap: bool,
    /// The same as `--in quic`.
    #[arg(long, conflicts_with = "world")]
    quic: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum WorldArgument {
    /// An event heap over nodes.
    World,
    /// Real QUIC on a simulated network.
    Quic,
}

impl InWorld {
    const fn kind(self) -> WorldKind {
        match self.world {
            WorldArgument::Quic => WorldKind::Quic,
            WorldArgument::World if self.quic => WorldKind::Quic,
            WorldArgument::World => WorldKind::World,
        }
    }
}

/// Where files of failing runs go, when nothing else is said.
fn failures_folder() -> PathBuf {
    PathBuf::from("target/failures")
}

fn main() -> ExitCode {
    let exit = match Arguments::parse().command {
        Command::List(list) => list.print(),
        Command::Faults(faults) => faults.print(),
        Command::Run(run) => run.play(),
        Command::Swarm(swarm) => swarm.play(),
        Command::Economics(economics) => economics.run(),
        #[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
        Command::Transports(transports) => transports.run(),
        Command::Plan(plan) => plan.print(),
        Command::Replay(replay) => replay.play(),
        Command::Shrink(shrink) => shrink.cut_down(),
        #[cfg(hypermesh_planted)]
        Command::Planted => planted::list(),
        Command::Report(report) => report.write(),
        Command::Determinism { seed } => named::determinism(seed),
    };
    if let Exit::Unable(reason) = &exit {
        eprintln!("scenario: {reason}");
    }
    exit.status()
}
