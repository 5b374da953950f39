//! QUIC's socket on the simulator's UDP.
//!
//! The simulator's network takes every datagram, and delays all alike. What else can happen to a datagram, happens
//! here, where it is sent: the [model of the paths](super::path) says what, and this carries it out. A datagram that
//! takes longer waits here until the rest of its way is as long as every other's: if its sender crashes, it is lost.
//!
//! A host's address changes without QUIC being told, as when a router forgets its flows: the socket under the
//! endpoint is another one from then on, on another port, and the old one hears nothing any more.

use super::network::{Moves, Network};
use super::path::{Arrival, Verdict};
use super::record::{Datagram, Record, now};
use crate::plan::FaultClass;
use crate::world::Place;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use stoq::Net;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use turmoil::net::UdpSocket;

/// The network, as one host sees it.
#[derive(Clone)]
pub(super) struct SimNet {
    pub(super) place: Place,
    pub(super) record: Record,
    pub(super) network: Network,
    /// What the simulator's network adds to every datagram's way.
    pub(super) last_hop: Duration,
}

impl Net for SimNet {
    fn bind(&self, addr: SocketAddrV6) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if *addr.ip() != Ipv6Addr::UNSPECIFIED {
            let reason = format!("a simulated host binds [::] only, not {addr}");
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, reason));
        }
        let moves = self.network.lock().moves(self.place);
        let socket = bind(if moves.away { 0 } else { addr.port() })?;
        let port = if addr.port() == 0 { socket.local_addr()?.port() } else { addr.port() };
        let bound = Arc::new(Mutex::new(Bound { socket, moves }));
        let (parcels, posted) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        drop(tokio::spawn(carry(posted, bound.clone(), waiting.clone())));
        let reading = Mutex::new(Reading::default());
        Ok(Arc::new(Socket { net: self.clone(), port, bound, reading, parcels, waiting }))
    }
}

/// Binds a port; 0 for any.
fn bind(port: u16) -> io::Result<Arc<UdpSocket>> {
    let binding = pin!(UdpSocket::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))));
    match binding.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(socket) => socket.map(Arc::new),
        Poll::Pending => Err(io::Error::other("the simulator's bind no longer ends at once")),
    }
}

struct Socket {
    net: SimNet,
    /// The port that was asked for, and that the host comes back to.
    port: u16,
    bound: Arc<Mutex<Bound>>,
    reading: Mutex<Reading>,
    /// Takes what does not go out at once.
    parcels: UnboundedSender<Parcel>,
    /// How many parcels have not gone out.
    waiting: Arc<AtomicUsize>,
}

/// The socket of the simulator that is in use.
struct Bound {
    socket: Arc<UdpSocket>,
    moves: Moves,
}

/// Who waits for something to read.
#[derive(Default)]
struct Reading {
    /// Ends when there may be something to read. While it stands, it holds the simulator's side of the socket.
    readable: Option<Readable>,
    reader: Option<Waker>,
}

type Readable = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A datagram that goes out later.
struct Parcel {
    due: Instant,
    target: SocketAddr,
    bytes: Vec<u8>,
}

/// Sends parcels when they are due, and in the order in which they came if they are due at once. Ends with the
/// socket.
async fn carry(
    mut posted: UnboundedReceiver<Parcel>,
    bound: Arc<Mutex<Bound>>,
    waiting: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut parcels: BTreeMap<(Instant, u64), Parcel> = BTreeMap::new();
    let mut number = 0;
    loop {
        let first = parcels.first_key_value().map(|((due, _), _)| *due);
        let parcel = match first {
            None => posted.recv().await,
            Some(due) => tokio::select! {
                biased;
                parcel = posted.recv() => parcel,
                () = sleep_until(due) => {
                    deliver(&mut parcels, &bound, &waiting)?;
                    continue;
                }
            },
        };
        let Some(parcel) = parcel else { return Ok(()) };
        number += 1;
        parcels.insert((parcel.due, number), parcel);
    }
}

