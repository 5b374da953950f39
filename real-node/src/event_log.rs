//! What happens to a node, as lines of its log.
//!
//! What an operator may have to answer for is at `info` and above; what happens with each block, batch or request is at
//! `debug`: it stands in the chain, in the certificate log and in the metrics. Lines about one peer are limited in number,
//! since a peer that could fill the log could fill the disk.

use crate::logs::AUDIT;
use hypermesh_core::base::{Mono, PublicKey};
use hypermesh_core::node::Event;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What whoever started a second process with one key has to know.
pub(crate) const TWIN_RUNS: &str = "another process with this node's key was linked first, from this \
    machine or another: this process stops. Find the other process and shut one of the two down \
    permanently. If the key was stolen, stop this node too: the mesh continues without it";

/// The most lines about one kind of fault of one peer in a [`FAULT_PERIOD`]. The first line after it says how many were
/// suppressed.
const FAULT_LINES_MAX: u32 = 10;
const FAULT_PERIOD: Duration = Duration::from_secs(60);

/// Who is told of events: the log, and of a twin whoever runs the node.
pub(crate) fn observer(raise: watch::Sender<bool>) -> hypermesh_driver::Observer {
    let faults = Mutex::new(FaultLines::default());
    std::sync::Arc::new(move |event, now| {
        match fault(event) {
            Some(fault) => {
                let allowed = faults.lock().unwrap_or_else(PoisonError::into_inner).allow(fault, now.mono);
                if let Some(suppressed) = allowed {
                    tell_fault(event, suppressed);
                }
            }
            None => tell(event),
        }
        if matches!(event, Event::TwinRuns { .. }) {
            raise.send_replace(true);
        }
    })
}

/// What a peer can do wrong without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FaultKind {
    Message,
    Signing,
    Block,
    Doubled,
    TwinClaim,
}

/// Whose fault an event is, and of which kind; none if it is not a fault that a peer can repeat at will. Kinds are limited
/// apart, so that a peer cannot hide a lie behind many bad messages.
const fn fault(event: &Event) -> Option<(PublicKey, FaultKind)> {
    Some(match event {
        Event::PeerFault { peer, .. } => (*peer, FaultKind::Message),
        Event::Culprit { validator, .. } => (*validator, FaultKind::Signing),
        Event::InvalidBlock { proposer, .. } => (*proposer, FaultKind::Block),
        Event::Doubled { validator } => (*validator, FaultKind::Doubled),
        Event::RefusedAsTwin { by } => (*by, FaultKind::TwinClaim),
        _ => return None,
    })
}

/// How many lines there were lately for each peer and kind of fault. Peers are validators, so there are few.
#[derive(Default)]
struct FaultLines(BTreeMap<(PublicKey, FaultKind), Logged>);

#[derive(Clone, Copy)]
struct Logged {
    since: Mono,
    lines: u32,
    suppressed: u64,
}

impl FaultLines {
    /// Whether a fault is to be logged, and if so, how many were suppressed since the last line.
    fn allow(&mut self, fault: (PublicKey, FaultKind), now: Mono) -> Option<u64> {
        let logged = self.0.entry(fault).or_insert(Logged { since: now, lines: 0, suppressed: 0 });
        if now.since(logged.since) >= FAULT_PERIOD {
            (logged.since, logged.lines) = (now, 0);
        }
        if logged.lines == FAULT_LINES_MAX {
            logged.suppressed = logged.suppressed.saturating_add(1);
            return None;
        }
        logged.lines += 1;
        Some(std::mem::take(&mut logged.suppressed))
    }
}

/// Writes the fault of a peer to the log, with how many of its kind were suppressed before it.
fn tell_fault(event: &Event, suppressed: u64) {
    match event {
        Event::PeerFault { peer, reason } => {
            tracing::warn!(target: AUDIT, %peer, reason, suppressed, "a peer is at fault");
        }
        Event::Culprit { validator, reason } => {
            tracing::warn!(target: AUDIT, %validator, reason, suppressed, "a validator sent a provably \
                false signature share");
        }
        Event::InvalidBlock { height, proposer, reason } => {
            let height = height.0;
            tracing::warn!(target: AUDIT, height, %proposer, reason, suppressed, "an invalid block was proposed");
        }
        Event::Doubled { validator } => {
            tracing::error!(
                target: AUDIT,
                %validator,
                suppressed,
                "two processes hold this validator's key: the second was refused"
            );
        }
        Event::RefusedAsTwin { by } => {
            tracing::error!(
                target: AUDIT,
                %by,
                suppressed,
                "a peer reports that another process with this node's key is linked to it"
            );
        }
        other => tell(other),
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
            tracing::warn!(attempt, reason, "key generation abandoned");
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
            tracing::warn!(target: AUDIT, %validator, number, reason, "repair of key shares abandoned");
        }
        Event::SharesRepaired { number } => {
            tracing::info!(target: AUDIT, number, "this node has its key shares again")
        }
        Event::AddressChanged { validator, address } => {
            tracing::info!(target: AUDIT, %validator, %address, "a validator has announced a new address");
        }
        Event::TwinRuns { by } => tracing::error!(target: AUDIT, said_by = by.len(), "{TWIN_RUNS}"),
        Event::Equivocation(evidence) => {
            tracing::error!(target: AUDIT, ?evidence, "a validator contradicts itself")
        }
        Event::Slashed { validator, amount, evidence } => {
            let amount = amount.in_caesar();
            tracing::error!(target: AUDIT, %validator, %amount, %evidence, "a validator lost its stake for a proved lie");
        }
        Event::Broken { reason } => {
            tracing::error!(reason, "this happens only if more than f validators are faulty")
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
    use hypermesh_core::base::Height;

    #[test]
    fn whatever_a_peer_can_repeat_at_will_is_limited() {
        let (peer, reason) = (PublicKey([1; 32]), "why".to_owned());
        for (event, kind) in [
            (Event::PeerFault { peer, reason: reason.clone() }, FaultKind::Message),
            (Event::Culprit { validator: peer, reason: reason.clone() }, FaultKind::Signing),
            (Event::InvalidBlock { height: Height(1), proposer: peer, reason }, FaultKind::Block),
            (Event::Doubled { validator: peer }, FaultKind::Doubled),
            (Event::RefusedAsTwin { by: peer }, FaultKind::TwinClaim),
        ] {
            assert_eq!(fault(&event), Some((peer, kind)), "{event:?}");
        }
        assert_eq!(fault(&Event::Durable { height: Height(1) }), None);
    }

    #[test]
    fn faults_of_a_peer_are_logged_up_to_the_limit_and_one_past_it_is_counted() {
        let mut lines = FaultLines::default();
        let liar = (PublicKey([1; 32]), FaultKind::Message);
        let other = (PublicKey([2; 32]), FaultKind::Message);
        let begun = Mono(0);
        for _ in 0..FAULT_LINES_MAX {
            assert_eq!(lines.allow(liar, begun), Some(0));
        }
        assert_eq!(lines.allow(liar, begun), None);
        assert_eq!(lines.allow(liar, begun), None);
        assert_eq!(lines.allow(other, begun), Some(0), "one peer suppresses no line about another");
        let lie = (liar.0, FaultKind::Signing);
        assert_eq!(lines.allow(lie, begun), Some(0), "one kind suppresses no other");
        assert_eq!(lines.allow(liar, begun.after(FAULT_PERIOD)), Some(2));
        assert_eq!(lines.allow(liar, begun.after(FAULT_PERIOD)), Some(0));
    }
}
