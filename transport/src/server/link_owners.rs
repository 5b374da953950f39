//! Which process of each validator has the link: two that hold one key would contradict each other.
//!
//! The first keeps the link for as long as it answers. Another is admitted once the first one's connection is closed, or
//! does not answer a probe: so a process that was restarted gets in again within [`PROBE_TIMEOUT`], wherever it runs.

use crate::close::Close;
use crate::endpoint::{Connection, ProcessId};
use crate::lock::lock;
use bytes::Bytes;
use hypermesh_base::PublicKey;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Whoever has not acknowledged a probe after this long is gone.
const PROBE_TIMEOUT: Duration = Duration::from_millis(600);
/// Or after so many round trips, if that is longer.
const PROBE_ROUND_TRIPS: u32 = 3;
/// How often is looked.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// The owner of each validator's link. As many as there are validators.
#[derive(Default)]
pub(super) struct LinkOwners {
    owners: Mutex<BTreeMap<PublicKey, LinkOwner>>,
}

struct LinkOwner {
    process: ProcessId,
    connection: quinn::Connection,
}

impl LinkOwners {
    /// Whether this process may have its validator's link. Waits for the one that has it to answer, or not.
    pub(super) async fn admit(&self, connection: &Connection, process: ProcessId) -> bool {
        while let Some(rival) = self.take(connection, process) {
            if answers(&rival).await {
                return false;
            }
            Close::Replaced
                .connection(&rival, "this node does not answer, and another process with its key does");
        }
        true
    }

    /// Takes the link, or gives the connection of whoever has it.
    fn take(&self, connection: &Connection, process: ProcessId) -> Option<quinn::Connection> {
        let mut owners = lock(&self.owners);
        match owners.get(&connection.key) {
            Some(owner) if owner.process != process && owner.connection.close_reason().is_none() => {
                Some(owner.connection.clone())
            }
            _ => {
                owners.insert(connection.key, LinkOwner { process, connection: connection.quinn.clone() });
                None
            }
        }
    }
}

/// Whether the other end acknowledges something that is sent now.
async fn answers(connection: &quinn::Connection) -> bool {
    let before = connection.stats().frame_rx.acks;
    if connection.send_datagram(Bytes::from_static(b"?")).is_err() {
        return false;
    }
    let until = Instant::now() + PROBE_TIMEOUT.max(connection.rtt().saturating_mul(PROBE_ROUND_TRIPS));
    while Instant::now() < until && connection.close_reason().is_none() {
        if connection.stats().frame_rx.acks > before {
            return true;
        }
        sleep(PROBE_INTERVAL).await;
    }
    false
}
