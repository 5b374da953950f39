//! Reports: a run as one page that can be looked at in any browser, as a table, or as a log for ShiViz.
//!
//! A report shows what happened; it judges nothing itself. Its verdict is that of the checks of the run.

mod bands;
mod data;
mod entries;
mod html;
mod overview;
mod shiviz;
mod table;

#[cfg(test)]
mod tests;

use super::exit::Exit;
use super::named::play_named;
use super::{InWorld, files};
use clap::Args;
use hypermesh_core::base::{Digest, Mono};
use hypermesh_scenarios::Run;
use hypermesh_sim::plan::{Failure, Plan, PlanOutcome, WorldKind, play_traced};
use hypermesh_sim::world::{EventRecord, NodeIndex, Recorded};
use std::path::{Path, PathBuf};

/// Shows a run: one HTML file with everything in it, or as text.
#[derive(Args)]
pub(crate) struct Report {
    /// The plan's file.
    #[arg(required_unless_present = "scenario")]
    file: Option<PathBuf>,
    /// A scenario instead of a plan.
    #[arg(long, conflicts_with = "file", value_name = "NAME")]
    scenario: Option<String>,
    /// The scenario's seed.
    #[arg(long, default_value_t = 1, requires = "scenario")]
    seed: u64,
    #[command(flatten)]
    world: InWorld,
    /// Where it goes; a page beside the plan, or into target/reports, and text to standard output, if nothing is said.
    #[arg(long, short)]
    out: Option<PathBuf>,
    /// Print everything that happened instead, a line each.
    #[arg(long)]
    table: bool,
    /// Print a log for ShiViz instead, which draws who could know what: its first line is the expression to paste.
    #[arg(long, conflicts_with = "table")]
    shiviz: bool,
}

/// A run that is shown.
struct ReportSubject {
    /// What was played: a scenario's name, or a plan's file.
    title: String,
    world: WorldKind,
    seed: u64,
    /// What was played, if it was a plan.
    plan: Option<Plan>,
    hash: Digest,
    events: u64,
    simulated: Mono,
    failure: Option<Failure>,
    records: Vec<EventRecord>,
    /// The command that plays it again.
    again: String,
}

impl Report {
    pub(crate) fn write(&self) -> Exit {
        match self.write_or_say_why() {
            Ok(()) => Exit::Passed,
            Err(reason) => Exit::Unable(reason),
        }
    }

    fn write_or_say_why(&self) -> Result<(), String> {
        let (subject, page) = match (&self.file, &self.scenario) {
            (Some(file), _) => (ReportSubject::of_plan(file)?, file.with_extension("html")),
            (None, Some(name)) => {
                let page = format!("target/reports/{name}-seed-{}.html", self.seed);
                (ReportSubject::of_scenario(name, self.seed, self.world.kind())?, PathBuf::from(page))
            }
            (None, None) => return Err("neither a plan nor a scenario is named".to_string()),
        };
        eprintln!("{}", subject.verdict());
        let text = if self.table {
            table::table(&subject)
        } else if self.shiviz {
            shiviz::log(&subject)
        } else {
            let out = self.out.clone().unwrap_or(page);
            files::write(&out, &html::page(&subject)?)?;
            println!("{}", out.display());
            return Ok(());
        };
        match &self.out {
            Some(out) => files::write(out, &text),
            None => {
                print!("{text}");
                Ok(())
            }
        }
    }
}

impl ReportSubject {
    fn of_plan(file: &Path) -> Result<Self, String> {
        let plan = files::read_plan(file)?;
        let outcome = play_traced(&plan, true);
        let again = format!("cargo scenario replay {}", file.display());
        Ok(Self::of_outcome(file.display().to_string(), plan, outcome, again))
    }

    fn of_outcome(title: String, plan: Plan, outcome: PlanOutcome, again: String) -> Self {
        let PlanOutcome { hash, events, simulated, failure, records, .. } = outcome;
        let (world, seed) = (plan.world, plan.seed);
        Self { title, world, seed, plan: Some(plan), hash, events, simulated, failure, records, again }
    }

    fn of_scenario(name: &str, seed: u64, world: WorldKind) -> Result<Self, String> {
        let Run { hash, events, simulated, records, fault, .. } = play_named(world, name, seed)?;
        Ok(Self {
            title: name.to_string(),
            world,
            seed,
            plan: None,
            hash,
            events,
            simulated,
            failure: fault.map(Failure::from),
            records,
            again: format!("cargo scenario run {name} --in {} --seed {seed} --trace", world.name()),
        })
    }

    /// How many nodes there are, with those that joined on the way.
    fn nodes(&self) -> usize {
        let seen = self.records.iter().map(|record| match &record.what {
            Recorded::Message(message) => record.place.max(message.target) + 1,
            _ => record.place + 1,
        });
        let planned = self.plan.as_ref().map_or(0, |plan| plan.nodes);
        seen.chain([planned]).max().unwrap_or_default()
    }

    /// What came of it, in a line.
    fn verdict(&self) -> String {
        self.failure.as_ref().map_or_else(|| "passed".to_string(), |failure| format!("FAILED: {failure}"))
    }

    /// Where a check spoke, and when, if it spoke on the way.
    fn judged(&self) -> Option<(Mono, NodeIndex)> {
        let verdict = self.records.iter().rev().find(|record| record.what == Recorded::Verdict)?;
        Some((verdict.at, verdict.place))
    }
}

/// What a node is called: by its place, from 1.
fn node_name(place: NodeIndex) -> String {
    format!("node-{}", place + 1)
}

/// A moment in seconds.
fn seconds(at: Mono) -> String {
    format!("{}.{:06}", at.0 / 1_000_000, at.0 % 1_000_000)
}
