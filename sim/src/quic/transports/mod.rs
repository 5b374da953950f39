//! The same calls over STOQ and over TLS on TCP, on the same simulated path: what a lost packet, a new connection and a
//! new address cost each of them, in simulated time.
//!
//! - [`over_stoq`]: the code that ships, each call on a stream of its own.
//! - [`in_one_stream`]: the same code and connection, with all calls as messages of one bidirectional call, so on one
//!   ordered stream of bytes each way. Losses are found and repaired exactly as above, so what differs is order alone: this
//!   is what any TCP can do at best.
//! - [`over_tcp`]: TLS 1.3 (rustls) on smoltcp's TCP (RFC 9293, CUBIC). Round trips at set-up and what becomes of a
//!   connection when an address changes are those of any TCP. How it recovers from loss is not: it sends no selective
//!   acknowledgements, and its timer waits for a second at least, so an operating system's TCP lies between the two.
//!
//! Nothing but the path takes time. Not compared: what the stacks cost in processor time (`cargo compare` does), and how they
//! share a bottleneck.

mod stoq;
mod tcp;

#[cfg(test)]
mod tests;

pub use self::stoq::{in_one_stream, over_stoq};
pub use self::tcp::{Sharing, over_tcp};

use super::network::Network;
use crate::fault::FaultClass;
use std::time::Duration;

/// What is asked, and on what path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLoad {
    /// How many calls.
    pub calls: usize,
    /// How long after one call the next is made; nothing to make all at once.
    pub every: Duration,
    /// How long an answer is, in bytes. A question has 32.
    pub bytes: usize,
    /// How long a packet takes, one way.
    pub one_way: Duration,
    /// How many packets of a thousand are lost once the first call is answered.
    pub loss_per_mille: u64,
    /// How long after the first of the calls the client has another address, if ever.
    pub moves_after: Option<Duration>,
    /// How long to wait for answers after the last call was made.
    pub patience: Duration,
}

impl Default for ClientLoad {
    /// A thousand calls, a hundred a second, on a path of 20 ms.
    fn default() -> Self {
        Self {
            calls: 1000,
            every: Duration::from_millis(10),
            bytes: 1000,
            one_way: Duration::from_millis(20),
            loss_per_mille: 0,
            moves_after: None,
            patience: Duration::from_secs(30),
        }
    }
}

/// How long a question is.
const QUESTION_BYTES: usize = 32;

impl ClientLoad {
    /// When a call is made, from when the first one is.
    fn begins(&self, call: usize) -> Duration {
        self.every * u32::try_from(call).unwrap_or(u32::MAX)
    }

    /// What a question and its answer take.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        2 * self.one_way
    }
}

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// From nothing to the answer to one call: what setting a connection up takes, and a round trip.
    pub first: Duration,
    /// The same with a server that this client has spoken with before.
    pub again: Duration,
    /// From question to answer, for each of the calls, on connections that stand; nothing if there was no answer.
    pub times: Vec<Option<Duration>>,
    /// How many packets were lost meanwhile.
    pub lost: u64,
}

impl Carried {
    /// How many calls took longer than this, or for ever.
    #[must_use]
    pub fn slower_than(&self, bound: Duration) -> usize {
        self.times.iter().filter(|time| time.is_none_or(|time| time > bound)).count()
    }

    /// How long so many per mille of the calls took at most; nothing if they were not answered.
    #[must_use]
    pub fn at(&self, per_mille: usize) -> Option<Duration> {
        let mut times: Vec<Duration> = self.times.iter().flatten().copied().collect();
        times.sort_unstable();
        times.get((self.times.len() * per_mille / 1000).min(self.times.len().checked_sub(1)?)).copied()
    }
}

/// The places of the two hosts.
const SERVER: usize = 0;
const CLIENT: usize = 1;

/// Begins to lose packets.
fn lose(network: &Network, per_mille: u64) {
    network.lock().paths.faults().loss_per_mille = per_mille;
}

/// Whether a packet was lost, by what its path did with it.
fn is_lost(hits: &[FaultClass]) -> bool {
    hits.contains(&FaultClass::Loss)
}
