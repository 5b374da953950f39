//! Plays a plan in the world that it is for.

use super::client::{Client, bundle_request, verify};
use super::inject::Memory;
use super::outcome::{Failure, FailureKind, PlanOutcome};
use super::plan_world::{PlanWorld, RunReport};
use super::workload::{ClientRequest, FollowUp, TimedRequest};
use super::{Plan, Range, Rest, WorldKind, quic};
use crate::base::{NodeIndex, Span};
use crate::check::CALM_WITHIN;
use crate::check::progress::{self, NodeConditions, judge};
use crate::fault::{Fault, FaultClass};
use crate::world::{NetworkOptions, Options, RunFault, World};
use hypermesh_core::api::Response;
use hypermesh_core::base::{Height, Mono};
use hypermesh_core::trust::TrustBundle;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A client that was refused asks again after this long.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Of liars who have equivocated more often than this, some honest node has both of two contradicting messages: each is
/// shown both at once one time in four.
const EQUIVOCATIONS_UNNOTICED_MAX: u64 = 200;
/// What a node says of its keys when it has lost its shares of them.
const LACKS_SHARES: &str = "lacks its key shares";
/// What did not happen, when the healed nodes stand still.
const PROGRESS: &str = "progress";
/// So many requests at one instant are a burst.
const BURST_COUNT: usize = 100;

/// Plays a plan.
#[must_use]
pub fn play(plan: &Plan) -> PlanOutcome {
    play_traced(plan, false)
}

/// Plays a plan and keeps what happens in words, if asked to.
#[must_use]
pub fn play_traced(plan: &Plan, keep_lines: bool) -> PlanOutcome {
    let played = catch_unwind(AssertUnwindSafe(|| match plan.world {
        WorldKind::World => play_in::<World>(plan, keep_lines),
        WorldKind::Quic => quic::play(plan, keep_lines),
    }));
    played.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let what = words.unwrap_or_else(|| "a panic without words".to_string());
        PlanOutcome::unplayed(Failure { kind: FailureKind::Crash, check: "panic".to_string(), what })
    })
}

/// Plays a plan in a world of this kind.
pub(super) fn play_in<A: PlanWorld>(plan: &Plan, keep_lines: bool) -> PlanOutcome {
    Run::<A>::new(plan, keep_lines).into_outcome()
}

/// What is done at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PlanStep {
    End(usize),
    Begin(usize),
    Send(usize),
    SendAgain(usize, NodeIndex),
    GiveUp(usize),
}

struct Run<'a, A> {
    plan: &'a Plan,
    world: A,
    clients: Vec<Client>,
    memories: BTreeMap<usize, Memory>,
    steps: BTreeMap<(u64, PlanStep), ()>,
}

impl<'a, A: PlanWorld> Run<'a, A> {
    fn new(plan: &'a Plan, keep_lines: bool) -> Self {
        let world = A::of_plan(plan, keep_lines);
        let clients = plan
            .requests
            .iter()
            .cloned()
            .enumerate()
            .map(|(number, timed)| Client::new(number, timed))
            .collect();
        let mut steps = BTreeMap::new();
        for (number, timed) in plan.faults.iter().enumerate() {
            steps.insert((timed.at_ms, PlanStep::Begin(number)), ());
            steps.insert((timed.at_ms.saturating_add(timed.for_ms), PlanStep::End(number)), ());
        }
        for (number, timed) in plan.requests.iter().enumerate() {
            steps.insert((timed.at_ms, PlanStep::Send(number)), ());
        }
        Self { plan, world, clients, memories: BTreeMap::new(), steps }
    }

    fn play(&mut self) -> Result<(), RunFault> {
        if self.plan.beyond_tolerated {
            self.world.allow_unsafe();
        }
        let snapshots = self.plan.faults.iter().filter_map(|timed| match timed.fault {
            Fault::ResumeSnapshot { place } => Some(place),
            _ => None,
        });
        for place in snapshots.collect::<BTreeSet<_>>() {
            self.world.keep_inputs(place);
        }
        for liar in &self.plan.liars {
            self.world.corrupt(liar.place, liar.lie);
        }
        self.chaos()?;
        self.heal()?;
        if self.plan.beyond_tolerated {
            return self.endure();
        }
        self.progress()?;
        self.calm()?;
        self.world.finish()
    }

