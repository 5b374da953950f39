//! DNS over TCP (RFC 7766).
//!
//! The kernel takes care of what is half open: it answers handshakes past its backlog (1,024, or `net.core.somaxconn` if that is
//! less) with SYN cookies, which cost it no memory. An open connection is taken from it at once, and bounded by
//! [`Connections`].

use super::connections::{ActivityCell, Connections, Eviction};
use super::{Answerer, DnsCounters, DnsLimits, ERROR_PAUSE};
use hypermesh_core::trustchain::dns::{QUERY_BYTES_MAX, Transport};
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

/// The most queries on one connection, after which it is closed.
pub const QUERIES_PER_CONNECTION_MAX: usize = 1000;
/// The longest time from one answer to the end of the next query (RFC 7766 §6.2.3 advises seconds).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time in which a client takes an answer.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest life of a connection.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// Takes connections and answers on them. [`Self::accept`] until stopped, then [`Self::drained`].
pub(super) struct TcpServer {
    pub(super) answer: Answerer,
    pub(super) counters: Arc<DnsCounters>,
    pub(super) limits: watch::Receiver<DnsLimits>,
    pub(super) stopped: watch::Receiver<()>,
    pub(super) tasks: JoinSet<()>,
    pub(super) connections: Connections,
}

impl TcpServer {
    /// Takes connections, for ever.
    pub(super) async fn accept(&mut self, listener: &TcpListener) {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.connections.remove(task_of(ended));
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => self.admit(stream, client).await,
                    Err(error) => self.not_accepted(&error).await,
                }
            }
        }
    }

    /// Waits until every connection has ended.
    pub(super) async fn drained(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    async fn admit(&mut self, stream: TcpStream, client: SocketAddr) {
        let client = client.ip();
        let limits = self.limits.borrow().clone();
        if let Some((closed, reason)) = self.connections.make_room(client, &limits) {
            self.ended(closed, reason).await;
        }
        self.counters.count_connection();
        if stream.set_nodelay(true).is_err() {
            return self.counters.tcp.count_error();
        }
        let activity = ActivityCell::accepted();
        let connection = Connection {
            answer: Arc::clone(&self.answer),
            counters: Arc::clone(&self.counters),
            activity: activity.clone(),
        };
        let task = self.tasks.spawn(connection.serve(stream, self.stopped.clone()));
        self.connections.add(client, &limits, activity, task);
    }

    async fn not_accepted(&mut self, error: &io::Error) {
        self.counters.tcp.count_error();
        let errno = Errno::from_io_error(error);
        if matches!(errno, Some(Errno::MFILE | Errno::NFILE))
            && let Some(closed) = self.connections.close_one()
        {
            return self.ended(closed, Eviction::Descriptors).await;
        }
        // A connection that its client gave up before it was accepted says nothing of the next.
        if error.kind() != ErrorKind::ConnectionAborted {
            sleep(ERROR_PAUSE).await;
        }
    }

    /// Waits for the task of a connection that was closed in favour of another, so that there are never more.
    async fn ended(&mut self, closed: Id, reason: Eviction) {
        self.counters.count_eviction(reason);
        while let Some(ended) = self.tasks.join_next_with_id().await {
            let task = task_of(ended);
            self.connections.remove(task);
            if task == closed {
                return;
            }
        }
    }
}

/// Which task has ended, be it that its answer panicked.
fn task_of(ended: Result<(Id, ()), JoinError>) -> Id {
    ended.map_or_else(|error| error.id(), |(task, ())| task)
}

/// One client.
pub(super) struct Connection {
    pub(super) answer: Answerer,
    pub(super) counters: Arc<DnsCounters>,
    pub(super) activity: ActivityCell,
}

impl Connection {
    pub(super) async fn serve<S: AsyncRead + AsyncWrite>(self, stream: S, mut stopped: watch::Receiver<()>) {
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
        let mut reader = BufReader::with_capacity(QUERY_BYTES_MAX, reader);
        let mut query = Vec::new();
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
            self.activity.answering();
            let response = (self.answer)(&query, Transport::Tcp);
            self.counters.tcp.count(response.as_deref());
            let Some(response) = response else {
                return Ok(());
            };
            let frame = framed(response)?;
            timeout(WRITE_TIMEOUT, writer.write_all(&frame)).await??;
            self.activity.idle();
        }
        Ok(())
    }
}

/// A message behind its length of two bytes (RFC 1035 §4.2.2), to be sent at once.
fn framed(response: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = u16::try_from(response.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &response].concat())
}

/// Reads a message behind its length; `false` at the end of the stream.
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
