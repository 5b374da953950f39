//! How connections behave, and what of it QUIC is told.

use super::BindError;
use super::congestion::FlooredCubic;
use quinn::IdleTimeout;
use std::sync::Arc;
use std::time::Duration;

/// How connections behave, in both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportConfig {
    /// A connection that hears nothing for this long is lost.
    pub idle_timeout: Duration,
    /// A connection with nothing to say says so this often. Well below the idle timeout.
    pub keep_alive: Duration,
    /// A handshake that takes longer has failed.
    pub dial_timeout: Duration,
    /// The round trip that is assumed until one is measured.
    pub initial_rtt: Duration,
    /// Bytes in flight, each way, of a connection to a server or with a validator.
    pub window_bytes: u32,
    /// Bytes of one call's answers that its caller has room for before it reads them. A fraction of the window, so that
    /// a call whose answers nobody reads leaves room for the others on its connection.
    pub stream_window_bytes: u32,
    /// Bytes in flight, each way, of a connection that a client opened. Bounds what clients cost in memory.
    pub client_window_bytes: u32,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_millis(1500),
            dial_timeout: Duration::from_secs(2),
            initial_rtt: Duration::from_millis(50),
            window_bytes: 16 << 20,
            stream_window_bytes: 1 << 20,
            client_window_bytes: 1 << 20,
        }
    }
}

/// Room for the datagrams with which a server finds out whether a peer still answers.
const PROBE_BYTES_MAX: usize = 64;

impl TransportConfig {
    /// What QUIC is told of a connection with these windows: of the connection, and of each stream towards this end.
    pub(super) fn quinn(
        &self,
        window_bytes: u32,
        stream_window_bytes: u32,
    ) -> Result<quinn::TransportConfig, BindError> {
        let idle_timeout = IdleTimeout::try_from(self.idle_timeout);
        let idle_timeout = idle_timeout.map_err(|_| BindError::Config { field: "idle_timeout" })?;
        let mut config = quinn::TransportConfig::default();
        config
            .max_idle_timeout(Some(idle_timeout))
            .keep_alive_interval(Some(self.keep_alive))
            .initial_rtt(self.initial_rtt)
            .congestion_controller_factory(Arc::new(FlooredCubic::default()))
            .stream_receive_window(stream_window_bytes.into())
            .receive_window(window_bytes.into())
            .send_window(u64::from(window_bytes))
            // No datagram is ever read; a few bytes of room let the other side send one to see whether we answer.
            .datagram_receive_buffer_size(Some(PROBE_BYTES_MAX))
            // Whoever we dial has no call to open streams towards us.
            .max_concurrent_bidi_streams(0_u32.into())
            .max_concurrent_uni_streams(0_u32.into());
        Ok(config)
    }
}
