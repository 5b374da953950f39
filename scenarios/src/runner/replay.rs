//! Single plans: printed from a seed, played again from a file, cut down.

use super::InWorld;
use super::exit::Exit;
use super::files;
use clap::Args;
use hypermesh_sim::plan::{FailureKind, Plan, PlanOutcome, Shape, play, play_traced, shrink};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prints the plan of a seed.
#[derive(Args)]
pub(crate) struct PlanOf {
    /// The seed.
    #[arg(long)]
    seed: u64,
    #[command(flatten)]
    world: InWorld,
    /// How many nodes; by the seed if nothing is said.
    #[arg(long)]
    nodes: Option<usize>,
}

/// Plays a plan from its file.
#[derive(Args)]
pub(crate) struct Replay {
    /// The plan's file; a tape beside it is compared with what happens.
    file: PathBuf,
    /// Print what happens, a line each.
    #[arg(long)]
    trace: bool,
}

/// Cuts a failing plan down.
#[derive(Args)]
pub(crate) struct Shrink {
    /// The plan's file.
    file: PathBuf,
    /// For how long at most, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the smaller plan goes; beside the file if nothing is said.
    #[arg(long, short)]
    out: Option<PathBuf>,
}

impl PlanOf {
    pub(crate) fn print(&self) -> Exit {
        let plan = Plan::of_seed(self.seed, Shape { world: self.world.kind(), nodes: self.nodes });
        print!("{}", plan.to_toml());
        Exit::Passed
    }
}

impl Replay {
    pub(crate) fn play(&self) -> Exit {
        let plan = match files::read_plan(&self.file) {
            Ok(plan) => plan,
            Err(reason) => return Exit::Unable(reason),
        };
        let outcome = play_traced(&plan, true);
        if self.trace {
            outcome.lines.iter().for_each(|line| println!("{line}"));
        }
        if let Some(reason) = differs(&files::tape_of(&self.file), &outcome) {
            eprintln!("scenario: {reason}");
            return Exit::Failed(FailureKind::Determinism);
        }
        let seconds = outcome.simulated.0 as f64 / 1e6;
        println!("{seconds:.1} s simulated, {} events, {}", outcome.events, outcome.hash);
        match &outcome.failure {
            None => println!("passed"),
            Some(failure) => println!("FAILED: {failure}"),
        }
        Exit::of(outcome.failure.map(|failure| failure.kind))
    }
}

/// Where a run first differs from its tape, if there is one.
fn differs(tape: &Path, outcome: &PlanOutcome) -> Option<String> {
    let then = fs::read_to_string(tape).ok()?;
    let now = outcome.tape_text();
    let number = then.lines().zip(now.lines()).take_while(|(then, now)| then == now).count();
    let (then, now) = (then.lines().nth(number), now.lines().nth(number));
    if then == now {
        return None;
    }
    let words = |line: Option<&str>| line.unwrap_or("the end").to_string();
    Some(format!(
        "the run differs from {} at its line {}: {:?} then, {:?} now. Either the code has changed since, or \
         something in it is not determined by the seed",
        tape.display(),
        number + 1,
        words(then),
        words(now)
    ))
}

impl Shrink {
    pub(crate) fn cut_down(&self) -> Exit {
        let plan = match files::read_plan(&self.file) {
            Ok(plan) => plan,
            Err(reason) => return Exit::Unable(reason),
        };
        let Some(failure) = play(&plan).failure else {
            return Exit::Unable(format!(
                "{} does not fail: there is nothing to cut down to",
                self.file.display()
            ));
        };
        eprintln!("{failure}");
        let Some(shrunk) = shrink(&plan, &failure, Duration::from_secs(self.seconds), play) else {
            eprintln!("scenario: it does not fail again: the run is not the same twice");
            return Exit::Failed(FailureKind::Determinism);
        };
        let out = self.out.clone().unwrap_or_else(|| self.file.with_extension("shrunk.toml"));
        if let Err(reason) = files::write_plan(&out, &shrunk.plan, &shrunk.outcome) {
            return Exit::Unable(reason);
        }
        let (before, after) = (files::size_of(&plan), files::size_of(&shrunk.plan));
        println!("{}: from {before} to {after} in {} runs", out.display(), shrunk.played);
        Exit::Passed
    }
}
