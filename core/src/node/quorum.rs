//! What happens to those who wait for something to be decided while a quorum is missing: they are told so.
//!
//! A node that has not been linked with a quorum for a while can neither order nor sign. It refuses what needs that,
//! at once; what waits already is refused when that while is over. An operation that it holds is not forgotten: it
//! goes on chain when the quorum is back, unless it has expired by then, and asking again with the same operation
//! gets its receipt. Reads go on being answered.
//!
//! A node that may be behind does not refuse for good either what its old state speaks against: see
//! [`Node::may_be_behind`].

use super::context::Context;
use super::timers::Timer;
use crate::api::ApiFault;
use crate::base::{Height, Mono, PublicKey, reached};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

/// A quorum is missing only if it has been for this long: links come and go.
const QUORUM_PATIENCE: Duration = Duration::from_secs(5);

/// Since when a quorum has been missing, if it is.
#[derive(Default)]
pub(super) struct Quorum {
    lost_since: Option<Mono>,
    /// Who has said its height since it was linked.
    heard: BTreeSet<PublicKey>,
}

impl Quorum {
    pub(super) fn hear(&mut self, peer: PublicKey) {
        self.heard.insert(peer);
    }

    pub(super) fn forget(&mut self, peer: &PublicKey) {
        self.heard.remove(peer);
    }
}

impl Context {
    /// How many validators this node is linked with, itself included.
    pub(super) fn linked(&self) -> usize {
        self.connected.len() + 1
    }

    /// Whether that is enough to decide.
    pub(super) fn has_quorum(&self) -> bool {
        self.linked() >= self.state.validators().quorum()
    }

    /// The refusal of whatever has to be decided, if a quorum has been missing for too long.
    pub(super) fn quorum_missing(&self) -> Option<ApiFault> {
        let since = self.quorum.lost_since?;
        (self.now.mono.since(since) >= QUORUM_PATIENCE).then(|| {
            let why = self.view.standstill(self.wall()).unwrap_or_else(|| self.missing_words());
            let next = "Then ask again with the same operation: it is carried out once";
            ApiFault::unavailable(format!("nothing can be decided now: {why}. {next}"))
        })
    }

    /// That a quorum is missing, in words.
    pub(super) fn missing_words(&self) -> String {
        let (linked, needed) = (self.linked(), self.state.validators().quorum());
        let missing = self.unreachable().join(", ");
        format!(
            "quorum is missing: {linked} of the {needed} validators that it takes are linked; not reached: {missing}"
        )
    }

    /// Whether others have decided what this node does not know yet, or may have: it has not heard from a quorum
    /// since it was linked, or more than f of those it heard from are ahead. What it does not find is then no proof
    /// that it does not exist.
    pub(super) fn may_be_behind(&self) -> bool {
        let heard = self.quorum.heard.intersection(&self.connected).count() + 1;
        heard < self.state.validators().quorum() || self.behind() > 0
    }

    /// What is said instead of a refusal that rests on a state which may be old.
    pub(super) fn unsure(&self) -> ApiFault {
        if let Some(standstill) = self.view.standstill(self.wall()) {
            return ApiFault::unavailable(standstill);
        }
        let Height(height) = self.state.height();
        ApiFault::unavailable(format!(
            "this node is catching up (height {height}) and does not know what was decided since: ask another, or \
             this one again in a moment"
        ))
    }

    /// After a link was made or lost, and at the start.
    pub(super) fn watch_quorum(&mut self) {
        if self.has_quorum() {
            if self.quorum_missing().is_some() {
                reached!(self.marks, "a quorum is linked again");
            }
            self.quorum.lost_since = None;
            self.timers.cancel(Timer::Quorum);
        } else if self.quorum.lost_since.is_none() {
            self.quorum.lost_since = Some(self.now.mono);
            self.timers.set(Timer::Quorum, self.now.mono.after(QUORUM_PATIENCE));
        }
    }
}
