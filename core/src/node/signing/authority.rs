//! What the whole mesh shows one signature of: the root and issuing certificates, and both authorities' revocation lists. One validator
//! coordinates in turn, so that the mesh shows the same bytes; the next steps in if it does not.

use crate::base::{Mono, PublicKey, UnixMillis, reached};
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, Node};
use alloc::vec::Vec;
use core::time::Duration;

/// The validator whose turn it is coordinates; each next one steps in after this.
const COORDINATOR_STEP: Duration = Duration::from_millis(1500);
/// A block older than this is one of those that this node missed: what it asks for is most likely signed already.
const MISSED_MS_AGE: u64 = 10_000;

impl Node {
    /// Whether certificates can be shown with a chain: the root is signed, and the newest issuing certificate or the
    /// one before it. A new one is fixed long before the last one ends, so nothing waits for its signature.
    pub(in crate::node) fn has_authority(&self) -> bool {
        let signed = |task| self.signing.finished.contains_key(&task);
        let newest = self.state.newest_issuing();
        let before = newest.and_then(|newest| newest.checked_sub(1));
        signed(Task::Root) && [newest, before].into_iter().flatten().map(Task::Issuing).any(signed)
    }

    /// What the whole mesh shares, as far as the committed state asks for it.
    fn shared_tasks(&self) -> Vec<Task> {
        let Some(newest) = self.state.newest_issuing() else { return Vec::new() };
        let list = self.state.revocation_list_number().map(Task::RevocationList);
        let root_list = self.state.root_list_number().map(Task::RootRevocationList);
        let certificates = core::iter::once(Task::Root).chain((0..=newest).map(Task::Issuing));
        certificates.chain(root_list).chain(list).collect()
    }

    /// Takes note of what a block, of this time, has made wanted, and sees to it that somebody coordinates.
    pub(super) fn request_shared_signatures(&mut self, time: UnixMillis) {
        if self.signing.committee.is_none() {
            return;
        }
        let shared = self.shared_tasks();
        let now = self.now.mono;
        self.signing.wanted_since.retain(|task, _| shared.contains(task));
        for task in shared {
            if !self.signing.finished.contains_key(&task) {
                self.signing.wanted_since.entry(task).or_insert(now);
            }
        }
        if self.signing.wanted_since.is_empty() {
            return;
        }
        let missed = self.wall().since(time) > MISSED_MS_AGE;
        let begin = if missed { now.after(COORDINATOR_STEP) } else { now };
        self.timers.bring_forward(Timer::Signing, begin);
    }

    /// Begins what is this node's to coordinate by now.
    pub(super) fn consider_shared(&mut self) {
        let now = self.now.mono;
        let is_due = |(task, since): (&Task, &Mono)| {
            let turn = COORDINATOR_STEP.saturating_mul(self.rank(*task));
            (now.since(*since) >= turn).then_some(*task)
        };
        let due: Vec<Task> = self.signing.wanted_since.iter().filter_map(is_due).collect();
        if due.iter().any(|task| self.rank(*task) > 0) {
            reached!(self.marks, "another coordinator steps in");
        }
        due.into_iter().for_each(|task| self.begin_task(task));
    }

    /// When the next is this node's to coordinate, if others do not.
    pub(super) fn next_shared(&self) -> Option<Mono> {
        let wanted = self.signing.wanted_since.iter().filter(|(task, _)| !self.signing.pending.has(task));
        let turn =
            |(task, since): (&Task, &Mono)| since.after(COORDINATOR_STEP.saturating_mul(self.rank(*task)));
        wanted.map(turn).min()
    }

    /// How many validators come before this one in coordinating a task. Numbered tasks go round, so that one validator
    /// that is dead does not delay them all.
    fn rank(&self, task: Task) -> u32 {
        let validators = self.state.validators();
        let count = validators.count();
        let position = validators.position(&self.identity.public()).unwrap_or_default();
        let number = match task {
            Task::Issuing(number) => u64::from(number),
            Task::RevocationList(number) | Task::RootRevocationList(number) => number,
            _ => 0,
        };
        let first = usize::try_from(number % count as u64).unwrap_or_default();
        u32::try_from((position + count - first) % count).unwrap_or(u32::MAX)
    }

    /// Tells of a new issuing certificate.
    pub(super) fn announce_issuing(&mut self) {
        let newest = self.state.newest_issuing();
        if newest == self.signing.issuing_announced {
            return;
        }
        let before = core::mem::replace(&mut self.signing.issuing_announced, newest);
        if let (Some(_), Some(number), Some(issuer)) = (before, newest, self.state.issuer()) {
            let not_after = issuer.issuing_validity.not_after;
            self.outbox.event(Event::IssuingRenewed { number, not_after });
        }
    }

    pub(in crate::node) fn send_authority(&mut self, peer: PublicKey) {
        for task in self.shared_tasks() {
            let vouched = self.signing.finished.get(&task).and_then(|signature| self.vouch(task, signature));
            if let Some(message) = vouched {
                self.send(peer, &message);
            }
        }
    }
}
