//! Whether a node can do its whole work, and if not, what it lacks.
//!
//! An operator acts on this: the next node is restarted, upgraded or rebuilt once this one is ready. So a node is ready
//! only if the mesh would not notice that any other node goes away: it holds its key shares, on disk; it follows and
//! votes; it can issue a certificate of the default lifetime by itself.

use super::{NodeStatus, View};
use crate::base::UnixMillis;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A node's clock may be this far from block time or from its peers' clocks: ten times as far as a block may be ahead of
/// it before its verdict is put off, so that a slow network alone does not count.
pub const READY_CLOCK_MS_MAX: u64 = 5_000;

/// A condition of readiness. The order is that in which an operator looks into them: what comes first explains what follows.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// The clock is within [`READY_CLOCK_MS_MAX`] of block time and of the peers' clocks.
    Clock,
    /// Links to a quorum.
    Quorum,
    /// The node follows the chain: it has not stopped at a decision that it finds invalid, and takes part in voting.
    Voting,
    /// No block is known to be missing here.
    Behind,
    /// Blocks are decided.
    Progress,
    /// The committee's keys are active.
    Keys,
    /// Shares of every key are held here, on disk.
    Shares,
    /// As many validators are linked and hold key shares as a signature takes, this one included.
    Signers,
    /// Root and issuing certificate are signed, and outlast a certificate of the default lifetime.
    Certificates,
    /// A ticket (space and time) for the current beacon or the one before.
    Ticket,
    /// The minimum stake.
    Stake,
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Unmet {
    /// Which.
    pub condition: Condition,
    /// The cause, and what to do.
    pub detail: String,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 11] = [
        Self::Clock,
        Self::Quorum,
        Self::Voting,
        Self::Behind,
        Self::Progress,
        Self::Keys,
        Self::Shares,
        Self::Signers,
        Self::Certificates,
        Self::Ticket,
        Self::Stake,
    ];

    /// Its name, as in JSON and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Quorum => "quorum",
            Self::Voting => "voting",
            Self::Behind => "behind",
            Self::Progress => "progress",
            Self::Keys => "keys",
            Self::Shares => "shares",
            Self::Signers => "signers",
            Self::Certificates => "certificates",
            Self::Ticket => "ticket",
            Self::Stake => "stake",
        }
    }

    /// Whether a service cannot do its work without this. The ledger needs neither keys nor certificates.
    #[must_use]
    pub fn concerns(self, service: &str) -> bool {
        service != "caesar" || !matches!(self, Self::Keys | Self::Shares | Self::Signers | Self::Certificates)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Unmet {
    /// This condition does not hold, for this cause.
    #[must_use]
    pub const fn new(condition: Condition, detail: String) -> Self {
        Self { condition, detail }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.condition, self.detail)
    }
}

impl NodeStatus {
    /// What the node lacks for this service, in a sentence each; empty if nothing.
    #[must_use]
    pub fn lacks_for(&self, service: &str) -> String {
        let lacks = self.not_ready.iter().filter(|unmet| unmet.condition.concerns(service));
        let lacks: Vec<String> = lacks.map(|unmet| format!("{unmet}")).collect();
        lacks.join("; ")
    }

    /// Notes that a condition does not hold, unless that is known already.
    pub(crate) fn lack(&mut self, condition: Condition, detail: impl FnOnce() -> String) {
        if self.not_ready.iter().all(|unmet| unmet.condition != condition) {
            self.not_ready.push(Unmet::new(condition, detail()));
            self.not_ready.sort_by_key(|unmet| unmet.condition);
        }
        self.ready = false;
    }
}

impl View {
    /// How the node is at this time of its clock: its age, whether blocks are decided, and what it lacks.
    #[must_use]
    pub fn status_at(&self, wall: UnixMillis) -> NodeStatus {
        let mut status = NodeStatus {
            age_ms: wall.since(self.state.time()),
            ahead_ms: self.state.time().since(wall),
            standstill: self.standstill(wall),
            ..self.status.clone()
        };
        if let Some(detail) = clock_behind(self.state.time().since(wall)) {
            status.lack(Condition::Clock, || detail);
        }
        if status.connected >= status.quorum
            && let Some(standstill) = status.standstill.clone()
        {
            status.lack(Condition::Progress, || standstill);
        }
        status
    }
}

/// What there is to say of a clock that is this much behind block time, if that is too much.
pub(crate) fn clock_behind(ms: u64) -> Option<String> {
    (ms > READY_CLOCK_MS_MAX).then(|| {
        format!(
            "this node's clock is {} s behind the time of the last block: set it (NTP); if it is right, \
            the clocks of other validators were ahead",
            ms / 1000
        )
    })
}
