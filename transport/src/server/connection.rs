//! One connection to a server, from its handshake to its end.

use super::activity::Activity;
use super::handler::PeerRole;
use super::registry::ConnectionNumber;
use super::slots::Slot;
use super::{Shared, call, link, memory};
use crate::close::Close;
use crate::endpoint::Connection;
use crate::lock::lock;
use quinn::{ConnectionError, Incoming, VarInt};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// What the streams of one connection share.
pub(super) struct Peer {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    pub(super) role: PeerRole,
    /// The bytes of this key's requests and responses that may yet be held, in KiB.
    pub(super) memory: Arc<Semaphore>,
    /// How many calls are under way on this connection.
    pub(super) calls: AtomicUsize,
    /// Which of them are being answered, and since when.
    pub(super) activity: Activity,
}

/// Carries out the handshake, then serves the connection's streams until it is over. What a resumed connection brings in its
/// first flight is served meanwhile.
pub(super) async fn run(shared: Arc<Shared>, incoming: Incoming, handshake: Slot) {
    let begin = Instant::now();
    let met = tokio::select! {
        biased;
        () = handshake.lost() => None,
        met = meet(&shared, incoming) => met,
    };
    let Some((connection, established)) = met else {
        shared.counters.refused.fetch_add(1, Relaxed);
        return;
    };
    let role = shared.handler.role(&connection.key);
    let memory = memory::kibibytes(shared.limits.caller_bytes_max);
    let memory = lock(&shared.registry).memory(connection.key, memory);
    let calls = AtomicUsize::new(0);
    let activity = Activity::new();
    let peer = Arc::new(Peer { shared, connection, role, memory, calls, activity });
    let mut serving = Box::pin(peer.clone().serve());
    if let Some(established) = established {
        let end = begin + peer.shared.limits.handshake_timeout;
        let done = tokio::select! {
            biased;
            () = &mut serving => false,
            () = handshake.lost() => false,
            done = timeout_at(end, established) => done.is_ok() && peer.connection.quinn.close_reason().is_none(),
        };
        if !done {
            peer.shared.counters.refused.fetch_add(1, Relaxed);
            Close::Silent.connection(&peer.connection.quinn, "the handshake took too long");
            return;
        }
    }
    drop(handshake);
    let Some(number) = peer.enter() else { return };
    serving.await;
    peer.leave(number);
}

/// What the server waits for until the handshake of a resumed connection is over.
type Established = quinn::ZeroRttAccepted;

/// Who is there: when the handshake is over, or before that, if the caller resumes a session.
async fn meet(shared: &Shared, incoming: Incoming) -> Option<(Connection, Option<Established>)> {
    let remote = incoming.remote_address();
    match timeout(shared.limits.handshake_timeout, identify(incoming)).await {
        Ok(Ok(met)) => met,
        Ok(Err(error)) => {
            tracing::debug!(%remote, %error, "handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%remote, "handshake took too long");
            None
        }
    }
}

async fn identify(incoming: Incoming) -> Result<Option<(Connection, Option<Established>)>, ConnectionError> {
    let mut connecting = incoming.accept()?;
    connecting.handshake_data().await?;
    let (quinn, established) = match connecting.into_0rtt() {
        Ok(begun) => begun,
        // Only callers' connections have to wait.
        Err(connecting) => return Ok(Connection::identified(connecting.await?).map(|known| (known, None))),
    };
    if let Some(resumed) = Connection::identified(quinn.clone()) {
        return Ok(Some((resumed, Some(established))));
    }
    established.await;
    match quinn.close_reason() {
        Some(error) => Err(error),
        None => Ok(Connection::identified(quinn).map(|known| (known, None))),
    }
}

impl Peer {
    /// The most bytes of a message from or to this peer.
    pub(super) fn message_bytes_max(&self) -> usize {
        match self.role {
            PeerRole::Client => self.shared.limits.client_message_bytes_max,
            PeerRole::Validator => self.shared.limits.validator_message_bytes_max,
        }
    }

    /// Cuts off a peer that broke the protocol.
    pub(super) fn violated(&self, reason: &str) {
        self.shared.counters.violations.fetch_add(1, Relaxed);
        tracing::debug!(peer = %self.connection.key, reason, "protocol violation");
        Close::Protocol.connection(&self.connection.quinn, reason);
    }

    /// Takes the connection in, now that its handshake is over; `None` if there is no room for it.
    fn enter(&self) -> Option<ConnectionNumber> {
        let Shared { registry, limits, counters, endpoint, .. } = &*self.shared;
        let Some(number) = lock(registry).admit(&self.connection, self.role, &self.activity, limits) else {
            counters.refused.fetch_add(1, Relaxed);
            return None;
        };
        counters.accepted.fetch_add(1, Relaxed);
        if self.role == PeerRole::Validator {
            let window_bytes = endpoint.transport().window_bytes;
            self.connection.quinn.set_receive_window(VarInt::from(window_bytes));
            self.connection.quinn.set_send_window(u64::from(window_bytes));
        }
        Some(number)
    }

    /// Starts a task for each stream that the peer opens, until the connection is over.
    async fn serve(self: Arc<Self>) {
        let quinn = self.connection.quinn.clone();
        loop {
            tokio::select! {
                biased;
                stream = quinn.accept_uni() => match stream {
                    Ok(stream) if stream.is_0rtt() => {
                        Close::LinkRefused.connection(&quinn, "a link cannot start in a first flight \
                            (0-RTT)");
                    }
                    Ok(stream) if self.role == PeerRole::Validator => {
                        drop(tokio::spawn(link::receive(self.clone(), stream)));
                    }
                    Ok(_) => Close::LinkRefused.connection(&quinn, "links are for this mesh's validators"),
                    Err(_) => return,
                },
                stream = quinn.accept_bi() => match stream {
                    Ok((send, receive)) => drop(tokio::spawn(call::serve(self.clone(), send, receive))),
                    Err(_) => return,
                },
                () = sleep(self.shared.limits.silence_timeout), if self.role == PeerRole::Client => {
                    if self.calls.load(Relaxed) > 0 {
                        // Somebody listens.
                        continue;
                    }
                    Close::Silent.connection(&quinn, "the connection was idle for too long");
                }
            }
        }
    }

    fn leave(&self, number: ConnectionNumber) {
        drop(lock(&self.shared.registry).remove(self.connection.key, number));
    }
}