    /// All clients leave, and what was done for them ends.
    fn calm(&mut self) -> Result<(), RunFault> {
        self.clients.iter_mut().for_each(|client| client.give_up(&mut self.world));
        self.world.run_for(CALM_WITHIN)?;
        self.plan.healed.iter().try_for_each(|place| self.world.check_calm(*place))
    }

    /// The first phase.
    fn chaos(&mut self) -> Result<(), RunFault> {
        let bursts = self.plan.requests.chunk_by(|one, next| one.at_ms == next.at_ms);
        if bursts.into_iter().any(|burst| burst.len() >= BURST_COUNT) {
            self.world.hit(FaultClass::Burst);
        }
        while let Some(((at_ms, step), ())) = self.steps.pop_first() {
            if at_ms >= self.plan.chaos_ms {
                break;
            }
            self.run_to(at_ms)?;
            self.step(at_ms, step)?;
        }
        self.steps.clear();
        self.run_to(self.plan.chaos_ms)
    }

    fn run_to(&mut self, at_ms: u64) -> Result<(), RunFault> {
        let until = Mono(at_ms.saturating_mul(1000));
        match until.since(self.world.now()) {
            Duration::ZERO => Ok(()),
            left => self.world.run_for(left),
        }
    }

    fn step(&mut self, at_ms: u64, step: PlanStep) -> Result<(), RunFault> {
        match step {
            PlanStep::Begin(number) => {
                if let Some(timed) = self.plan.faults.get(number) {
                    let memory = timed.fault.begin(&mut self.world)?;
                    self.memories.insert(number, memory);
                }
                Ok(())
            }
            PlanStep::End(number) => match (self.plan.faults.get(number), self.memories.remove(&number)) {
                (Some(timed), Some(memory)) => timed.fault.end(&mut self.world, &memory),
                _ => Ok(()),
            },
            PlanStep::Send(number) => {
                let (earlier, rest) = self.clients.split_at_mut(number);
                let Some(client) = rest.first_mut() else { return Ok(()) };
                earlier.iter_mut().for_each(|client| {
                    client.wants(&self.world);
                });
                client.ask(&mut self.world, earlier);
                if let Some((after_ms, place)) = client.next() {
                    self.steps
                        .insert((at_ms.saturating_add(after_ms), PlanStep::SendAgain(number, place)), ());
                }
                if let Some(after_ms) = client.gives_up_after() {
                    self.steps.insert((at_ms.saturating_add(after_ms), PlanStep::GiveUp(number)), ());
                }
                Ok(())
            }
            PlanStep::GiveUp(number) => {
                if let Some(client) = self.clients.get_mut(number) {
                    client.wants(&self.world);
                    client.give_up(&mut self.world);
                }
                Ok(())
            }
            PlanStep::SendAgain(number, place) => {
                if let Some(client) = self.clients.get_mut(number) {
                    client.ask_at(&mut self.world, place);
                }
                Ok(())
            }
        }
    }

    /// The second phase: a quorum is whole, the rest stays broken for good.
    fn heal(&mut self) -> Result<(), RunFault> {
        for (number, memory) in core::mem::take(&mut self.memories) {
            let Some(timed) = self.plan.faults.get(number) else { continue };
            // Who is not healed does not come back.
            if timed.fault.damages().is_none() {
                timed.fault.end(&mut self.world, &memory)?;
            }
        }
        self.world.calm();
        let nodes = self.plan.nodes;
        let is_rest = |place: &NodeIndex| !self.plan.healed.contains(place);
        match self.plan.rest {
            Rest::Down => (0..nodes).filter(is_rest).for_each(|place| self.world.crash(place)),
            Rest::AsLeft => {}
            Rest::CutOff => {
                let sides: Vec<u8> = (0..nodes).map(|place| u8::from(is_rest(&place))).collect();
                self.world.partition(&sides);
            }
        }
        if self.plan.rest != Rest::CutOff {
            self.world.partition(&vec![0; nodes]);
        }
        self.plan.healed.iter().try_for_each(|place| self.world.start_or_wipe(*place))
    }

