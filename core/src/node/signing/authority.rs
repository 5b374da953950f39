//! What the whole mesh shows one signature of: the root and issuing certificates, and both authorities' revocation lists. One validator
//! coordinates in turn, so that the mesh shows the same bytes; the next steps in if it does not.

use crate::base::{Mono, PublicKey, UnixMillis, reached};
use crate::node::signing::Signing;
use crate::node::task::Task;
use crate::node::timers::Timer;
use crate::node::{Event, context::Context};
use crate::trustchain::ca::LEAF_MS_LIFETIME;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// The validator whose turn it is coordinates; each next one steps in after this.
const COORDINATOR_STEP: Duration = Duration::from_millis(1500);
/// A block older than this is one of those that this node missed: what it asks for is most likely signed already.
const MISSED_MS_AGE: u64 = 10_000;

impl Signing {
    /// Whether certificates can be shown with a chain: the root is signed, and the newest issuing certificate or the
    /// one before it. A new one is fixed long before the last one ends, so nothing waits for its signature.
    pub(in crate::node) fn has_authority(&self, cx: &Context) -> bool {
        let signed = |task| self.finished.contains_key(&task);
        let newest = cx.state.newest_issuing();
        let before = newest.and_then(|newest| newest.checked_sub(1));
        signed(Task::Root) && [newest, before].into_iter().flatten().map(Task::Issuing).any(signed)
    }

    /// What the whole mesh shares, as far as the committed state asks for it.
    fn shared_tasks(cx: &Context) -> Vec<Task> {
        let Some(newest) = cx.state.newest_issuing() else { return Vec::new() };
        let list = cx.state.revocation_list_number().map(Task::RevocationList);
        let root_list = cx.state.root_list_number().map(Task::RootRevocationList);
        let certificates = core::iter::once(Task::Root).chain((0..=newest).map(Task::Issuing));
        certificates.chain(root_list).chain(list).collect()
    }

    /// Takes note of what a block, of this time, has made wanted, and sees to it that somebody coordinates.
    pub(super) fn request_shared_signatures(&mut self, cx: &mut Context, time: UnixMillis) {
        if cx.committee.is_none() {
            return;
        }
        let shared = Self::shared_tasks(cx);
        let now = cx.now.mono;
        self.wanted_since.retain(|task, _| shared.contains(task));
        for task in shared {
            if !self.finished.contains_key(&task) {
                self.wanted_since.entry(task).or_insert(now);
            }
        }
        if self.wanted_since.is_empty() {
            return;
        }
        let missed = cx.wall().since(time) > MISSED_MS_AGE;
        let begin = if missed { now.after(COORDINATOR_STEP) } else { now };
        cx.timers.bring_forward(Timer::Signing, begin);
    }

    /// Begins what is this node's to coordinate by now.
    pub(super) fn consider_shared(&mut self, cx: &mut Context) {
        let now = cx.now.mono;
        let is_due = |(task, since): (&Task, &Mono)| {
            let turn = COORDINATOR_STEP.saturating_mul(Self::rank(cx, *task));
            (now.since(*since) >= turn).then_some(*task)
        };
        let due: Vec<Task> = self.wanted_since.iter().filter_map(is_due).collect();
        if due.iter().any(|task| Self::rank(cx, *task) > 0) {
            reached!(cx.marks, "another coordinator steps in");
        }
        due.into_iter().for_each(|task| self.begin_task(cx, task));
    }

    /// When the next is this node's to coordinate, if others do not.
    pub(super) fn next_shared(&self, cx: &Context) -> Option<Mono> {
        let wanted = self.wanted_since.iter().filter(|(task, _)| !self.pending.has(task));
        let turn = |(task, since): (&Task, &Mono)| {
            since.after(COORDINATOR_STEP.saturating_mul(Self::rank(cx, *task)))
        };
        wanted.map(turn).min()
    }

    /// How many validators come before this one in coordinating a task. Numbered tasks go round, so that one validator
    /// that is dead does not delay them all.
    fn rank(cx: &Context, task: Task) -> u32 {
        let validators = cx.state.validators();
        let count = validators.count();
        let position = validators.position(&cx.identity.public()).unwrap_or_default();
        let number = match task {
            Task::Issuing(number) => u64::from(number),
            Task::RevocationList(number) | Task::RootRevocationList(number) => number,
            _ => 0,
        };
        let first = usize::try_from(number % count as u64).unwrap_or_default();
        u32::try_from((position + count - first) % count).unwrap_or(u32::MAX)
    }

    /// Tells of a new issuing certificate.
    pub(super) fn announce_issuing(&mut self, cx: &mut Context) {
        let newest = cx.state.newest_issuing();
        if newest == self.issuing_announced {
            return;
        }
        let before = core::mem::replace(&mut self.issuing_announced, newest);
        if let (Some(_), Some(number), Some(issuer)) = (before, newest, cx.state.issuer()) {
            let not_after = issuer.issuing_validity.not_after;
            cx.outbox.event(Event::IssuingRenewed { number, not_after });
        }
    }

    pub(in crate::node) fn send_authority(&mut self, cx: &mut Context, peer: PublicKey) {
        for task in Self::shared_tasks(cx) {
            let vouched = self.finished.get(&task).and_then(|signature| Self::vouch(cx, task, signature));
            if let Some(message) = vouched {
                cx.send(peer, &message);
            }
        }
    }

    /// The last moment of the root certificate, once it is signed.
    pub(in crate::node) fn root_not_after(&self, cx: &Context) -> Option<UnixMillis> {
        let signed = self.finished.contains_key(&Task::Root);
        signed.then(|| cx.state.issuer()).flatten().map(|issuer| issuer.root_validity.not_after)
    }

    /// The last moment of the newest issuing certificate that is signed.
    pub(in crate::node) fn issuing_not_after(&self, cx: &Context) -> Option<UnixMillis> {
        let signed = |number: &u32| self.finished.contains_key(&Task::Issuing(*number));
        let newest = (0..=cx.state.newest_issuing()?).rev().find(signed)?;
        Some(cx.state.issuer_at(newest)?.issuing_validity.not_after)
    }

    pub(in crate::node) fn certificates_fault(&self, cx: &Context) -> Option<String> {
        cx.state.committee()?;
        let needed = cx.state.time().max(cx.wall()).plus(LEAF_MS_LIFETIME);
        let fault = |which: &str, ends: Option<UnixMillis>| match ends {
            None => Some(format!("the {which} certificate is not signed yet")),
            Some(ends) if ends < needed => Some(format!(
                "the {which} certificate ends at {ends}, before a certificate of the default lifetime would"
            )),
            Some(_) => None,
        };
        fault("root", self.root_not_after(cx)).or_else(|| fault("issuing", self.issuing_not_after(cx)))
    }

    // --- the member ---
}
