//! What happens to a node, as lines of its log.
//!
//! What an operator may have to answer for is at `info` and above; what happens with each block, batch or request is at
//! `debug`: it stands in the chain, in the certificate log and in the metrics. A peer that misbehaves without end is told of
//! so often and no more, since whoever fills the log fills the disk.

use crate::logs::AUDIT;
use hypermesh_core::base::{Mono, PublicKey};
use hypermesh_core::node::Event;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What whoever started a second process with one key has to know.
pub(crate) const TWIN_RUNS: &str = "another process with this node's key runs, on this machine or another, and was there first: this one \
                         says nothing more and stops. Find the other; stop one of them for good. If the key was stolen, stop \
                         this node too: the mesh goes on without it";

/// So many faults of one peer are told in a [`FAULT_PERIOD`]; the next line after it says how many were not.
const FAULT_LINES_MAX: u32 = 10;
const FAULT_PERIOD: Duration = Duration::from_secs(60);

/// Who is told of events: the log, and of a twin whoever runs the node.
pub(crate) fn observer(raise: watch::Sender<bool>) -> stoq::Observer {
    let faults = Mutex::new(FaultLines::default());
    std::sync::Arc::new(move |event, now| {
        match event {
            Event::PeerFault { peer, reason } => {
                let allowed = faults.lock().unwrap_or_else(PoisonError::into_inner).allow(*peer, now.mono);
                if let Some(untold) = allowed {
                    tracing::warn!(target: AUDIT, %peer, reason, untold, "a peer is at fault");
                }
            }
            event => tell(event),
        }
        if matches!(event, Event::TwinRuns { .. }) {
            raise.send_replace(true);
        }
    })
}

/// How many faults of each peer were told lately. Peers are validators, so there are few.
#[derive(Default)]
struct FaultLines(BTreeMap<PublicKey, Told>);

#[derive(Clone, Copy)]
struct Told {
    since: Mono,
    lines: u32,
    untold: u64,
}

impl FaultLines {
    /// Whether a fault of a peer is to be told, and if so, how many were not since the last line.
    fn allow(&mut self, peer: PublicKey, now: Mono) -> Option<u64> {
        let told = self.0.entry(peer).or_insert(Told { since: now, lines: 0, untold: 0 });
        if now.since(told.since) >= FAULT_PERIOD {
            (told.since, told.lines) = (now, 0);
        }
        if told.lines == FAULT_LINES_MAX {
            told.untold = told.untold.saturating_add(1);
            return None;
        }
        told.lines += 1;
        Some(std::mem::take(&mut told.untold))
    }
}

/// Writes events to the log.
fn tell(event: &Event) {
    match event {
        Event::Committed { height, operations, .. } => {
            tracing::debug!(height = height.0, operations, "committed");
        }
        Event::Durable { height } => tracing::debug!(height = height.0, "durable"),
        Event::Refused { operation, reason } => tracing::debug!(target: AUDIT, ?operation, reason, "refused"),
        Event::Issued { serial, height } => {
            tracing::debug!(target: AUDIT, %serial, height = height.0, "issued");
        }
        Event::IssuingRenewed { number, not_after } => {
            tracing::info!(target: AUDIT, number, %not_after, "the issuing certificate is renewed");
        }
        Event::RevocationListSigned { number } => {
            tracing::debug!(target: AUDIT, number, "a new revocation list");
        }
        Event::GenerationBegan { attempt } => tracing::info!(attempt, "generating the committee's keys"),
        Event::GenerationAborted { attempt, reason } => {
            tracing::warn!(attempt, reason, "key generation given up");
        }
        Event::CommitteeActive { height, holds_shares } => {
            tracing::info!(target: AUDIT, height = height.0, holds_shares, "the committee's keys are active");
        }
        Event::RepairBegan { validator, number } => {
            tracing::info!(target: AUDIT, %validator, number, "a validator asks for repair of its key shares");
        }
        Event::RepairEnded { validator, number, given_up: None } => {
            tracing::info!(target: AUDIT, %validator, number, "key shares repaired");
        }
        Event::RepairEnded { validator, number, given_up: Some(reason) } => {
            tracing::warn!(target: AUDIT, %validator, number, reason, "repair of key shares given up");
        }
        Event::SharesRepaired { number } => {
            tracing::info!(target: AUDIT, number, "this node has its key shares again")
        }
        Event::AddressChanged { validator, address } => {
            tracing::info!(target: AUDIT, %validator, %address, "a validator has announced where it is");
        }
        Event::Doubled { validator } => {
            tracing::error!(target: AUDIT, %validator, "two processes hold this validator's key: the second was refused");
        }
        Event::RefusedAsTwin { by } => {
            tracing::error!(target: AUDIT, %by, "a peer says that another process with this node's key is linked to it");
        }
        Event::TwinRuns { by } => tracing::error!(target: AUDIT, said_by = by.len(), "{TWIN_RUNS}"),
        Event::Culprit { validator, reason } => {
            tracing::warn!(target: AUDIT, %validator, reason, "a bad signature share")
        }
        Event::Equivocation(evidence) => {
            tracing::error!(target: AUDIT, ?evidence, "a validator contradicts itself")
        }
        Event::Slashed { validator, amount, evidence } => {
            let amount = amount.in_caesar();
            tracing::error!(target: AUDIT, %validator, %amount, %evidence, "a validator lost its stake for a proved lie");
        }
        Event::InvalidBlock { height, proposer, reason } => {
            tracing::warn!(target: AUDIT, height = height.0, %proposer, reason, "an invalid block was proposed");
        }
        Event::Broken { reason } => {
            tracing::error!(reason, "this cannot happen unless more than f are faulty")
        }
        Event::StoreFault { reason } => tracing::error!(reason, "the store failed"),
        Event::Repaired { what } => tracing::warn!(what, "repaired"),
        Event::Syncing { height, behind: 0 } => tracing::info!(height = height.0, "caught up"),
        Event::Syncing { height, behind } => tracing::info!(height = height.0, behind, "catching up"),
        Event::Abstains { through, reason } => {
            tracing::error!(through = through.0, reason, "this node abstains");
        }
        Event::Discontinuity { what } => {
            tracing::warn!(target: AUDIT, %what, "signing nonces destroyed; this node votes again once it knows how it voted");
        }
        Event::BlockTimeAhead { ahead_ms } => {
            let ahead_s = ahead_ms / 1000;
            tracing::warn!(
                ahead_s,
                "block time is ahead of this node's clock: clocks of validators were ahead, or this one is behind"
            );
        }
        Event::BlockTimeCaughtUp => tracing::info!("block time is no longer ahead of this node's clock"),
        Event::VotesAgain { height } => tracing::warn!(height = height.0, "this node votes again"),
        Event::TicketStands { beacon } => tracing::debug!(beacon, "the ticket stands"),
        other => tracing::debug!(event = ?other, "event"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_peer_are_told_up_to_the_limit_and_one_past_it_is_counted() {
        let mut lines = FaultLines::default();
        let (liar, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let begun = Mono(0);
        for _ in 0..FAULT_LINES_MAX {
            assert_eq!(lines.allow(liar, begun), Some(0));
        }
        assert_eq!(lines.allow(liar, begun), None);
        assert_eq!(lines.allow(liar, begun), None);
        assert_eq!(lines.allow(other, begun), Some(0), "one liar silences no other line");
        assert_eq!(lines.allow(liar, begun.after(FAULT_PERIOD)), Some(2));
        assert_eq!(lines.allow(liar, begun.after(FAULT_PERIOD)), Some(0));
    }
}