    /// The third phase: everything that was asked and not given up is answered, and every healed node issues.
    fn progress(&mut self) -> Result<(), RunFault> {
        let first = self.clients.len();
        for place in self.plan.healed.clone() {
            let timed = TimedRequest { at_ms: 0, place, ask: ClientRequest::Issue, then: FollowUp::Wait };
            let mut client = Client::new(self.clients.len(), timed);
            client.ask(&mut self.world, &[]);
            self.clients.push(client);
        }
        for client in self.clients.iter_mut().take(first) {
            // What went to nodes that may be gone for good is not waited for.
            client.wants(&self.world);
            client.give_up(&mut self.world);
        }
        let within = Duration::from_millis(self.plan.progress_ms);
        self.advance(within)?;
        let one_height = self.world.run_until("the healed nodes at one height", within, |world| {
            let mut heights =
                self.plan.healed.iter().map(|place| world.view(*place).map(|view| view.state.height()));
            let first = heights.next();
            heights.all(|height| Some(height) == first)
        });
        match one_height {
            Err(RunFault::Stalled { what, .. }) => return Err(self.stalled(within, &what)),
            ended => ended?,
        }
        self.verify(within)
    }

    /// Lets the healed nodes answer everything and decide on it, and has what comes of that judged: a plan promises that
    /// they are a quorum, each linked with every other.
    fn advance(&mut self, within: Duration) -> Result<(), RunFault> {
        let healed = self.plan.healed.iter().copied().collect();
        let expected_progress = NodeConditions::all_linked(self.plan.nodes, healed).expected_progress();
        let (began, before) = (self.world.now(), self.heights());
        while self.ask_again() && self.world.now().since(began) < within {
            self.world.run_for(ASKS_AGAIN_AFTER)?;
        }
        let unanswered = self.clients.iter().filter(|client| client.is_owed()).count();
        let waited = self.world.now().since(began);
        let outcome = progress::WaitOutcome { waited, within, before, after: self.heights(), unanswered };
        judge(&expected_progress, &outcome).map_err(|violation| self.stalled(within, &violation.what))
    }

    /// The height of each node that runs.
    fn heights(&self) -> BTreeMap<NodeIndex, Height> {
        let height = |place| Some((place, self.world.view(place)?.state.height()));
        (0..self.plan.nodes).filter_map(height).collect()
    }

    /// What is left to demand where more lie than can be tolerated: the honest nodes run and answer, and whoever was
    /// seen to equivocate is told of by name.
    fn endure(&mut self) -> Result<(), RunFault> {
        let within = Duration::from_millis(self.plan.progress_ms);
        self.world.run_for(within)?;
        for place in &self.plan.healed {
            let id = self.world.request(*place, bundle_request());
            let what = "an answer of an honest node";
            self.world.run_until(what, within, |world| world.is_answered(id))?;
        }
        let classes = [FaultClass::EquivocatingProposer, FaultClass::EquivocatingVoter];
        let times: u64 = classes.iter().map(|class| self.world.count(*class)).sum();
        let told = self.world.tells_of_equivocation(&self.plan.healed);
        if times > EQUIVOCATIONS_UNNOTICED_MAX && !told {
            let what = format!("liars equivocated {times} times, and no honest node tells of it");
            return Err(RunFault::Unexpected(what));
        }
        Ok(())
    }

    /// Lets every client ask again that has to. Says whether any is owed an answer.
    fn ask_again(&mut self) -> bool {
        let healed = &self.plan.healed;
        let mut owed = false;
        for client in &mut self.clients {
            if client.wants(&self.world)
                && let Some(place) = healed.get(client.number() % healed.len().max(1))
            {
                client.ask_at(&mut self.world, *place);
            }
            owed |= client.is_owed();
        }
        owed
    }

