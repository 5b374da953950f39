//! What a run asks of a world, whichever it is: the one of events, or the one of QUIC.

use super::client::verify;
use super::{Coverage, FaultClass, PathFault, Plan};
use crate::base::{Disk, Link, NodeIndex, Participants, Span};
use crate::fault::Lie;
use crate::world::{BadWrites, EventRecord, MachineSnapshot, Owner, RunFault, Taken, World};
use hypermesh_core::api::{Request, Response, View};
use hypermesh_core::base::{Digest, Mono, SecretKey, Table, UnixMillis};
use hypermesh_core::node::{Event, RequestId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A world that plans are played in.
pub(super) trait PlanWorld: Sized {
    /// The world that a plan describes, in which every node has just been started.
    fn of_plan(plan: &Plan, keep_lines: bool) -> Self;

    // --- what is done in it ---

    /// Asks a node.
    fn request(&mut self, place: NodeIndex, request: Request) -> RequestId;
    /// The caller of a request stops waiting.
    fn cancel(&mut self, place: NodeIndex, id: RequestId);
    /// Makes a node lie from now on.
    fn corrupt(&mut self, place: NodeIndex, lie: Lie);
    /// Lets safety go: more lie than can be tolerated.
    fn allow_unsafe(&mut self) {}
    /// Counts an effect of a class of faults.
    fn hit(&mut self, class: FaultClass);
    /// Runs for a while.
    fn run_for(&mut self, duration: Duration) -> Result<(), RunFault>;
    /// Runs until something is so, and for `within` at most.
    fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        is_so: impl FnMut(&Self) -> bool,
    ) -> Result<(), RunFault>;

    // --- what goes wrong in it; a fault that it has not does nothing, and no plan of it has one ---

    /// Divides the nodes.
    fn partition(&mut self, sides: &[u8]);
    /// Loses so many messages of a thousand from now on.
    fn lose(&mut self, per_mille: u64);
    /// Makes one direction of a link anew.
    fn flap(&mut self, _link: Link) {}
    /// Lets something be wrong with the network from now on.
    fn begin_path(&mut self, path: &PathFault);
    /// Ends that.
    fn end_path(&mut self, path: &PathFault);
    /// Ends everything that is wrong with links, partitions excepted.
    fn calm(&mut self);
    /// Lets a machine keep what snapshots of it need.
    fn keep_inputs(&mut self, _place: NodeIndex) {}
    /// A snapshot of a machine, if it keeps its inputs.
    fn snapshot(&self, _place: NodeIndex) -> Option<MachineSnapshot> {
        None
    }
    /// Resumes a snapshot.
    fn resume_snapshot(&mut self, _place: NodeIndex, _snapshot: &MachineSnapshot) {}
    /// Stops a node without warning.
    fn crash(&mut self, place: NodeIndex);
    /// Starts a node that is down.
    fn start(&mut self, place: NodeIndex) -> Result<(), RunFault>;
    /// Starts a node that is down, with an empty disk if its own is not to be used any more.
    fn start_or_wipe(&mut self, place: NodeIndex) -> Result<(), RunFault>;
    /// Crashes a node when so many more of its outputs have been carried out.
    fn crash_after(&mut self, place: NodeIndex, outputs: u64);
    /// Lets a node not crash so, if it has not yet.
    fn crash_no_more(&mut self, place: NodeIndex);
    /// Lets a node handle nothing from now on.
    fn pause(&mut self, _place: NodeIndex) {}
    /// Lets a node take so long for everything from now on.
    fn slow(&mut self, _place: NodeIndex, _span: Span) {}
    /// Lets a node be as fast as it was.
    fn resume(&mut self, _place: NodeIndex) {}
    /// Lets a node's jobs take so much longer from now on.
    fn delay_jobs(&mut self, place: NodeIndex, lag: Option<Span>);
    /// A node's disk.
    fn disk(&self, place: NodeIndex) -> Option<Disk>;
    /// Whether a node's disk was damaged and is not whole again.
    fn is_disk_damaged(&self, place: NodeIndex) -> bool;
    /// Wipes the disk of a node that is down.
    fn wipe(&mut self, place: NodeIndex);
    /// Loses the log of votes of a node that is down.
    fn lose_log(&mut self, place: NodeIndex);
    /// Gives a node that is down a copy of another disk.
    fn replace_disk(&mut self, place: NodeIndex, disk: &Disk);
    /// Lets a row of a node's disk rot.
    fn rot(&mut self, place: NodeIndex, table: Table, key: &[u8]);
    /// Lets a row of a node's disk have been written in the place of another.
    fn misdirect(&mut self, place: NodeIndex, table: Table, key: &[u8], instead_of: &[u8]);
    /// Lets a node's writes go wrong from now on, or no longer.
    fn set_bad_writes(&mut self, place: NodeIndex, bad: Option<BadWrites>);
    /// Lets all of a node's reads fail from now on, or no longer.
    fn fail_reads(&mut self, place: NodeIndex, fail: bool);
    /// Puts the data of an older version on the disk of a node that is down.
    fn age_disk(&mut self, _place: NodeIndex) -> Result<(), RunFault> {
        Ok(())
    }
    /// Sets a node's wall clock so many milliseconds ahead of the true one.
    fn jump(&mut self, place: NodeIndex, ahead_ms: i64);
    /// Lets a node's clocks run too fast by so many parts in a million from now on.
    fn drift(&mut self, place: NodeIndex, mono_ppm: i64, wall_ppm: i64);

    // --- what there is to see ---

    /// The time, since the world began.
    fn now(&self) -> Mono;
    /// What time a client goes by: its own clock, which is right, or the mesh's proved time if that is ahead of it.
    fn client_time(&self) -> UnixMillis;
    /// Who takes part.
    fn participants(&self) -> &Participants;
    /// Someone who asks now.
    fn owner(&self, key: &SecretKey) -> Owner;
    /// A node's view, if it runs.
    fn view(&self, place: NodeIndex) -> Option<Arc<View>>;
    /// Whether a request was answered, be it with a refusal.
    fn is_answered(&self, id: RequestId) -> bool;
    /// What was asked for, if it was given.
    fn response(&self, id: RequestId) -> Option<Response>;
    /// Whether a client takes an answer of a node. It verifies every certificate with the bundle that its operator gave
    /// it; here only those that a liar has handed out, because the others are all verified in the end.
    fn is_taken(&self, place: NodeIndex, response: &Response) -> bool;
    /// Whether one of these nodes has told of a validator that contradicts itself.
    fn tells_of_equivocation(&self, places: &[NodeIndex]) -> bool;
    /// Whether messages get through between two nodes, both ways, as far as is known.
    fn is_linked(&self, _one: NodeIndex, _other: NodeIndex) -> bool {
        true
    }
    /// How often a class of faults has taken effect.
    fn count(&self, class: FaultClass) -> u64;
    /// Why it was not given, if it was refused.
    fn refusal(&self, id: RequestId) -> Option<String>;
    /// How the nodes are, in words.
    fn describe(&self) -> String;
    /// Checks what can only be checked at the end.
    fn finish(&self) -> Result<(), RunFault>;
    /// Checks that a node does nothing for clients who have left.
    ///
    /// # Errors
    /// If it does.
    fn check_calm(&self, _place: NodeIndex) -> Result<(), RunFault> {
        // Nodes in hosts of their own show no tables: a test on QUIC looks at three of them in their metrics.
        Ok(())
    }
    /// Everything that happened.
    fn told(&self) -> RunReport;
}

