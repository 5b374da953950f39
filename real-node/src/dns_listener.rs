//! DNS over UDP and TCP, for resolvers on machines that do not speak STOQ.
//!
//! It carries messages to a function that answers them and knows nothing of what they say. It listens at one
//! address: at a wildcard, a machine with several addresses may answer from another than it was asked at.
//! How often one part of the network is answered over UDP, and how many connections it has, is bounded: see
//! [`PrefixLimits`].

mod counters;
mod rate;
#[cfg(test)]
mod tests;

pub use counters::{DnsCounters, DnsTally, ResponseKind};
pub use rate::{
    CONNECTIONS_PER_PREFIX_MAX, PrefixLimits, RESPONSES_BURST_MAX, RESPONSES_PER_SECOND_MAX, SLIP,
};

use hypermesh_core::trustchain::dns::{QUERY_BYTES_MAX, Transport};
use rate::{ConnectionCounts, ResponseRate, Verdict, truncated};
use std::collections::HashMap;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The most connections that are served at a time; further ones wait until one is closed.
pub const CONNECTIONS_MAX: usize = 256;
/// The most queries on one connection, after which it is closed.
pub const QUERIES_PER_CONNECTION_MAX: usize = 1000;
/// The longest time from one answer to the end of the next query (RFC 7766 §6.2.3 advises seconds).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time in which a client takes an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest life of a connection.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest time in which open connections finish when the listener is stopped.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a free port for both transports is looked for when port 0 is asked for.
const BIND_ATTEMPTS_MAX: usize = 16;
/// A pause after an error of the socket itself, so that a lasting one does not take a whole processor.
const ERROR_PAUSE: Duration = Duration::from_millis(20);

/// What answers a DNS message, or says that it deserves no answer.
pub type Answerer = Arc<dyn Fn(&[u8], Transport) -> Option<Vec<u8>> + Send + Sync>;

/// An address that cannot be listened at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen for DNS at {address} over {transport}: {reason}{}", advice(*kind))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// The kind of error that the system gave.
    pub kind: ErrorKind,
    /// What the system said.
    pub reason: String,
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied => {
            "; ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or choose another port"
        }
        ErrorKind::AddrInUse => {
            "; another server has it, often systemd-resolved: stop that, or choose another port"
        }
        ErrorKind::AddrNotAvailable => "; this machine does not have the address",
        _ => "",
    }
}

/// Sockets bound to one address over both transports. [`Self::bind`], then [`Self::serve`] until stopped.
#[derive(Debug)]
pub struct DnsListener {
    address: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
    counters: Arc<DnsCounters>,
    limits: PrefixLimits,
}

impl DnsListener {
    /// Binds both transports at `address`; with port 0, at one port that is free for both.
    ///
    /// # Errors
    /// If the system refuses one of them.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let mut attempt = 1;
        loop {
            match Self::bind_once(address).await {
                Err(error)
                    if error.kind == ErrorKind::AddrInUse
                        && address.port() == 0
                        && attempt < BIND_ATTEMPTS_MAX =>
                {
                    attempt += 1;
                }
                bound => return bound,
            }
        }
    }

    async fn bind_once(asked: SocketAddr) -> Result<Self, BindError> {
        let failed = |address: SocketAddr, transport: &'static str| {
            move |error: io::Error| BindError {
                address,
                transport,
                kind: error.kind(),
                reason: error.to_string(),
            }
        };
        let tcp = TcpListener::bind(asked).await.map_err(failed(asked, "TCP"))?;
        let address = tcp.local_addr().map_err(failed(asked, "TCP"))?;
        let udp = UdpSocket::bind(address).await.map_err(failed(address, "UDP"))?;
        let (counters, limits) = (Arc::default(), PrefixLimits::default());
        Ok(Self { address, udp, tcp, counters, limits })
    }

    /// The same listener with other bounds for each prefix.
    #[must_use]
    pub const fn with_limits(mut self, limits: PrefixLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Answers queries until `stop` is ready; then takes no more, and lets connections finish the answer that
    /// they are at.
    ///
    /// # Panics
    /// If `answer` panics over UDP, with the same panic. Over TCP it costs that connection alone.
    pub async fn serve(self, answer: Answerer, stop: impl Future<Output = ()> + Send) {
        let Self { udp, tcp, counters, limits, .. } = self;
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut datagrams = JoinSet::new();
        datagrams.spawn(serve_udp(
            udp,
            Arc::clone(&answer),
            Arc::clone(&counters),
            ResponseRate::new(limits),
        ));
        tokio::select! {
            biased;
            () = stop => {}
            Some(Err(ended)) = datagrams.join_next() => {
                if let Ok(panic) = ended.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
            () = accept(&tcp, &mut connections, (&answer, &counters), limits, &stopped) => {}
        }
        drop((tcp, stopping));
        datagrams.shutdown().await;
        let drained = async { while connections.join_next().await.is_some() {} };
        // Whatever is not done by then is cut off when the set is dropped.
        timeout(DRAIN_TIMEOUT, drained).await.unwrap_or_default();
    }

    /// The address that is listened at, with the port that was found.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has been counted so far; it goes on counting while the listener serves.
    #[must_use]
    pub fn counters(&self) -> Arc<DnsCounters> {
        Arc::clone(&self.counters)
    }
}

async fn serve_udp(socket: UdpSocket, answer: Answerer, counters: Arc<DnsCounters>, mut rate: ResponseRate) {
    // One byte more than a query may have, so that one that was cut short is still known to be too long.
    let mut buffer = [0; QUERY_BYTES_MAX + 1];
    loop {
        let (query, client) = match socket.recv_from(&mut buffer).await {
            Ok((length, client)) => (buffer.get(..length).unwrap_or_default(), client),
            Err(error) => {
                counters.udp.count_error();
                if !is_about_another_packet(&error) {
                    sleep(ERROR_PAUSE).await;
                }
                continue;
            }
        };
        let verdict = rate.judge(client.ip());
        if verdict != Verdict::Answer {
            counters.udp.count_limited();
        }
        if verdict == Verdict::Drop {
            continue;
        }
        let mut response = answer(query, Transport::Udp);
        if verdict == Verdict::Truncate {
            response = response.map(truncated);
        }
        counters.udp.count(response.as_deref());
        if let Some(response) = response
            && socket.send_to(&response, client).await.is_err()
        {
            counters.udp.count_error();
        }
    }
}

/// Whether an error on receiving only reports what became of a datagram sent before (an ICMP message).
fn is_about_another_packet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::Interrupted
    )
}

