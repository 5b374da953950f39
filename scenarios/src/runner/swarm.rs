//! Many seeds, each with some classes of faults switched on and others off, on as many threads as there are cores.

use super::exit::Exit;
use super::files;
use super::progress::Progress;
use super::{InWorld, failures_folder};
use clap::Args;
use hypermesh_core::base::MARKS;
use hypermesh_sim::plan::{
    Coverage, Failure, FailureKind, FaultClass, Plan, PlanOutcome, Shape, WorldKind, play, play_traced,
    shrink,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Plays the plans of many seeds.
#[derive(Args)]
pub(crate) struct Swarm {
    /// How many seeds to play.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Stop after so many minutes, whatever is left.
    #[arg(long)]
    minutes: Option<f64>,
    /// On how many threads; as many as there are cores if nothing is said.
    #[arg(long)]
    jobs: Option<usize>,
    #[command(flatten)]
    world: InWorld,
    /// How many nodes; by the seed if nothing is said.
    #[arg(long)]
    nodes: Option<usize>,
    /// Where the plans and tapes of failing runs go.
    #[arg(long, default_value_os_t = failures_folder())]
    out: PathBuf,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 5)]
    failures_max: usize,
    /// How long a failing plan is cut down, in seconds; 0 for not at all.
    #[arg(long, default_value_t = 60)]
    shrink_seconds: u64,
    /// A bug to plant first; only in a build for that.
    #[cfg(hypermesh_planted)]
    #[arg(long)]
    plant: Option<String>,
    /// Fail if a class of faults never took effect.
    #[arg(long)]
    coverage: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// What came of many runs.
#[derive(Serialize)]
struct Summary {
    world: WorldKind,
    seeds: u64,
    first_seed: u64,
    failed_seeds: Vec<u64>,
    seconds: f64,
    seeds_per_second: f64,
    simulated_seconds_per_second: f64,
    events: u64,
    answered: u64,
    coverage: BTreeMap<&'static str, u64>,
    marks: BTreeMap<&'static str, u64>,
    /// The classes that never took effect.
    never: Vec<&'static str>,
    /// The marks that were never reached.
    unreached: Vec<&'static str>,
}

#[derive(Default)]
struct Tally {
    played: u64,
    simulated_us: u64,
    events: u64,
    answered: u64,
    coverage: Coverage,
    marks: BTreeMap<&'static str, u64>,
    failures: Vec<(u64, Failure)>,
}

