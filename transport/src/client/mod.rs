//! The calling side: calls with deadlines, over one connection a peer, tried again where that is safe.

mod attempt;
mod error;
mod metrics;
mod pool;
mod stream;

#[cfg(hypermesh_fuzzing)]
pub(crate) use attempt::STATUS_BYTES_MAX;
pub use error::CallError;
pub use metrics::{ClientMetrics, Latency};
pub use stream::MessageStream;

use crate::backoff::{Backoff, BackoffConfig};
use crate::endpoint::{Endpoint, Peer, ipv6};
use crate::frame::{HEADER_VERSION, Header, MESSAGE_BYTES_MAX, is_name};
use crate::server::{OWN_SERVICE, PING_METHOD};
use crate::status::StatusCode;
use crate::tls::ALPN;
use attempt::Opened;
use bytes::Bytes;
use hypermesh_core::base::PublicKey;
use metrics::Counters;
use pool::Pool;
use serde::Serialize;
use std::net::SocketAddrV6;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Calls methods of peers. Clones share connections and counters; the connections close with the last of them.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    config: ClientConfig,
    pool: Pool,
    counters: Counters,
}

/// How a client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The most bytes of a request, and of an answer.
    pub message_bytes_max: usize,
    /// The most attempts at a call that may be repeated.
    pub attempts_max: u32,
    /// The waits between attempts.
    pub retry: BackoffConfig,
    /// The most peers to have connections to.
    pub peers_max: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            attempts_max: 5,
            retry: BackoffConfig { first: Duration::from_millis(20), longest: Duration::from_secs(1) },
            peers_max: 1024,
        }
    }
}

/// How one call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// How long to wait for the answer, all attempts together. The server is told, and stops by then.
    pub deadline: Duration,
    /// Whether asking twice is the same as asking once. Only then is a call tried again, under one
    /// idempotency key.
    pub idempotent: bool,
    /// What the log lines about this call have in common; drawn at random if `None`.
    pub trace_id: Option<[u8; 16]>,
}

impl CallOptions {
    /// A call that must not be repeated.
    #[must_use]
    pub const fn once(deadline: Duration) -> Self {
        Self { deadline, idempotent: false, trace_id: None }
    }

    /// A call that may be repeated.
    #[must_use]
    pub const fn repeatable(deadline: Duration) -> Self {
        Self { deadline, idempotent: true, trace_id: None }
    }
}

/// What a ping found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// The key that the peer proved to hold.
    pub key: PublicKey,
    /// Where it answered.
    pub addr: SocketAddrV6,
    /// From asking to the answer, in microseconds, on a connection that stood.
    pub round_trip_us: u64,
    /// QUIC's own smoothed measure of the path, in microseconds.
    pub path_us: u64,
    /// The protocol.
    pub protocol: String,
    /// The cipher suite; `None` if the environment's crypto suite leaves a choice.
    pub cipher_suite: Option<String>,
    /// The key exchange; `None` if the environment's crypto suite leaves a choice.
    pub key_exchange: Option<String>,
}

