//! Cuts a failing plan down to what the failure needs: fewer faults, liars, requests and nodes, less time.
//!
//! A smaller plan is kept if it fails in the same way: the same kind, and the same check. Streams of randomness are
//! split by purpose, so that what is left of a plan mostly happens as it did.

use super::outcome::{Failure, PlanOutcome};
use super::workload::FollowUp;
use super::{Fault, Plan, Rest};
use std::time::{Duration, Instant};

/// A plan that fails as another did, and has less in it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What comes of it.
    pub outcome: PlanOutcome,
    /// How many plans were played on the way.
    pub played: u64,
}

/// The smallest plan that is found within a time, which fails as `failure` says.
///
/// `None` if the plan itself does not fail so.
pub fn shrink(
    plan: &Plan,
    failure: &Failure,
    within: Duration,
    play: impl Fn(&Plan) -> PlanOutcome,
) -> Option<Shrunk> {
    let mut search = Search { failure, play, played: 0, until: Instant::now() + within };
    let mut best = (plan.clone(), search.fails(plan)?);
    loop {
        let before = best.0.clone();
        for pass in PASSES {
            pass(&mut search, &mut best);
        }
        if best.0 == before || search.is_late() {
            break;
        }
    }
    Some(Shrunk { plan: best.0, outcome: best.1, played: search.played })
}

type Best = (Plan, PlanOutcome);

struct Search<'a, F> {
    failure: &'a Failure,
    play: F,
    played: u64,
    until: Instant,
}

/// What a search tries plans on, whatever plays them.
trait Tries {
    /// Keeps a plan if it can be played and fails as it should. Says whether it does.
    fn tries(&mut self, plan: Plan, best: &mut Best) -> bool;
}

impl<F: Fn(&Plan) -> PlanOutcome> Search<'_, F> {
    fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    fn fails(&mut self, plan: &Plan) -> Option<PlanOutcome> {
        self.played += 1;
        let outcome = (self.play)(plan);
        let same =
            |failure: &Failure| (failure.kind, &failure.check) == (self.failure.kind, &self.failure.check);
        outcome.failure.as_ref().is_some_and(same).then_some(outcome)
    }
}

impl<F: Fn(&Plan) -> PlanOutcome> Tries for Search<'_, F> {
    fn tries(&mut self, plan: Plan, best: &mut Best) -> bool {
        if self.is_late() || plan == best.0 || plan.check().is_err() {
            return false;
        }
        match self.fails(&plan) {
            Some(outcome) => {
                *best = (plan, outcome);
                true
            }
            None => false,
        }
    }
}

type Pass = fn(&mut dyn Tries, &mut Best);

const PASSES: &[Pass] = &[
    fewer_faults,
    fewer_requests,
    fewer_liars,
    plainer_requests,
    shorter,
    fewer_nodes,
    calmer,
    shorter_faults,
];

/// Takes parts of a list away: halves first, single elements last (Zeller, delta debugging).
fn fewer<T: Clone>(
    search: &mut dyn Tries,
    best: &mut Best,
    list: fn(&mut Plan) -> &mut Vec<T>,
    repair: fn(&mut Plan, from: usize, count: usize),
) {
    let mut chunk = list(&mut best.0).len();
    while chunk > 0 {
        let mut from = 0;
        while from < list(&mut best.0).len() {
            let mut plan = best.0.clone();
            let elements = list(&mut plan);
            let to = (from + chunk).min(elements.len());
            elements.drain(from..to);
            repair(&mut plan, from, to - from);
            if !search.tries(plan, best) {
                from += chunk;
            }
        }
        chunk /= 2;
    }
}

fn fewer_faults(search: &mut dyn Tries, best: &mut Best) {
    fewer(search, best, |plan| &mut plan.faults, |_, _, _| {});
}

fn fewer_liars(search: &mut dyn Tries, best: &mut Best) {
    fewer(search, best, |plan| &mut plan.liars, |_, _, _| {});
}

fn fewer_requests(search: &mut dyn Tries, best: &mut Best) {
    fewer(
        search,
        best,
        |plan| &mut plan.requests,
        |plan, from, count| {
            for request in &mut plan.requests {
                if let Some(of) = request.ask.of_mut()
                    && *of >= from
                {
                    // One that refers to what was taken away refers to nothing, and the plan is refused.
                    *of = of.checked_sub(count).unwrap_or(usize::MAX);
                }
            }
        },
    );
}

fn plainer_requests(search: &mut dyn Tries, best: &mut Best) {
    for number in 0..best.0.requests.len() {
        let mut plan = best.0.clone();
        if let Some(request) = plan.requests.get_mut(number) {
            request.then = FollowUp::Wait;
        }
        search.tries(plan, best);
    }
}

fn shorter(search: &mut dyn Tries, best: &mut Best) {
    loop {
        let mut plan = best.0.clone();
        plan.chaos_ms /= 2;
        let chaos_ms = plan.chaos_ms;
        plan.faults.retain(|timed| timed.at_ms < chaos_ms);
        plan.requests.retain(|request| request.at_ms < chaos_ms);
        if plan.chaos_ms == 0 || !search.tries(plan, best) {
            return;
        }
    }
}

fn shorter_faults(search: &mut dyn Tries, best: &mut Best) {
    for number in 0..best.0.faults.len() {
        loop {
            let mut plan = best.0.clone();
            let Some(timed) = plan.faults.get_mut(number).filter(|timed| timed.for_ms > 0) else { break };
            timed.for_ms /= 2;
            if !search.tries(plan, best) {
                break;
            }
        }
    }
}

/// Drops the last node, where nothing refers to it.
fn fewer_nodes(search: &mut dyn Tries, best: &mut Best) {
    while best.0.nodes > 4 {
        let mut plan = best.0.clone();
        plan.nodes -= 1;
        let nodes = plan.nodes;
        plan.healed.retain(|place| *place < nodes);
        plan.faults.retain_mut(|timed| {
            if let Fault::Partition { sides } = &mut timed.fault {
                sides.truncate(nodes);
            }
            timed.fault.fits(nodes)
        });
        plan.liars.retain(|liar| liar.place < nodes);
        plan.requests.iter_mut().for_each(|request| request.place %= nodes);
        if !search.tries(plan, best) {
            return;
        }
    }
}

fn calmer(search: &mut dyn Tries, best: &mut Best) {
    let changes: [fn(&mut Plan); 5] = [
        |plan| plan.rest = Rest::AsLeft,
        |plan| plan.skew_ms_max = 0,
        |plan| plan.latency.to_us = plan.latency.from_us,
        |plan| plan.disk.to_us = plan.disk.from_us,
        |plan| plan.job.to_us = plan.job.from_us,
    ];
    for change in changes {
        let mut plan = best.0.clone();
        change(&mut plan);
        search.tries(plan, best);
    }
}