/// Everything that happened in a world.
pub(super) struct RunReport {
    pub(super) hash: Digest,
    pub(super) events: u64,
    pub(super) lines: Vec<String>,
    pub(super) tape: Vec<Taken>,
    /// What happened, as it is drawn, where that is kept.
    pub(super) records: Vec<EventRecord>,
    pub(super) coverage: Coverage,
    /// Which marks of the protocol were reached, where that is to be seen.
    pub(super) marks: BTreeMap<&'static str, u64>,
}

/// What worlds do by methods of the same names.
macro_rules! as_the_world_does {
    () => {
        fn request(&mut self, place: NodeIndex, request: Request) -> RequestId {
            Self::request(self, place, request)
        }

        fn cancel(&mut self, place: NodeIndex, id: RequestId) {
            Self::cancel(self, place, id);
        }

        fn corrupt(&mut self, place: NodeIndex, lie: Lie) {
            Self::corrupt(self, place, lie);
        }

        fn crash(&mut self, place: NodeIndex) {
            Self::crash(self, place);
        }

        fn partition(&mut self, sides: &[u8]) {
            Self::partition(self, sides);
        }

        fn lose(&mut self, per_mille: u64) {
            Self::lose(self, per_mille);
        }

        fn hit(&mut self, class: FaultClass) {
            Self::hit(self, class);
        }

        fn crash_after(&mut self, place: NodeIndex, outputs: u64) {
            Self::crash_after(self, place, outputs);
        }

        fn crash_no_more(&mut self, place: NodeIndex) {
            Self::crash_no_more(self, place);
        }

        fn delay_jobs(&mut self, place: NodeIndex, lag: Option<Span>) {
            Self::delay_jobs(self, place, lag);
        }

        fn is_disk_damaged(&self, place: NodeIndex) -> bool {
            Self::is_disk_damaged(self, place)
        }

        fn wipe(&mut self, place: NodeIndex) {
            Self::wipe(self, place);
        }

        fn lose_log(&mut self, place: NodeIndex) {
            Self::lose_log(self, place);
        }

        fn replace_disk(&mut self, place: NodeIndex, disk: &Disk) {
            Self::replace_disk(self, place, disk);
        }

        fn rot(&mut self, place: NodeIndex, table: Table, key: &[u8]) {
            Self::rot(self, place, table, key);
        }

        fn misdirect(&mut self, place: NodeIndex, table: Table, key: &[u8], instead_of: &[u8]) {
            Self::misdirect(self, place, table, key, instead_of);
        }

        fn set_bad_writes(&mut self, place: NodeIndex, bad: Option<BadWrites>) {
            Self::set_bad_writes(self, place, bad);
        }

        fn fail_reads(&mut self, place: NodeIndex, fail: bool) {
            Self::fail_reads(self, place, fail);
        }

        fn jump(&mut self, place: NodeIndex, ahead_ms: i64) {
            Self::jump(self, place, ahead_ms);
        }

        fn drift(&mut self, place: NodeIndex, mono_ppm: i64, wall_ppm: i64) {
            Self::drift(self, place, mono_ppm, wall_ppm);
        }

        fn run_for(&mut self, duration: Duration) -> Result<(), RunFault> {
            Self::run_for(self, duration)
        }

        fn run_until(
            &mut self,
            what: &str,
            within: Duration,
            is_so: impl FnMut(&Self) -> bool,
        ) -> Result<(), RunFault> {
            Self::run_until(self, what, within, is_so)
        }

        fn now(&self) -> Mono {
            Self::now(self)
        }

        fn client_time(&self) -> UnixMillis {
            Self::client_time(self)
        }

        fn participants(&self) -> &Participants {
            Self::participants(self)
        }

        fn owner(&self, key: &SecretKey) -> Owner {
            Self::owner(self, key)
        }

        fn view(&self, place: NodeIndex) -> Option<Arc<View>> {
            Self::view(self, place)
        }

        fn is_answered(&self, id: RequestId) -> bool {
            self.answer(id).is_some()
        }

        fn is_taken(&self, place: NodeIndex, response: &Response) -> bool {
            match response {
                Response::IssueCertificate(issued) | Response::GetCertificate(issued)
                    if self.is_liar(place) =>
                {
                    self.trust_bundle().is_some_and(|bundle| verify(self, &bundle, issued).is_ok())
                }
                _ => true,
            }
        }

        fn tells_of_equivocation(&self, places: &[NodeIndex]) -> bool {
            let tells = |event: &Event| matches!(event, Event::Equivocation(_));
            self.events().iter().any(|(_, place, event)| places.contains(place) && tells(event))
        }

        fn count(&self, class: FaultClass) -> u64 {
            self.coverage().count(class)
        }

        fn describe(&self) -> String {
            Self::describe(self)
        }

        fn finish(&self) -> Result<(), RunFault> {
            Self::finish(self)
        }
    };
}
#[cfg(not(any(hypermesh_simulation_crypto, hypermesh_verification_cache)))]
pub(super) use as_the_world_does;

