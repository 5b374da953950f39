//! DNS over UDP and TCP, for resolvers on machines that do not speak STOQ.
//!
//! It carries messages to a function that answers them and knows nothing of what they say. It listens at one
//! address: at a wildcard, a machine with several addresses may answer from another than it was asked at.
//! How often one part of the network is answered over UDP, and how many connections it has, is bounded: see
//! [`DnsLimits`].

mod class;
mod connections;
mod counters;
mod limits;
mod rate;
mod tcp;
#[cfg(test)]
mod tests;

pub use class::RateClass;
pub use connections::{CONNECTIONS_MAX, Eviction};
pub use counters::{DnsCounters, DnsTally, ResponseKind};
pub use limits::{CONNECTIONS_PER_PREFIX, DnsLimits, ExemptNetwork};
pub use tcp::{CONNECTION_TIMEOUT, IDLE_TIMEOUT, QUERIES_PER_CONNECTION_MAX, WRITE_TIMEOUT};

use class::truncated;
use connections::Connections;
use hypermesh_core::trustchain::dns::{QUERY_BYTES_MAX, Transport};
use rate::{RateDecision, ResponseRate};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tcp::TcpServer;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

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
            "; another server uses the port, often systemd-resolved: stop it, or choose another port"
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
        Ok(Self { address, udp, tcp, counters: Arc::default() })
    }

    /// Answers queries, within the newest of these limits, until `stop` is ready; then takes no more, and lets
    /// connections finish the answer that they are at.
    ///
    /// # Panics
    /// If `answer` panics over UDP, with the same panic. Over TCP it costs that connection alone.
    pub async fn serve(
        self,
        answer: Answerer,
        limits: watch::Receiver<DnsLimits>,
        stop: impl Future<Output = ()> + Send,
    ) {
        let Self { udp, tcp, counters, .. } = self;
        let (stopping, stopped) = watch::channel(());
        let mut datagrams = JoinSet::new();
        datagrams.spawn(serve_udp(udp, Arc::clone(&answer), Arc::clone(&counters), limits.clone()));
        let (tasks, connections) = (JoinSet::new(), Connections::default());
        let mut server = TcpServer { answer, counters, limits, stopped, tasks, connections };
        tokio::select! {
            biased;
            () = stop => {}
            Some(Err(ended)) = datagrams.join_next() => {
                if let Ok(panic) = ended.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
            () = server.accept(&tcp) => {}
        }
        drop((tcp, stopping));
        datagrams.shutdown().await;
        // Whatever is not done by then is cut off when the set of tasks is dropped.
        timeout(DRAIN_TIMEOUT, server.drained()).await.unwrap_or_default();
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

async fn serve_udp(
    socket: UdpSocket,
    answer: Answerer,
    counters: Arc<DnsCounters>,
    mut limits: watch::Receiver<DnsLimits>,
) {
    let mut rate = ResponseRate::new(limits.borrow_and_update().clone());
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
        if limits.has_changed().unwrap_or(false) {
            rate.set_limits(limits.borrow_and_update().clone());
        }
        let response = limited(&mut rate, query, client.ip(), &answer, &counters);
        if let Some(response) = response
            && socket.send_to(&response, client).await.is_err()
        {
            counters.udp.count_error();
        }
    }
}

/// The response to a query over UDP, if one is to be sent.
fn limited(
    rate: &mut ResponseRate,
    query: &[u8],
    client: IpAddr,
    answer: &Answerer,
    counters: &DnsCounters,
) -> Option<Vec<u8>> {
    let mut decision = rate.decide_all(client);
    if let RateDecision::Drop(class) = decision {
        counters.count_limited(class);
        return None;
    }
    let response = answer(query, Transport::Udp);
    if let (RateDecision::Answer, Some(response)) = (decision, &response) {
        decision = rate.decide_class(client, response);
    }
    let response = match decision {
        RateDecision::Answer => response,
        RateDecision::Truncate(class) => {
            counters.count_limited(class);
            response.map(truncated)
        }
        RateDecision::Drop(class) => {
            counters.count_limited(class);
            return None;
        }
    };
    counters.udp.count(response.as_deref());
    response
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