    /// A failure to make progress: what is owed, and which stall it is.
    fn stalled(&self, within: Duration, violation: &str) -> RunFault {
        let owed: Vec<String> = self
            .clients
            .iter()
            .filter(|client| client.is_owed())
            .map(|client| format!("request {} ({})", client.number(), client.last_refusal(&self.world)))
            .collect();
        let stall = match self.conditions().stall() {
            Some(stall) => format!("a legal stall, which the plan did not promise: {stall}"),
            None => "no legal stall: a quorum is able and linked".to_string(),
        };
        let state = format!("{violation}; {stall}; {}; {}", owed.join(", "), self.world.describe());
        RunFault::Stalled { what: PROGRESS.to_string(), within, state }
    }

    /// How the nodes are now, as they say themselves; but for those that lie.
    fn conditions(&self) -> NodeConditions {
        let mut conditions = NodeConditions { validators: self.plan.nodes, ..NodeConditions::default() };
        for place in 0..self.plan.nodes {
            let view = self.world.view(place);
            let why = match &view {
                None => Some("is down".to_string()),
                Some(_) if self.plan.liars.iter().any(|liar| liar.place == place) => Some("lies".to_string()),
                Some(view) => hindrance(&view.status.voting),
            };
            if let Some(why) = why {
                conditions.hindered.insert(place, why);
                continue;
            }
            conditions.able.insert(place);
            let Some(view) = view else { continue };
            match view.state.committee() {
                None => conditions.keyless = Some(view.status.committee.clone()),
                Some(_) if view.status.committee.contains(LACKS_SHARES) => {
                    conditions.without_shares.insert(place);
                }
                Some(_) => {}
            }
        }
        let pairs =
            (0..self.plan.nodes).flat_map(|one| (one + 1..self.plan.nodes).map(move |other| (one, other)));
        conditions.linked = pairs.filter(|(one, other)| self.world.is_linked(*one, *other)).collect();
        conditions
    }

    /// Every certificate that a client got verifies offline.
    fn verify(&mut self, within: Duration) -> Result<(), RunFault> {
        let Some(place) = self.plan.healed.first() else { return Ok(()) };
        let id = self.world.request(*place, bundle_request());
        self.world.run_until("a trust bundle", within, |world| world.is_answered(id))?;
        let Some(Response::TrustBundle(bundle)) = self.world.response(id) else {
            return Err(RunFault::Unexpected("a healed node gives no trust bundle".to_string()));
        };
        let anchors = |fault| RunFault::Unexpected(format!("a trust bundle anchors nothing: {fault}"));
        TrustBundle::check(&bundle).map_err(anchors)?;
        let mut certificates = self.clients.iter().filter_map(Client::certificate);
        certificates.try_for_each(|issued| verify(&self.world, &bundle, issued))
    }

    fn into_outcome(mut self) -> PlanOutcome {
        let failure = self.play().err().map(Failure::from);
        let RunReport { hash, events, lines, tape, records, coverage, marks } = self.world.told();
        let answered = self.clients.iter().filter(|client| client.got().is_some()).count() as u64;
        let simulated = self.world.now();
        PlanOutcome { hash, events, simulated, coverage, marks, answered, lines, tape, records, failure }
    }
}

/// Why a node that runs does not vote, in its own words for its status; that it is not linked with enough others is no
/// reason of its own.
fn hindrance(voting: &str) -> Option<String> {
    let own = ["abstains", "waits", "stopped"].iter().any(|word| voting.starts_with(word));
    own.then(|| voting.to_string())
}

impl Plan {
    /// How the world of events is.
    pub(super) fn options(&self, keep_lines: bool) -> Options {
        let span = |range: Range| Span::us(range.from_us, range.to_us);
        Options {
            nodes: self.nodes,
            start: self.start,
            network: NetworkOptions {
                latency: span(self.latency),
                loss_per_mille: 0,
                detection: Span::us(1_000, 200_000),
            },
            disk: span(self.disk),
            job: span(self.job),
            skew_ms_max: self.skew_ms_max,
            keep_lines,
        }
    }
}