/// Sends what is due.
fn deliver(
    parcels: &mut BTreeMap<(Instant, u64), Parcel>,
    bound: &Mutex<Bound>,
    waiting: &AtomicUsize,
) -> io::Result<()> {
    let socket = lock(bound).socket.clone();
    while let Some(first) = parcels.first_entry().filter(|first| first.key().0 <= Instant::now()) {
        let Parcel { target, bytes, .. } = first.remove();
        waiting.fetch_sub(1, Relaxed);
        hand_over(&socket, &bytes, target)?;
    }
    Ok(())
}

/// Gives a datagram to the simulator's network.
fn hand_over(socket: &UdpSocket, bytes: &[u8], target: SocketAddr) -> io::Result<()> {
    match socket.try_send_to(bytes, target) {
        // The simulator knows no such host. UDP does not find that out.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        sent => sent.map(drop),
    }
}

impl Socket {
    fn send(&self, target: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let Self { net, .. } = self;
        let socket = self.current()?;
        let at = now();
        let verdict = net.network.lock().send(at, net.place, target.ip(), bytes.len()).unwrap_or_default();
        let source_port = socket.local_addr()?.port();
        let datagram = Datagram { sender: net.place, source_port, target, bytes, verdict: &verdict };
        net.record.datagram(at, &datagram);
        let Verdict { arrivals, .. } = verdict;
        for Arrival { at: arrival, wound } in arrivals {
            let waits = arrival.since(at).saturating_sub(net.last_hop);
            let mut bytes = std::borrow::Cow::Borrowed(bytes);
            if let Some(wound) = wound {
                wound.apply(bytes.to_mut());
            }
            if waits.is_zero() && self.waiting.load(Relaxed) == 0 {
                hand_over(&socket, &bytes, target)?;
            } else {
                self.waiting.fetch_add(1, Relaxed);
                let parcel = Parcel { due: Instant::now() + waits, target, bytes: bytes.into_owned() };
                // It is taken as long as the host runs.
                drop(self.parcels.send(parcel));
            }
        }
        Ok(())
    }

    /// The simulator's socket to send from: another one, if the host's address has changed.
    fn current(&self) -> io::Result<Arc<UdpSocket>> {
        let moves = self.net.network.lock().moves(self.net.place);
        let mut bound = lock(&self.bound);
        if bound.moves != moves && !moves.away && !bound.moves.away {
            // It was away and came back without having sent anything meanwhile.
            bound.moves = moves;
        } else if bound.moves != moves {
            let socket = bind(if moves.away { 0 } else { self.port })?;
            *bound = Bound { socket, moves };
            self.net.record.hit(FaultClass::AddressChange);
            // Whoever waits, waits at the old one.
            let mut reading = lock(&self.reading);
            reading.readable = None;
            if let Some(reader) = reading.reader.take() {
                reader.wake();
            }
        }
        Ok(bound.socket.clone())
    }

    /// Reads what is there, at most as much as there is room for.
    fn receive(
        socket: &UdpSocket,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> io::Result<usize> {
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            match socket.try_recv_from(buffer) {
                Ok((len, addr)) => *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None },
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        transmit.contents.chunks(segment).try_for_each(|bytes| self.send(transmit.destination, bytes))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let socket = lock(&self.bound).socket.clone();
        let mut reading = lock(&self.reading);
        loop {
            if let Some(waiting) = reading.readable.as_mut() {
                if waiting.as_mut().poll(context).is_pending() {
                    reading.reader = Some(context.waker().clone());
                    return Poll::Pending;
                }
                reading.readable = None;
            }
            let count = Self::receive(&socket, buffers, metas)?;
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let socket = Arc::clone(&socket);
            reading.readable = Some(Box::pin(async move { socket.readable().await }));
        }
    }

    /// The address that was bound: if it changes, the endpoint is not told.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)))
    }

    /// The path takes whole datagrams or none, as every path of QUIC must: without this it does not look for
    /// the largest that the path takes.
    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Socket").field("port", &self.port).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a world runs on one thread, and a panic in it ends the run")
}

/// A simulated socket takes all that it is given.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