impl Client {
    /// A client that dials from this endpoint.
    #[must_use]
    pub fn new(endpoint: &Endpoint, config: ClientConfig) -> Self {
        let pool = Pool::new(config.peers_max);
        let inner = Inner { endpoint: endpoint.clone(), config, pool, counters: Counters::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Asks a peer, and waits for the answer. Dropping the future cancels the call at the peer too.
    ///
    /// # Errors
    /// See [`CallError`]. A call that is not idempotent is tried once; it may have been done even so when the
    /// connection was lost or the deadline passed.
    pub async fn call(
        &self,
        peer: &Peer,
        service: &str,
        method: &str,
        body: impl Into<Bytes>,
        options: CallOptions,
    ) -> Result<Bytes, CallError> {
        let mut record = Record::begin(&self.inner);
        let result = self.inner.call(peer, service, method, body.into(), options).await;
        record.code = result.as_ref().map_or_else(CallError::code, |_| StatusCode::Ok);
        result
    }

    /// Asks a peer once, and hands out its answers as they come. Dropping them cancels the call at the peer too.
    ///
    /// The deadline holds for the whole of it. Nothing is tried again by itself: where to go on from, only the caller
    /// knows.
    ///
    /// # Errors
    /// If the call could not be made. How it ended, the answers say.
    pub async fn stream(
        &self,
        peer: &Peer,
        service: &str,
        method: &str,
        body: impl Into<Bytes>,
        options: CallOptions,
    ) -> Result<MessageStream, CallError> {
        let mut stream = self.converse(peer, service, method, body, options).await?;
        stream.finish();
        Ok(stream)
    }

    /// As [`Self::stream`], for a method that takes further messages while it answers: [`MessageStream::send`].
    ///
    /// # Errors
    /// If the call could not be made. How it ended, the answers say.
    pub async fn converse(
        &self,
        peer: &Peer,
        service: &str,
        method: &str,
        body: impl Into<Bytes>,
        options: CallOptions,
    ) -> Result<MessageStream, CallError> {
        let mut record = Record::begin(&self.inner);
        let result = self.inner.open(peer, service, method, body.into(), options).await;
        match result {
            Ok((opened, deadline)) => Ok(MessageStream::new(opened, deadline, record)),
            Err(error) => {
                record.code = error.code();
                Err(error)
            }
        }
    }

    /// Measures the round trip to a peer, and says what the connection is protected by.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn ping(&self, peer: &Peer, deadline: Duration) -> Result<Ping, CallError> {
        let Inner { endpoint, pool, counters, .. } = &*self.inner;
        let end = Instant::now() + deadline;
        let connection = timeout_at(end, pool.connection(endpoint, peer, counters));
        let connection = connection.await.map_err(|_| CallError::DeadlineExceeded)??;
        let start = Instant::now();
        let options = CallOptions::once(end.saturating_duration_since(start));
        self.call(peer, OWN_SERVICE, PING_METHOD, Bytes::new(), options).await?;
        Ok(Ping {
            key: connection.key,
            addr: ipv6(connection.quinn.remote_address()),
            round_trip_us: micros(start.elapsed()),
            path_us: micros(connection.quinn.rtt()),
            protocol: String::from_utf8_lossy(ALPN).into_owned(),
            cipher_suite: endpoint.tls().cipher_suite().map(Into::into),
            key_exchange: endpoint.tls().key_exchange().map(Into::into),
        })
    }

    /// What was counted so far.
    #[must_use]
    pub fn metrics(&self) -> ClientMetrics {
        self.inner.counters.snapshot()
    }
}

impl Inner {
    /// The header of a call, if it may be made.
    fn header(
        &self,
        service: &str,
        method: &str,
        body: &Bytes,
        options: &CallOptions,
    ) -> Result<Header, CallError> {
        if !is_name(service) || !is_name(method) {
            return Err(CallError::Name { service: service.into(), method: method.into() });
        }
        let (bytes, bytes_max) = (body.len(), self.config.message_bytes_max);
        if bytes > bytes_max {
            return Err(CallError::TooLong { bytes, bytes_max });
        }
        let env = self.endpoint.env();
        Ok(Header {
            version: HEADER_VERSION,
            service: service.into(),
            method: method.into(),
            deadline_ms: 0,
            idempotency_key: options.idempotent.then(|| env.random()),
            trace_id: options.trace_id.unwrap_or_else(|| env.random()),
        })
    }

    /// Opens a streaming call, until its deadline at most.
    async fn open(
        &self,
        peer: &Peer,
        service: &str,
        method: &str,
        body: Bytes,
        options: CallOptions,
    ) -> Result<(Opened, Instant), CallError> {
        let mut header = self.header(service, method, &body, &options)?;
        let deadline = Instant::now() + options.deadline.min(DEADLINE_MAX);
        let opening = async {
            let connection = self.pool.connection(&self.endpoint, peer, &self.counters).await?;
            header.deadline_ms = deadline_ms(deadline);
            Opened::open(&connection.quinn, &header, body).await
        };
        let opened = timeout_at(deadline, opening).await.unwrap_or(Err(CallError::DeadlineExceeded));
        Ok((opened?, deadline))
    }

    async fn call(
        &self,
        peer: &Peer,
        service: &str,
        method: &str,
        body: Bytes,
        options: CallOptions,
    ) -> Result<Bytes, CallError> {
        let mut header = self.header(service, method, &body, &options)?;
        let env = self.endpoint.env();
        let deadline = Instant::now() + options.deadline.min(DEADLINE_MAX);
        let attempts_max = if options.idempotent { self.config.attempts_max } else { 1 };
        let mut backoff = Backoff::new(&self.config.retry);
        let mut attempt = 1;
        loop {
            let result = timeout_at(deadline, self.attempt(peer, &mut header, &body, deadline)).await;
            let error = match result.unwrap_or(Err(CallError::DeadlineExceeded)) {
                Err(error) if error.is_passing() && attempt < attempts_max => error,
                result => return result,
            };
            let wait = backoff.wait(env);
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::debug!(%error, attempt, ?wait, "trying again");
            self.counters.retries.fetch_add(1, Relaxed);
            sleep(wait).await;
            attempt += 1;
        }
    }

    async fn attempt(
        &self,
        peer: &Peer,
        header: &mut Header,
        body: &Bytes,
        deadline: Instant,
    ) -> Result<Bytes, CallError> {
        let connection = self.pool.connection(&self.endpoint, peer, &self.counters).await?;
        header.deadline_ms = deadline_ms(deadline);
        attempt::attempt(&connection.quinn, header, body.clone(), self.config.message_bytes_max).await
    }
}

/// Counts a call when it ends, be it by being dropped.
struct Record {
    client: Arc<Inner>,
    start: Instant,
    code: StatusCode,
}

impl Record {
    fn begin(client: &Arc<Inner>) -> Self {
        client.counters.requests.fetch_add(1, Relaxed);
        Self { client: Arc::clone(client), start: Instant::now(), code: StatusCode::Cancelled }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.client.counters.ended(self.code, self.start.elapsed());
    }
}

/// What is left until a deadline, as a header says it.
fn deadline_ms(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// No deadline lies further ahead.
const DEADLINE_MAX: Duration = Duration::from_secs(24 * 3600);
