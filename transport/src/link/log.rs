//! What a link writes to the log. A peer that takes the connection and closes it at once could fill the disk with lines, so
//! only the first connections in a period are logged at `info` and above, and all others at `debug`.

use hypermesh_base::PublicKey;
use std::net::SocketAddrV6;
use std::time::Duration;
use tokio::time::Instant;

/// The lines of one link.
pub(super) struct LinkLog {
    peer: PublicKey,
    /// When the period began, and how many connections it has had at `info`.
    period: Option<(Instant, u32)>,
    /// Connections that were logged at `debug` since the last one at `info`.
    suppressed: u64,
    /// Whether the connection that stands is logged at `debug`.
    quiet: bool,
}

impl LinkLog {
    pub(super) const fn of(peer: PublicKey) -> Self {
        Self { peer, period: None, suppressed: 0, quiet: false }
    }

    /// A connection stands. `known` is where the peer was before, if that is elsewhere.
    pub(super) fn linked(&mut self, addr: SocketAddrV6, known: Option<SocketAddrV6>, now: Instant) {
        let peer = self.peer;
        match self.admit(now) {
            Some(suppressed) => {
                if let Some(known) = known {
                    tracing::info!(%peer, %addr, %known, "a peer has a new address");
                }
                tracing::info!(target: AUDIT, %peer, %addr, suppressed, "linked");
            }
            None => {
                if let Some(known) = known {
                    tracing::debug!(%peer, %addr, %known, "a peer has a new address");
                }
                tracing::debug!(target: AUDIT, %peer, %addr, "linked");
            }
        }
    }

    /// The connection is lost.
    pub(super) fn lost(&self, addr: SocketAddrV6, reason: &str) {
        let peer = &self.peer;
        if self.quiet {
            tracing::debug!(target: AUDIT, %peer, %addr, reason, "link lost");
        } else {
            tracing::warn!(target: AUDIT, %peer, %addr, reason, "link lost");
        }
    }

    /// The peer closed the connection because of another process with this node's key.
    pub(super) fn refused(&self) {
        let peer = &self.peer;
        if self.quiet {
            tracing::debug!(%peer, "refused: another process with this node's key is linked there");
        } else {
            tracing::error!(%peer, "refused: another process with this node's key is linked there");
        }
    }

    /// Whether a new connection is logged at `info`, and if so, how many were not since the last one that was.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        let (begun, count) = match self.period {
            Some((begun, count)) if now.saturating_duration_since(begun) < PERIOD => (begun, count),
            _ => (now, 0),
        };
        self.quiet = count >= INFO_CONNECTIONS_MAX;
        if self.quiet {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.period = Some((begun, count + 1));
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// The target of lines to keep.
const AUDIT: &str = "audit";
/// The most connections of one link that are logged at `info` in a [`PERIOD`].
const INFO_CONNECTIONS_MAX: u32 = 5;
const PERIOD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_logged_at_info_up_to_the_limit_and_those_past_it_are_counted() {
        let mut log = LinkLog::of(PublicKey([1; 32]));
        let begun = Instant::now();
        for _ in 0..INFO_CONNECTIONS_MAX {
            assert_eq!((log.admit(begun), log.quiet), (Some(0), false));
        }
        assert_eq!((log.admit(begun), log.quiet), (None, true));
        assert_eq!((log.admit(begun + PERIOD - Duration::from_nanos(1)), log.quiet), (None, true));
        assert_eq!((log.admit(begun + PERIOD), log.quiet), (Some(2), false));
        assert_eq!(log.admit(begun + PERIOD), Some(0));
    }
}