impl Swarm {
    pub(crate) fn play(&self) -> Exit {
        #[cfg(hypermesh_planted)]
        if let Some(name) = &self.plant
            && let Err(reason) = super::planted::plant(name)
        {
            return Exit::Unable(reason);
        }
        let (began, tally, next) = (Instant::now(), Mutex::new(Tally::default()), AtomicU64::new(0));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let progress = Progress::new(self.minutes.is_none().then_some(self.seeds));
        let until = self.minutes.map(|minutes| began + Duration::from_secs_f64(minutes * 60.0));
        // A panic is a failure of the run, and is told as one.
        std::panic::set_hook(Box::new(|_| {}));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.unwrap_or(cores).max(1) {
                scope.spawn(|| self.work(&next, until, &tally, &progress));
            }
        });
        progress.finish();
        let tally = tally.into_inner().unwrap_or_default();
        let kinds: Vec<FailureKind> = tally.failures.iter().map(|(_, failure)| failure.kind).collect();
        let summary = self.summary(&tally, began.elapsed().as_secs_f64());
        self.print(&summary);
        match Exit::of(kinds) {
            Exit::Passed if self.coverage && !summary.never.is_empty() => Exit::NotCovered,
            exit => exit,
        }
    }

    fn shape(&self) -> Shape {
        Shape { world: self.world.kind(), nodes: self.nodes }
    }

    fn work(&self, next: &AtomicU64, until: Option<Instant>, tally: &Mutex<Tally>, progress: &Progress) {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let is_late = until.is_some_and(|until| Instant::now() >= until);
            let enough = tally.lock().map_or(true, |tally| tally.failures.len() >= self.failures_max);
            if number >= self.seeds || is_late || enough {
                return;
            }
            let seed = self.first_seed.saturating_add(number);
            let plan = Plan::of_seed(seed, self.shape());
            let outcome = play(&plan);
            let failures = {
                let Ok(mut tally) = tally.lock() else { return };
                tally.take(seed, &outcome);
                tally.failures.len()
            };
            if let Some(failure) = &outcome.failure {
                progress.say(&self.keep(seed, &plan, failure));
            }
            progress.advance(failures);
        }
    }

    /// Keeps a failing run: its plan and tape, and the plan cut down. Says what happened and where it is.
    fn keep(&self, seed: u64, plan: &Plan, failure: &Failure) -> String {
        let path = self.out.join(format!("{}-seed-{seed}.toml", self.world.kind().name()));
        let traced = play_traced(plan, true);
        let tape = files::tape_of(&path);
        let mut told = format!("seed {seed}: FAILED: {failure}");
        let written =
            files::write_plan(&path, plan, &traced).and_then(|()| files::write(&tape, &traced.tape_text()));
        match written {
            Ok(()) => told += &format!("\n  again: cargo scenario replay {}", path.display()),
            Err(fault) => told += &format!("\n  not kept: {fault}"),
        }
        if self.shrink_seconds == 0 {
            return told;
        }
        let within = Duration::from_secs(self.shrink_seconds);
        match shrink(plan, failure, within, play) {
            Some(shrunk) => {
                let small = path.with_extension("shrunk.toml");
                told += &match files::write_plan(&small, &shrunk.plan, &shrunk.outcome) {
                    Ok(()) => format!(
                        "\n  cut down from {} to {} in {} runs: {}",
                        files::size_of(plan),
                        files::size_of(&shrunk.plan),
                        shrunk.played,
                        small.display()
                    ),
                    Err(fault) => format!("\n  not kept: {fault}"),
                };
            }
            None => told += "\n  it does not fail again: the run is not the same twice",
        }
        told
    }

    fn summary(&self, tally: &Tally, seconds: f64) -> Summary {
        let world = self.world.kind();
        let missing = tally.coverage.missing(world).into_iter();
        let unreached = MARKS.iter().filter(|mark| tally.mark(mark) == 0);
        let of_world = FaultClass::ALL.iter().filter(|class| class.is_of(world));
        Summary {
            world,
            seeds: tally.played,
            first_seed: self.first_seed,
            failed_seeds: tally.failures.iter().map(|(seed, _)| *seed).collect(),
            seconds,
            seeds_per_second: tally.played as f64 / seconds,
            simulated_seconds_per_second: tally.simulated_us as f64 / 1e6 / seconds,
            events: tally.events,
            answered: tally.answered,
            coverage: of_world.map(|class| (class.name(), tally.coverage.count(*class))).collect(),
            marks: MARKS.iter().map(|mark| (*mark, tally.mark(mark))).collect(),
            never: missing.map(|class| class.name()).collect(),
            unreached: unreached.copied().collect(),
        }
    }

    fn print(&self, summary: &Summary) {
        if self.json {
            match serde_json::to_string_pretty(summary) {
                Ok(text) => println!("{text}"),
                Err(fault) => eprintln!("scenario: the summary cannot be printed: {fault}"),
            }
            return;
        }
        let Summary { seeds, seconds, events, answered, .. } = summary;
        println!(
            "{seeds} seeds in {seconds:.1} s: {:.1} seeds/s, {:.0} simulated s per second, {events} events, {answered} requests answered, {} failed",
            summary.seeds_per_second,
            summary.simulated_seconds_per_second,
            summary.failed_seeds.len(),
        );
        let widest = summary
            .coverage
            .keys()
            .chain(summary.marks.keys())
            .map(|name| name.len())
            .max()
            .unwrap_or_default();
        for (name, count) in summary.coverage.iter().chain(&summary.marks) {
            println!("  {name:<widest$} {count:>12}");
        }
        if !summary.never.is_empty() {
            println!("never took effect: {}", summary.never.join("; "));
        }
        if !summary.unreached.is_empty() {
            println!("never reached here (named scenarios reach each): {}", summary.unreached.join("; "));
        }
    }
}

impl Tally {
    fn mark(&self, mark: &str) -> u64 {
        self.marks.get(mark).copied().unwrap_or_default()
    }

    fn take(&mut self, seed: u64, outcome: &PlanOutcome) {
        self.played += 1;
        self.simulated_us += outcome.simulated.0;
        self.events += outcome.events;
        self.answered += outcome.answered;
        self.coverage.add(&outcome.coverage);
        for (mark, count) in &outcome.marks {
            *self.marks.entry(mark).or_default() += count;
        }
        if let Some(failure) = &outcome.failure {
            self.failures.push((seed, failure.clone()));
        }
    }
}
