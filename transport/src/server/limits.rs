//! What a server gives to those who ask.

use crate::fair_share::SlotLimits;
use crate::frame::MESSAGE_BYTES_MAX;
use std::time::Duration;

/// The bounds of a server, all of which hold at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Handshakes under way; for one more, the oldest of the part of the network with the most gives way if that has more than the
    /// newcomer's would ([the rule](crate::fair_share)); else an oldest that has had [`Self::handshake_grace`], of a part that has
    /// more or of the newcomer's own; else the newcomer is refused.
    pub handshakes_max: usize,
    /// Handshakes under way from which on a newcomer must first prove that it receives at its address
    /// (RFC 9000 §8.1.2), which costs it a round trip and an attacker with forged addresses everything.
    pub unvalidated_handshakes_max: usize,
    /// Handshakes under way from one /56 of the network; for one more, its own oldest gives way if it has had its
    /// grace, or the newcomer is refused.
    pub handshakes_per_prefix_max: usize,
    /// A handshake that takes longer can spare its slot for another.
    pub handshake_grace: Duration,
    /// A handshake that takes longer is given up.
    pub handshake_timeout: Duration,
    /// Connections of clients. Validators' come on top, bounded by their number. For one more, one is closed of the part of the
    /// network with the most, if that has more than the newcomer's would ([the rule](crate::fair_share)): the one that is idle for
    /// longest; if none is, one with a stream that has lasted longer than [`Self::call_timeout_max`]; else the one that has been
    /// answered on for longest. Where no part has more, one that is idle or has such a stream, of a part that has more than the
    /// newcomer's has or of its own; else the newcomer.
    pub clients_max: usize,
    /// Connections of clients in one /56 of the network; for one more, one of its own is closed that is idle or has such a stream,
    /// else the newcomer.
    pub clients_per_prefix_max: usize,
    /// Connections of one key; past it, its oldest is closed.
    pub connections_per_key_max: usize,
    /// Calls at once on a connection. A further one waits at the caller until QUIC lets it go.
    pub calls_per_connection_max: u32,
    /// Calls at once on a connection that was taken while there were few: a validator's, or one of
    /// [`Self::roomy_clients_max`] clients'.
    pub calls_per_roomy_connection_max: u32,
    /// Clients' connections up to which each gets more room for calls than it would in a crowd.
    pub roomy_clients_max: usize,
    /// Calls under way of one key, over all its connections; a further one is refused.
    pub calls_per_caller_max: usize,
    /// Calls that are worked on at once. The others wait, and callers take turns: a call is worked on until the
    /// handler drops its [`CallSlot`](super::CallSlot).
    pub calls_working_max: usize,
    /// Calls that wait for a slot, of all keys. Past it, the last call of the longest queue is rejected.
    pub calls_waiting_max: usize,
    /// Streaming calls under way of one key, over all its connections; a further one is refused.
    pub streams_per_caller_max: usize,
    /// Streaming calls under way from one /56 of the network; a further one is refused.
    pub streams_per_prefix_max: usize,
    /// Streaming calls under way in all; for one more, the oldest of the part of the network with the most is ended, if that has more
    /// than the newcomer's would ([the rule](crate::fair_share)); else the newcomer is refused.
    pub streams_max: usize,
    /// No streaming call runs longer, whatever its deadline: a caller that wants more asks again from where it is.
    pub stream_timeout_max: Duration,
    /// A streaming call whose caller makes no room for the next message for this long is given up.
    pub stall_timeout: Duration,
    /// A client's connection on which nothing was asked for this long is closed.
    pub silence_timeout: Duration,
    /// From the first byte of a request to its last.
    pub request_timeout: Duration,
    /// From the first byte of a response to the moment when QUIC has taken the last.
    pub response_timeout: Duration,
    /// No call runs longer, whatever its deadline.
    pub call_timeout_max: Duration,
    /// The most bytes of a client's message, and of the answer to it.
    pub client_message_bytes_max: usize,
    /// The most bytes of a validator's message, and of the answer to it.
    pub validator_message_bytes_max: usize,
    /// Bytes of requests and responses in memory for one key, over all its connections.
    pub caller_bytes_max: usize,
    /// Bytes of requests and responses in memory for all.
    pub total_bytes_max: usize,
}

impl ServerLimits {
    /// The slots for handshakes.
    pub(super) const fn handshakes(&self) -> SlotLimits {
        SlotLimits { all: self.handshakes_max, per_prefix: self.handshakes_per_prefix_max }
    }

    /// The slots for clients' connections.
    pub(super) const fn clients(&self) -> SlotLimits {
        SlotLimits { all: self.clients_max, per_prefix: self.clients_per_prefix_max }
    }

    /// The slots for streaming calls.
    pub(super) const fn streams(&self) -> SlotLimits {
        SlotLimits { all: self.streams_max, per_prefix: self.streams_per_prefix_max }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            handshakes_max: 256,
            unvalidated_handshakes_max: 64,
            handshakes_per_prefix_max: 128,
            handshake_grace: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(5),
            clients_max: 1024,
            clients_per_prefix_max: 512,
            connections_per_key_max: 4,
            calls_per_connection_max: 128,
            calls_per_roomy_connection_max: 1024,
            roomy_clients_max: 64,
            calls_per_caller_max: 1024,
            calls_working_max: 64,
            calls_waiting_max: 8192,
            streams_per_caller_max: 64,
            streams_per_prefix_max: 256,
            streams_max: 1024,
            stream_timeout_max: Duration::from_secs(3600),
            stall_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(600),
            request_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            call_timeout_max: Duration::from_secs(60),
            client_message_bytes_max: CLIENT_MESSAGE_BYTES_MAX,
            validator_message_bytes_max: MESSAGE_BYTES_MAX,
            caller_bytes_max: 16 << 20,
            total_bytes_max: 128 << 20,
        }
    }
}

/// The most bytes of a client's message, and of the answer to it, unless a configuration says otherwise: every
/// request and every response of a node's fits.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 4 << 20;
