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
pub use pool::EarlyData;
pub use stream::MessageStream;

use crate::backoff::{Backoff, BackoffConfig};
use crate::endpoint::{Endpoint, Peer, ipv6};
use crate::frame::{HEADER_VERSION, Header, MESSAGE_BYTES_MAX, is_name};
use crate::server::{OWN_SERVICE, PING_METHOD};
use crate::status::StatusCode;
use crate::tls::ALPN;
use attempt::Opened;
use bytes::Bytes;
use hypermesh_base::PublicKey;
use metrics::Counters;
use pool::{Live, Pool};
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
    /// The most attempts at a call that may be repeated, or that the server has sent away.
    pub attempts_max: u32,
    /// The waits between attempts.
    pub retry: BackoffConfig,
    /// The most peers to have connections to.
    pub peers_max: usize,
    /// The trace id of every call that has none of its own; each gets another, drawn at random, if `None`.
    pub trace_id: Option<[u8; 16]>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            attempts_max: 5,
            retry: BackoffConfig { first: Duration::from_millis(20), longest: Duration::from_secs(1) },
            peers_max: 1024,
            trace_id: None,
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
    /// The same for every attempt at this call, by this or another client of the same key, within the time that servers keep
    /// outcomes; drawn at random for a call that may be repeated if `None`.
    pub idempotency_key: Option<[u8; 16]>,
    /// Whether it may go out with a connection's first flight, before the server has proved to be there and in a form that
    /// whoever overhears it can send again: for methods that the server takes so. If it does not, it is sent again.
    pub early: bool,
    /// What the log lines about this call have in common; drawn at random if `None`.
    pub trace_id: Option<[u8; 16]>,
}

impl CallOptions {
    /// A call that must not be repeated.
    #[must_use]
    pub const fn once(deadline: Duration) -> Self {
        Self { deadline, idempotent: false, idempotency_key: None, early: false, trace_id: None }
    }

    /// A call that may be repeated.
    #[must_use]
    pub const fn repeatable(deadline: Duration) -> Self {
        Self { idempotent: true, ..Self::once(deadline) }
    }

    /// A call that may be repeated, by anybody who overhears it too: a read of what is public.
    #[must_use]
    pub const fn read(deadline: Duration) -> Self {
        Self { early: true, ..Self::repeatable(deadline) }
    }
}

