//! What one part of a node asks of the others, and what they are handed: this is all of it.
//!
//! A part does not know who answers. It leaves what it asks in the [`Context`], and the node, which alone knows all
//! parts, hands it on when that part has returned, in the order in which it was asked.

use super::{Context, PersistToken, RequestId};
use crate::base::Height;
use crate::hypermesh::committee::KeyPurpose;
use crate::hypermesh::ordering::SignedStatement;
use crate::state::{ActiveCommittee, Block, CheckedBatch, Offence, Receipt, SystemAction, SystemOperation};
use crate::trustchain::ca::SerialNumber;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A block that was just decided.
pub(super) struct Committed {
    pub(super) height: Height,
    pub(super) receipts: Vec<Receipt>,
    pub(super) block: Block,
}

/// What waits to be ordered, for the next block.
pub(super) struct Contents {
    pub(super) batches: Vec<Arc<CheckedBatch>>,
    /// In the order in which they get room.
    pub(super) system: Vec<SystemOperation>,
}

/// What one part of a node asks of another.
pub(super) enum Ask {
    /// Begin the next height, if there is reason to.
    ConsiderHeight,
    /// Have a system operation of this node's ordered. It leaves this node once the write is durable, if one is named.
    OrderSystem { operation: Box<SystemOperation>, after: Option<PersistToken> },
    /// Submit evidence of an offence.
    ReportOffence(Box<Offence>),
    /// Have a batch of this node's ordered.
    OrderBatch(Arc<CheckedBatch>),
    /// Have as many commitments of each signer as will be needed.
    RequestCommitments { purpose: KeyPurpose, needed: usize },
    /// Answer a request with a certificate, once it is signed.
    AwaitCertificate { request: RequestId, serial: SerialNumber },
    /// Take up what a peer holds of this node's own signed messages.
    RecordOwn(Box<SignedStatement>),
    /// Begin to vote, since this node knows what it has voted for.
    BeginVoting,
    /// Report a discontinuity, and ask the peers what this node voted for last.
    ReportDiscontinuity,
    /// Apply the blocks that have come.
    ApplyBlocks,
    /// Write the row of an address anew, since it is corrupted.
    RestoreAddress(Vec<u8>),
    /// Begin to sign with the committee's keys, since this node has its key shares now.
    ActivateCommittee(Box<ActiveCommittee>),
}

impl Context {
    /// Leaves a request to another part.
    pub(super) fn ask(&mut self, ask: Ask) {
        self.asks.push_back(ask);
    }

    /// Has a new view published at the end of this step.
    pub(super) const fn publish(&mut self) {
        self.publish_due = true;
    }

    /// Submits a system operation of this node's.
    pub(super) fn order_system(&mut self, action: SystemAction) {
        self.order_system_after(None, action);
    }

    /// As [`Self::order_system`], once a write is durable.
    pub(super) fn order_system_after(&mut self, after: Option<PersistToken>, action: SystemAction) {
        let operation = SystemOperation::sign(self.state.genesis_hash(), action, &self.identity);
        self.ask(Ask::OrderSystem { operation: Box::new(operation), after });
    }

    /// Submits evidence of an offence.
    pub(super) fn report_offence(&mut self, offence: Offence) {
        self.ask(Ask::ReportOffence(Box::new(offence)));
    }
}
