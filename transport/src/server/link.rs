//! One stream of a validator's link, as it is received.

use super::connection::Peer;
use crate::close::Close;
use crate::frame::FrameKind;
use crate::link::{LINK_BYTES_MAX, LinkHeader};
use crate::stream::{FrameReader, ReadFailure};
use quinn::RecvStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Hands the stream's messages to the handler, one after the other, until the stream is over.
pub(super) async fn receive(peer: Arc<Peer>, stream: RecvStream) {
    match carry(&peer, stream).await {
        Err(ReadFailure::Frame(error)) => peer.violated(&error.to_string()),
        // The sender is gone; it comes back with a new connection.
        Ok(()) | Err(ReadFailure::Lost(_)) => {}
    }
}

async fn carry(peer: &Peer, stream: RecvStream) -> Result<(), ReadFailure> {
    let mut reader = FrameReader::new(stream);
    reader.expect(FrameKind::Link, LINK_BYTES_MAX).await?;
    let LinkHeader { class, process } = LinkHeader::parse(&reader.payload().await?)?;
    if !peer.shared.link_owners.admit(&peer.connection, process).await {
        // Both streams of a connection come here; one of them tells.
        if peer.connection.quinn.close_reason().is_none() {
            let reason = "another process with this key is linked to this node, and it still answers";
            Close::Twin.connection(&peer.connection.quinn, reason);
            // The handler tells of it, as often as a peer may have told of it.
            tracing::debug!(peer = %peer.connection.key, remote = %peer.connection.quinn.remote_address(), "refused: {reason}");
            peer.shared.handler.rival(peer.connection.key).await;
        }
        return Ok(());
    }
    while let Some(prefix) = reader.prefix().await? {
        prefix.checked(FrameKind::Message, peer.message_bytes_max())?;
        let message = reader.payload().await?;
        peer.shared.counters.link_messages.fetch_add(1, Relaxed);
        peer.shared.handler.message(peer.connection.key, class, message).await;
    }
    Ok(())
}
