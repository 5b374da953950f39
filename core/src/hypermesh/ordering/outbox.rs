//! What the engine wants done, and in which order.

use super::certificate::CommitCertificate;
use super::evidence::Evidence;
use super::fault::EngineFault;
use super::message::ConsensusMessage;
use super::timers::Timers;
use super::vote::Round;
use crate::base::{Digest, Height, Mono, PublicKey};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

/// What the engine wants done.
///
/// The outputs of one step come in a fixed order: every `Wal` entry, then every `Broadcast` (proposals and
/// certificates before votes), then the rest, and `Decided` last. **No `Broadcast` may leave before every `Wal`
/// entry that this step or an earlier one gave is durable**; one write for all entries of a step is enough. The
/// rest waits for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Append to the log of the height under way. The log is handed back in [`super::Input::StartHeight`] after
    /// a restart, and may be dropped once the height's block and certificate are durable.
    Wal {
        /// The entry's bytes.
        entry: Vec<u8>,
    },
    /// Send to every other validator.
    Broadcast(ConsensusMessage),
    /// Feed [`super::Input::Timeout`] at this time. A token that is obsolete by then does nothing.
    SetTimeout {
        /// The token.
        token: u64,
        /// When.
        at: Mono,
    },
    /// It is this node's turn: answer with [`super::Input::Value`] before the propose timeout.
    NeedValue {
        /// The height to build a block for.
        height: Height,
        /// The round.
        round: Round,
    },
    /// Check this block, and answer with [`super::Input::Verdict`], any time later. Until then this node does
    /// not vote for it. A block is asked about once; after a restart, again only if no verdict was logged.
    Validate {
        /// The height it is proposed for.
        height: Height,
        /// The round it is proposed in.
        round: Round,
        /// Who proposed it.
        proposer: PublicKey,
        /// Its id.
        value_id: Digest,
        /// Its bytes.
        value: Arc<[u8]>,
    },
    /// A block whose verdict is outstanding has the prevotes of f+1 validators, or a quorum behind it: it may
    /// no longer be held back because it comes from the future.
    Endorsed {
        /// The height.
        height: Height,
        /// The block.
        value_id: Digest,
    },
    /// Two conflicting messages that one validator signed. After a restart, the same evidence may come again.
    Evidence(Evidence),
    /// A peer is still at a height that this node has decided: send it the block and certificate.
    PeerBehind {
        /// The peer.
        peer: PublicKey,
        /// The height it is at.
        height: Height,
    },
    /// Something was refused, or is broken.
    Fault(EngineFault),
    /// The height is closed. Nothing more happens until [`super::Input::StartHeight`] with the next one, whenever
    /// the host sees reason for it.
    Decided {
        /// The round in which it was decided.
        round: Round,
        /// The block decided.
        value: Arc<[u8]>,
        /// Proof that a quorum decided it.
        certificate: CommitCertificate,
    },
}

impl Output {
    /// Where in a step's outputs it belongs.
    const fn rank(&self) -> u8 {
        match self {
            Self::Wal { .. } => 0,
            Self::Broadcast(ConsensusMessage::Vote(_) | ConsensusMessage::RepeatedVote(_)) => 2,
            Self::Broadcast(_) => 1,
            Self::Decided { .. } => 4,
            _ => 3,
        }
    }
}

/// The outputs of the step under way.
#[derive(Debug, Default)]
pub(super) struct Outbox(Vec<Output>);

impl Outbox {
    pub(super) fn push(&mut self, output: Output) {
        self.0.push(output);
    }

    pub(super) fn fault(&mut self, fault: EngineFault) {
        self.0.push(Output::Fault(fault));
    }

    /// The step's outputs in their order, without the timeouts that the step itself cancelled.
    pub(super) fn take(&mut self, timers: &Timers) -> Vec<Output> {
        let mut outputs = mem::take(&mut self.0);
        outputs.retain(|output| match output {
            Output::SetTimeout { token, .. } => timers.is_live(*token),
            _ => true,
        });
        outputs.sort_by_key(Output::rank);
        outputs
    }
}
