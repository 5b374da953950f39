//! The task that keeps a link to one peer: dials, sends what waits, and dials again.

use super::log::LinkLog;
use super::queue::Queue;
use super::{LinkConfig, LinkHeader, LinkStatus, OnStatus, PeerLocator};
use crate::backoff::Backoff;
use crate::close::{Abandon, Close};
use crate::endpoint::{Connection, Endpoint, Expect, Peer, ProcessId};
use crate::frame::{FrameKind, put_prefix, put_value};
use crate::lock::lock;
use crate::server::LinkClass;
use crate::stream::Sender;
use bytes::BytesMut;
use hypermesh_base::PublicKey;
use quinn::WriteError;
use std::net::SocketAddrV6;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::time::{Instant, sleep};

/// What a link's task shares with [`super::Links`].
pub(super) struct Link {
    pub(super) key: PublicKey,
    /// Where to dial it; never empty.
    pub(super) addresses: Mutex<Vec<SocketAddrV6>>,
    /// Where it answered last.
    pub(super) reached: Mutex<Option<SocketAddrV6>>,
    pub(super) consensus: Queue,
    pub(super) bulk: Queue,
    pub(super) connected: AtomicBool,
    pub(super) dials: AtomicU64,
}

impl Link {
    pub(super) const fn queue(&self, class: LinkClass) -> &Queue {
        match class {
            LinkClass::Consensus => &self.consensus,
            LinkClass::Bulk => &self.bulk,
        }
    }
}

/// What the task of a link works with.
pub(super) struct LinkTask {
    pub(super) endpoint: Endpoint,
    pub(super) link: Arc<Link>,
    pub(super) config: LinkConfig,
    pub(super) on_status: OnStatus,
    pub(super) locator: Arc<OnceLock<PeerLocator>>,
}

impl LinkTask {
    /// Keeps the link until the task is aborted.
    pub(super) async fn run(self) {
        let Self { endpoint, link, config, on_status, .. } = &self;
        let mut backoff = Backoff::new(&config.redial);
        let mut log = LinkLog::of(link.key);
        // Which address to try: the next one after each failure.
        let mut turn = 0_usize;
        loop {
            link.dials.fetch_add(1, Relaxed);
            let addr = self.address(turn);
            match endpoint.dial(&Peer { addr, expect: Expect::Key(link.key) }).await {
                Ok(connection) => {
                    let since = Instant::now();
                    let before = lock(&link.reached).replace(addr);
                    let known = before.or_else(|| lock(&link.addresses).first().copied());
                    log.linked(addr, known.filter(|known| *known != addr), since);
                    link.connected.store(true, Relaxed);
                    on_status(link.key, LinkStatus::Connected);
                    carry(link, &connection, endpoint.process()).await;
                    link.connected.store(false, Relaxed);
                    log.lost(addr, &close_reason(&connection));
                    on_status(link.key, LinkStatus::Lost);
                    if Close::Twin.was_received(&connection.quinn) {
                        log.refused();
                        on_status(link.key, LinkStatus::Refused);
                    }
                    // A peer that takes the connection and drops it at once is not back.
                    if since.elapsed() >= config.redial.longest {
                        backoff.reset();
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = %link.key, %error, "no link");
                    turn = turn.wrapping_add(1);
                }
            }
            sleep(backoff.wait(endpoint.env())).await;
        }
    }

    /// Where to dial the peer: at its addresses in turn, and then where it was seen.
    fn address(&self, turn: usize) -> SocketAddrV6 {
        let Self { link, locator, .. } = self;
        let mut addresses = lock(&link.addresses).clone();
        let seen = locator.get().and_then(|locator| locator(&link.key));
        addresses.extend(seen.filter(|seen| !addresses.contains(seen)));
        addresses[turn % addresses.len()]
    }
}

/// Sends what waits, each class on its own stream, until the connection is lost.
async fn carry(link: &Link, connection: &Connection, process: ProcessId) {
    tokio::select! {
        biased;
        _ = connection.quinn.closed() => {}
        _ = send(link, connection, LinkHeader { class: LinkClass::Consensus, process }) => {}
        _ = send(link, connection, LinkHeader { class: LinkClass::Bulk, process }) => {}
    }
}

async fn send(link: &Link, connection: &Connection, header: LinkHeader) -> Result<(), WriteError> {
    let mut stream = Sender::new(connection.quinn.open_uni().await?, Abandon::Cancelled);
    drop(stream.stream.set_priority(match header.class {
        LinkClass::Consensus => 1,
        LinkClass::Bulk => 0,
    }));
    let mut head = BytesMut::new();
    put_value(&mut head, FrameKind::Link, &header);
    stream.stream.write_all(&head).await?;
    let queue = link.queue(header.class);
    loop {
        let message = Unsent { message: Some(queue.pop().await), queue };
        message.write(&mut stream).await?;
    }
}

/// A message that was taken from its queue. Unless it is written whole, it goes back: the peer cannot have
/// had all of it.
struct Unsent<'a> {
    message: Option<bytes::Bytes>,
    queue: &'a Queue,
}

impl Unsent<'_> {
    async fn write(mut self, stream: &mut Sender) -> Result<(), WriteError> {
        let Some(message) = &self.message else { return Ok(()) };
        let mut head = BytesMut::new();
        put_prefix(&mut head, FrameKind::Message, message.len());
        if message.len() <= COPIED_BYTES_MAX {
            head.extend_from_slice(message);
            stream.stream.write_all(&head).await?;
        } else {
            stream.stream.write_all_chunks(&mut [head.freeze(), message.clone()]).await?;
        }
        self.message = None;
        self.queue.count_sent();
        Ok(())
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            self.queue.put_back(message);
        }
    }
}

/// Why a connection ended, in a few words.
fn close_reason(connection: &Connection) -> String {
    connection.quinn.close_reason().map_or_else(String::new, |reason| reason.to_string())
}

/// Messages up to this size are copied behind their prefix, which costs less than a second write.
const COPIED_BYTES_MAX: usize = 2048;