async fn accept(
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    (answer, counters): (&Answerer, &Arc<DnsCounters>),
    limits: PrefixLimits,
    stopped: &watch::Receiver<()>,
) {
    let mut counts = ConnectionCounts::default();
    // By task, so that a connection whose answer panics is counted no more either.
    let mut admissions = HashMap::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next_with_id(), if !connections.is_empty() => {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                if let Some(admitted) = admissions.remove(&task) {
                    counts.release(admitted);
                }
            }
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, client)) => {
                    let Some(admitted) = counts.admit(client.ip(), &limits) else {
                        // Closed without a word: DNS has none for it.
                        counters.tcp.count_limited();
                        continue;
                    };
                    counters.tcp.count_connection();
                    if stream.set_nodelay(true).is_err() {
                        counters.tcp.count_error();
                        counts.release(admitted);
                        continue;
                    }
                    let connection =
                        Connection { answer: Arc::clone(answer), counters: Arc::clone(counters) };
                    let task = connections.spawn(connection.serve(stream, stopped.clone()));
                    admissions.insert(task.id(), admitted);
                }
                Err(_) => {
                    counters.tcp.count_error();
                    sleep(ERROR_PAUSE).await;
                }
            }
        }
    }
}

/// One client over TCP.
struct Connection {
    answer: Answerer,
    counters: Arc<DnsCounters>,
}

impl Connection {
    async fn serve<S: AsyncRead + AsyncWrite>(self, stream: S, mut stopped: watch::Receiver<()>) {
        match timeout(CONNECTION_TIMEOUT, self.converse(stream, &mut stopped)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => self.counters.tcp.count_error(),
        }
    }

    /// Answers query after query, in order (RFC 7766 §6.2.1.1 allows, and does not demand, another order).
    async fn converse<S: AsyncRead + AsyncWrite>(
        &self,
        stream: S,
        stopped: &mut watch::Receiver<()>,
    ) -> io::Result<()> {
        let (reader, mut writer) = tokio::io::split(stream);
        let mut reader = BufReader::new(reader);
        let mut query = Vec::new();
        let mut frame = Vec::new();
        for _ in 0..QUERIES_PER_CONNECTION_MAX {
            tokio::select! {
                biased;
                // The sender is dropped, never used.
                _ = stopped.changed() => return Ok(()),
                read = timeout(IDLE_TIMEOUT, read_frame(&mut reader, &mut query)) => {
                    if !read?? {
                        return Ok(());
                    }
                }
            }
            let response = (self.answer)(&query, Transport::Tcp);
            self.counters.tcp.count(response.as_deref());
            let Some(response) = response else {
                return Ok(());
            };
            let length = u16::try_from(response.len()).map_err(io::Error::other)?;
            frame.clear();
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&response);
            timeout(WRITE_TIMEOUT, writer.write_all(&frame)).await??;
        }
        Ok(())
    }
}

/// Reads a message behind its length of two bytes (RFC 1035 §4.2.2); `false` at the end of the stream.
async fn read_frame(reader: &mut (impl AsyncReadExt + Unpin), query: &mut Vec<u8>) -> io::Result<bool> {
    let length = match reader.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    };
    if length > QUERY_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "longer than a query may be"));
    }
    query.resize(length, 0);
    reader.read_exact(query).await?;
    Ok(true)
}