/// What a ping found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// The key that the peer proved to hold.
    pub key: PublicKey,
    /// Where it answered.
    pub addr: SocketAddrV6,
    /// From asking to the first answer, in microseconds: with what it took to set a connection up, if none stood.
    pub first_us: u64,
    /// From asking to the answer, in microseconds, on a connection that stood.
    pub round_trip_us: u64,
    /// What became of the connection's first flight.
    pub early_data: EarlyData,
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
        let mut meter = CallMeter::begin(&self.inner);
        let result = self.inner.call(peer, service, method, body.into(), options).await;
        meter.code = result.as_ref().map_or_else(CallError::code, |_| StatusCode::Ok);
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
        let mut meter = CallMeter::begin(&self.inner);
        let result = self.inner.open(peer, service, method, body.into(), options).await;
        match result {
            Ok((opened, deadline)) => Ok(MessageStream::new(opened, deadline, meter)),
            Err(error) => {
                meter.code = error.code();
                Err(error)
            }
        }
    }

    /// Measures the round trip to a peer, and says what the connection is protected by.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn ping(&self, peer: &Peer, deadline: Duration) -> Result<Ping, CallError> {
        let Inner { endpoint, pool, .. } = &*self.inner;
        let begin = Instant::now();
        let end = begin + deadline;
        let ask = async || {
            let start = Instant::now();
            let mut options = CallOptions::once(end.saturating_duration_since(start));
            options.early = true;
            self.call(peer, OWN_SERVICE, PING_METHOD, Bytes::new(), options).await?;
            Ok::<_, CallError>(start.elapsed())
        };
        let first = ask().await?;
        let connection = timeout_at(end, pool.connection(&self.inner, peer));
        let Live { connection, early } = connection.await.map_err(|_| CallError::DeadlineExceeded)??;
        let round_trip = ask().await?;
        Ok(Ping {
            key: connection.key,
            addr: ipv6(connection.quinn.remote_address()),
            first_us: micros(first),
            round_trip_us: micros(round_trip),
            early_data: early,
            path_us: micros(connection.quinn.rtt()),
            protocol: String::from_utf8_lossy(ALPN).into_owned(),
            cipher_suite: endpoint.tls().cipher_suite().map(Into::into),
            key_exchange: endpoint.tls().key_exchange().map(Into::into),
        })
    }

    /// Asks a peer whether it is there.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn reach(&self, peer: &Peer, deadline: Duration) -> Result<(), CallError> {
        self.call(peer, OWN_SERVICE, PING_METHOD, Bytes::new(), CallOptions::read(deadline)).await.map(|_| ())
    }

    /// Whether there is a session with this peer that can be resumed.
    #[cfg(test)]
    pub(crate) fn may_resume(&self, peer: &Peer) -> bool {
        self.inner.pool.may_resume(peer)
    }

    /// Closes the connection with a peer, and what is asked over it. The next call sets up another, and resumes the session.
    pub fn disconnect(&self, peer: &Peer) {
        self.inner.pool.disconnect(peer);
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
            idempotency_key: options.idempotency_key.or_else(|| options.idempotent.then(|| env.random())),
            trace_id: options.trace_id.or(self.config.trace_id).unwrap_or_else(|| env.random()),
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
            let live = self.pool.connection(self, peer).await?;
            header.deadline_ms = deadline_ms(deadline);
            Opened::open(&live.connection.quinn, &header, body).await
        };
        let opened = timeout_at(deadline, opening).await.unwrap_or(Err(CallError::DeadlineExceeded));
        Ok((opened?, deadline))
    }

    async fn call(
        self: &Arc<Self>,
        peer: &Peer,
        service: &str,
        method: &str,
        body: Bytes,
        options: CallOptions,
    ) -> Result<Bytes, CallError> {
        let mut header = self.header(service, method, &body, &options)?;
        let env = self.endpoint.env();
        let deadline = Instant::now() + options.deadline.min(DEADLINE_MAX);
        // What a server sends away to come back later, it has not begun.
        let may_repeat =
            |error: &CallError| error.retry_after().is_some() || (options.idempotent && error.is_passing());
        let mut backoff = Backoff::new(&self.config.retry);
        let mut attempt = 1;
        loop {
            let asking = async {
                if options.early
                    && let Some(answer) = self.attempt_early(peer, &mut header, &body, deadline).await
                {
                    return answer;
                }
                self.attempt(peer, &mut header, &body, deadline).await
            };
            let result = timeout_at(deadline, asking).await;
            let error = match result.unwrap_or(Err(CallError::DeadlineExceeded)) {
                Err(error) if may_repeat(&error) && attempt < self.config.attempts_max => error,
                result => return result,
            };
            let mut wait = backoff.wait(env);
            if let Some(asked) = error.retry_after() {
                // Never sooner than it asks, and not all at the same moment.
                wait = wait.max(asked + env.jittered(asked / 2));
            }
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
        let live = self.pool.connection(self, peer).await?;
        header.deadline_ms = deadline_ms(deadline);
        attempt::attempt(&live.connection.quinn, header, body.clone(), self.config.message_bytes_max).await
    }
}

impl Inner {
    /// Asks with the first flight of a connection; `None` if it has to be asked when the handshake is over.
    async fn attempt_early(
        self: &Arc<Self>,
        peer: &Peer,
        header: &mut Header,
        body: &Bytes,
        deadline: Instant,
    ) -> Option<Result<Bytes, CallError>> {
        let mut early = match self.pool.early(self, peer) {
            Ok(early) => early?,
            Err(error) => return Some(Err(error)),
        };
        header.deadline_ms = deadline_ms(deadline);
        let bytes_max = self.config.message_bytes_max;
        let answer = attempt::attempt(&early.quinn, header, body.clone(), bytes_max).await;
        match answer {
            Err(error) if error.is_too_early() => None,
            // The server may not have taken the first flight: then nothing was asked.
            Err(error @ CallError::Lost { .. }) => match early.outcome().await {
                Ok(true) => Some(Err(error)),
                Ok(false) => None,
                Err(failed) => Some(Err(failed)),
            },
            answer => Some(answer),
        }
    }
}

/// Counts a call when it ends, be it by being dropped.
struct CallMeter {
    client: Arc<Inner>,
    start: Instant,
    code: StatusCode,
}

impl CallMeter {
    fn begin(client: &Arc<Inner>) -> Self {
        client.counters.requests.fetch_add(1, Relaxed);
        Self { client: Arc::clone(client), start: Instant::now(), code: StatusCode::Cancelled }
    }
}

impl Drop for CallMeter {
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
