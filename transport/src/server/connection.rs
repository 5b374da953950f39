//! One connection to a server, from its handshake to its end.

use super::handler::Standing;
use super::prefix::Share;
use super::registry::Ticket;
use super::{Shared, call, link, memory};
use crate::close::Close;
use crate::endpoint::Connection;
use crate::lock::lock;
use quinn::{Incoming, VarInt};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// What the streams of one connection share.
pub(super) struct Peer {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    pub(super) standing: Standing,
    /// The bytes of this key's requests and responses that may yet be held, in KiB.
    pub(super) memory: Arc<Semaphore>,
    /// How many calls are under way on this connection.
    pub(super) calls: AtomicUsize,
}

/// Carries out the handshake, then serves the connection's streams until it is over.
pub(super) async fn run(shared: Arc<Shared>, incoming: Incoming, handshake: (OwnedSemaphorePermit, Share)) {
    let connection = shake_hands(&shared, incoming).await;
    drop(handshake);
    let Some(connection) = connection else {
        shared.counters.refused.fetch_add(1, Relaxed);
        return;
    };
    let standing = shared.handler.standing(&connection.key);
    let Some(ticket) = lock(&shared.registry).admit(&connection, standing, &shared.limits) else {
        shared.counters.refused.fetch_add(1, Relaxed);
        return;
    };
    shared.counters.accepted.fetch_add(1, Relaxed);
    if standing == Standing::Validator {
        let window_bytes = shared.endpoint.transport().window_bytes;
        connection.quinn.set_receive_window(VarInt::from(window_bytes));
        connection.quinn.set_send_window(u64::from(window_bytes));
    }
    let memory = memory::kibibytes(shared.limits.caller_bytes_max);
    let memory = lock(&shared.registry).memory(connection.key, memory);
    let peer = Arc::new(Peer { shared, connection, standing, memory, calls: AtomicUsize::new(0) });
    peer.clone().serve().await;
    peer.leave(ticket);
}

async fn shake_hands(shared: &Shared, incoming: Incoming) -> Option<Connection> {
    let remote = incoming.remote_address();
    let handshake = async { incoming.accept()?.await };
    match timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Ok(connection)) => Connection::identified(connection),
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

impl Peer {
    /// The most bytes of a message from or to this peer.
    pub(super) fn message_bytes_max(&self) -> usize {
        match self.standing {
            Standing::Client => self.shared.limits.client_message_bytes_max,
            Standing::Validator => self.shared.limits.validator_message_bytes_max,
        }
    }

    /// Cuts off a peer that broke the protocol.
    pub(super) fn violated(&self, reason: &str) {
        self.shared.counters.violations.fetch_add(1, Relaxed);
        tracing::debug!(peer = %self.connection.key, reason, "protocol violation");
        Close::Protocol.connection(&self.connection.quinn, reason);
    }

    /// Starts a task for each stream that the peer opens, until the connection is over.
    async fn serve(self: Arc<Self>) {
        let quinn = self.connection.quinn.clone();
        loop {
            tokio::select! {
                biased;
                stream = quinn.accept_uni() => match stream {
                    Ok(stream) if self.standing == Standing::Validator => {
                        drop(tokio::spawn(link::receive(self.clone(), stream)));
                    }
                    Ok(_) => Close::LinkRefused.connection(&quinn, "links are for this mesh's validators"),
                    Err(_) => return,
                },
                stream = quinn.accept_bi() => match stream {
                    Ok((send, receive)) => drop(tokio::spawn(call::serve(self.clone(), send, receive))),
                    Err(_) => return,
                },
                () = sleep(self.shared.limits.silence_timeout), if self.standing == Standing::Client => {
                    if self.calls.load(Relaxed) > 0 {
                        // Somebody listens.
                        continue;
                    }
                    Close::Silent.connection(&quinn, "nothing was asked for a long time");
                }
            }
        }
    }

    fn leave(&self, ticket: Ticket) {
        drop(lock(&self.shared.registry).remove(self.connection.key, ticket));
    }
}
