//! Work that takes long and touches nothing: the driver runs it on another thread, the simulator when it likes.

use super::checked::{CheckedBlock, FetchedBlocks};
use super::context::Context;
use crate::base::{Digest, Height, PublicKey, SecretKey, Size};
use crate::hypermesh::proof::{
    FourProofSet, Plot, ProofParameters, Statement, Ticket, prove_set, prove_ticket,
};
use crate::state::{Batch, BatchFault, CheckedBatch};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The most batches of one peer's that are being checked at once. Further ones are dropped: a member sends its batch again,
/// and who answers for another's has it in its own pool.
const BATCH_CHECK_PER_PEER_COUNT_MAX: usize = 32;

/// Names a job until its outcome is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Work that takes long and touches nothing.
pub enum Job {
    /// Answer the space challenge of a beacon and do its sequential work.
    ProveTicket {
        /// The member's plot.
        plot: Arc<Plot>,
        /// The beacon's value.
        beacon: Digest,
        /// The member.
        member: PublicKey,
        /// How hard.
        parameters: ProofParameters,
    },
    /// Do the work for a batch and sign the four proofs.
    ProveSet {
        /// What there is to prove.
        order: Box<ProofOrder>,
    },
    /// Check a batch's form and signatures.
    CheckBatch {
        /// The mesh.
        genesis: Digest,
        /// The batch.
        batch: Box<Batch>,
    },
    /// Check blocks that a peer sent: certificates and all signatures.
    CheckBlocks(Box<FetchedBlocks>),
}

/// What a set of four proofs is to be made of.
pub struct ProofOrder {
    /// Space and time.
    pub ticket: Arc<Ticket>,
    /// Whether the ticket goes in full, because it does not stand in the state yet.
    pub full: bool,
    /// What the proofs are about.
    pub statement: Statement,
    /// The beacon's value.
    pub beacon: Digest,
    /// How hard the work is.
    pub difficulty: u64,
    /// The member's key.
    pub identity: SecretKey,
}

/// What a job came to.
pub enum JobOutcome {
    /// Of [`Job::ProveTicket`].
    Ticket(Arc<Ticket>),
    /// Of [`Job::ProveSet`].
    Set(Box<FourProofSet>),
    /// Of [`Job::CheckBatch`].
    Batch(Result<Arc<CheckedBatch>, BatchFault>),
    /// Of [`Job::CheckBlocks`].
    Blocks(Result<Vec<CheckedBlock>, String>),
}

impl Job {
    /// Does the work.
    #[must_use]
    pub fn run(self) -> JobOutcome {
        match self {
            Self::ProveTicket { plot, beacon, member, parameters } => {
                JobOutcome::Ticket(Arc::new(prove_ticket(&plot, &beacon, &member, &parameters)))
            }
            Self::ProveSet { order } => {
                let ProofOrder { ticket, full, statement, beacon, difficulty, identity } = *order;
                JobOutcome::Set(Box::new(prove_set(
                    &ticket, full, &statement, &beacon, difficulty, &identity,
                )))
            }
            Self::CheckBlocks(blocks) => JobOutcome::Blocks(blocks.check()),
            Self::CheckBatch { genesis, batch } => JobOutcome::Batch(batch.check(&genesis).map(Arc::new)),
        }
    }

    /// What the job is, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ProveTicket { .. } => "prove ticket",
            Self::ProveSet { .. } => "prove set",
            Self::CheckBatch { .. } => "check batch",
            Self::CheckBlocks(_) => "check blocks",
        }
    }
}

impl core::fmt::Debug for Job {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a job was handed out, so that its outcome finds its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Ticket { beacon: u64 },
    Set,
    PeerBatch { from: PublicKey },
    Blocks { from: PublicKey, first: Height },
}

/// Jobs under way.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    last: u64,
    under_way: BTreeMap<JobId, Purpose>,
}

impl Jobs {
    /// Whether another batch of a peer's may be checked now.
    pub(super) fn has_room(&self, peer: &PublicKey) -> bool {
        let of_peer = |purpose: &&Purpose| matches!(purpose, Purpose::PeerBatch { from } if from == peer);
        self.under_way.values().filter(of_peer).count() < BATCH_CHECK_PER_PEER_COUNT_MAX
    }

    /// A job has its outcome. What it was for, if it is one of those under way.
    pub(super) fn end(&mut self, id: JobId) -> Option<Purpose> {
        self.under_way.remove(&id)
    }

    pub(super) fn sizes(&self, validators: usize) -> [Size; 2] {
        let is_check = |purpose: &&Purpose| matches!(purpose, Purpose::PeerBatch { .. });
        let checks = self.under_way.values().filter(is_check).count();
        [
            Size::limited(
                "batches of peers that are being checked",
                checks,
                validators * BATCH_CHECK_PER_PEER_COUNT_MAX,
            ),
            Size::unstated("other jobs under way", self.under_way.len() - checks),
        ]
    }
}

impl Context {
    pub(super) fn run(&mut self, purpose: Purpose, job: Job) -> JobId {
        self.jobs.last += 1;
        let id = JobId(self.jobs.last);
        self.jobs.under_way.insert(id, purpose);
        self.outbox.run(id, job);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_a_peer_that_are_being_checked_hold_at_their_limit_and_not_one_past_it() {
        let (one, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let mut jobs = Jobs::default();
        for number in 0..BATCH_CHECK_PER_PEER_COUNT_MAX as u64 {
            assert!(jobs.has_room(&one));
            jobs.under_way.insert(JobId(number), Purpose::PeerBatch { from: one });
        }
        assert!(!jobs.has_room(&one));
        assert!(jobs.has_room(&other), "another has room of its own");
        let [checks, _] = jobs.sizes(1);
        assert_eq!(checks.held_max, Some(checks.held));
        jobs.under_way.remove(&JobId(0));
        assert!(jobs.has_room(&one), "what was checked made room");
    }
}