impl PlanWorld for World {
    fn of_plan(plan: &Plan, keep_lines: bool) -> Self {
        Self::new(plan.seed, plan.options(keep_lines))
    }

    as_the_world_does!();

    fn allow_unsafe(&mut self) {
        Self::allow_unsafe(self);
        (0..Self::participants(self).validators.len()).for_each(|place| self.excuse_deceived(place));
    }

    fn flap(&mut self, link: Link) {
        Self::flap(self, link);
    }

    fn begin_path(&mut self, path: &PathFault) {
        path.begin(self);
    }

    fn end_path(&mut self, path: &PathFault) {
        path.end(self);
    }

    fn calm(&mut self) {
        Self::lose(self, 0);
    }

    fn check_calm(&self, place: NodeIndex) -> Result<(), RunFault> {
        Self::check_calm(self, place)
    }

    fn start(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        Self::start(self, place)
    }

    fn start_or_wipe(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        Self::start_or_wipe(self, place)
    }

    fn keep_inputs(&mut self, place: NodeIndex) {
        Self::keep_inputs(self, place);
    }

    fn snapshot(&self, place: NodeIndex) -> Option<MachineSnapshot> {
        Self::snapshot(self, place)
    }

    fn resume_snapshot(&mut self, place: NodeIndex, snapshot: &MachineSnapshot) {
        Self::resume_snapshot(self, place, snapshot);
    }

    fn pause(&mut self, place: NodeIndex) {
        Self::pause(self, place);
    }

    fn slow(&mut self, place: NodeIndex, span: Span) {
        Self::slow(self, place, span);
    }

    fn resume(&mut self, place: NodeIndex) {
        Self::resume(self, place);
    }

    fn age_disk(&mut self, place: NodeIndex) -> Result<(), RunFault> {
        Self::age_disk(self, place)
    }

    fn disk(&self, place: NodeIndex) -> Option<Disk> {
        Self::disk(self, place).cloned()
    }

    fn response(&self, id: RequestId) -> Option<Response> {
        self.answer(id)?.response.as_ref().ok().cloned()
    }

    fn is_linked(&self, one: NodeIndex, other: NodeIndex) -> bool {
        Self::is_linked(self, one, other)
    }

    fn refusal(&self, id: RequestId) -> Option<String> {
        self.answer(id)?.response.as_ref().err().map(ToString::to_string)
    }

    fn told(&self) -> RunReport {
        let trace = self.trace();
        RunReport {
            hash: trace.hash(),
            events: trace.count(),
            lines: trace.lines().to_vec(),
            tape: trace.tape().to_vec(),
            records: trace.records().to_vec(),
            coverage: self.coverage().clone(),
            marks: self.marks(),
        }
    }
}
