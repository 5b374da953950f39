//! QUIC's socket on the simulator's UDP.
//!
//! The simulator's network takes every datagram and brings it to its target's host at the next tick. What can happen to
//! a datagram happens here, where it is sent: the [model of the paths](super::path) says what, and this carries it out.
//! When it arrives is written before its bytes, and the socket of the target holds it until then. No datagram takes less
//! than a tick, so that it is always there in time: a tick may be as long as the quickest datagram's way, and hosts in
//! which nothing happens cost nothing in between. What is under way to a host that crashes is lost.
//!
//! A host's address changes without QUIC being told, as when a router forgets its flows: the socket under the
//! endpoint is another one from then on, on another port, and the old one hears nothing any more.

use super::network::{Moves, Network};
use super::path::Arrival;
use super::record::{Datagram, SharedRecord, now};
use crate::base::NodeIndex;
use crate::fault::FaultClass;
use hypermesh_core::base::Mono;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use stoq::Net;
use tokio::time::{Sleep, sleep};
use turmoil::net::UdpSocket;

/// No datagram of QUIC is longer here, with the time of its arrival before it.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// The network, as one host sees it.
#[derive(Clone)]
pub(super) struct SimNet {
    pub(super) place: NodeIndex,
    pub(super) record: SharedRecord,
    pub(super) network: Network,
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
        let bound = Mutex::new(Bound { socket, moves });
        let reading = Mutex::new(Reading::default());
        Ok(Arc::new(Socket { net: self.clone(), port, bound, reading }))
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
    bound: Mutex<Bound>,
    reading: Mutex<Reading>,
}

/// The socket of the simulator that is in use.
struct Bound {
    socket: Arc<UdpSocket>,
    moves: Moves,
}

/// What has come and is to be read, and who waits for it.
#[derive(Default)]
struct Reading {
    /// What arrives then, and of what arrives at once, what came to this host first.
    held: BTreeMap<(Mono, u64), Held>,
    count: u64,
    /// Ends when there may be more. While it stands, it holds the simulator's side of the socket.
    readable: Option<Readable>,
    /// Ends when the first of what is held arrives.
    arrival: Option<(Mono, Pin<Box<Sleep>>)>,
    reader: Option<Waker>,
}

type Readable = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A datagram on its way.
struct Held {
    source: SocketAddr,
    bytes: Vec<u8>,
}

impl Reading {
    /// Takes all that the simulator has brought.
    fn take(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            let (len, source) = match socket.try_recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let Some((at, bytes)) = buffer.get(..len).and_then(|bytes| bytes.split_first_chunk()) else {
                return Err(io::Error::other("the simulator has cut a datagram"));
            };
            self.count += 1;
            let arrives = Mono(u64::from_le_bytes(*at));
            self.held.insert((arrives, self.count), Held { source, bytes: bytes.to_vec() });
        }
    }

    /// Hands out what has arrived, at most as much as there is room for.
    fn hand_out(&mut self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let (mut count, now) = (0, now());
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Some(first) = self.held.first_entry().filter(|first| first.key().0 <= now) else { break };
            let Held { source: addr, bytes } = first.remove();
            let len = bytes.len().min(buffer.len());
            if let (Some(room), Some(bytes)) = (buffer.get_mut(..len), bytes.get(..len)) {
                room.copy_from_slice(bytes);
            }
            *meta = RecvMeta { addr, len, stride: len, ecn: None, dst_ip: None };
            count += 1;
        }
        count
    }

    /// Whether the simulator may have brought more.
    fn poll_more(&mut self, context: &mut Context<'_>, socket: &Arc<UdpSocket>) -> bool {
        let readable = self.readable.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.readable().await })
        });
        let ready = readable.as_mut().poll(context).is_ready();
        if ready {
            self.readable = None;
        }
        ready
    }

    /// Whether something that is held has arrived.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> bool {
        let Some(((first, _), _)) = self.held.first_key_value() else { return false };
        if self.arrival.as_ref().is_none_or(|(arrives, _)| arrives != first) {
            self.arrival = Some((*first, Box::pin(sleep(first.since(now())))));
        }
        let Some((_, sleep)) = &mut self.arrival else { return false };
        let arrived = sleep.as_mut().poll(context).is_ready();
        if arrived {
            self.arrival = None;
        }
        arrived
    }
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
        for Arrival { at, corruption } in verdict.arrivals {
            let mut parcel = at.0.to_le_bytes().to_vec();
            let mut damaged = Vec::new();
            let bytes = match corruption {
                None => bytes,
                Some(corruption) => {
                    damaged.extend(bytes);
                    corruption.apply(&mut damaged);
                    &damaged
                }
            };
            parcel.extend(bytes);
            hand_over(&socket, &parcel, target)?;
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
            reading.held.clear();
            if let Some(reader) = reading.reader.take() {
                reader.wake();
            }
        }
        Ok(bound.socket.clone())
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
            reading.take(&socket)?;
            let count = reading.hand_out(buffers, metas);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            if !reading.poll_more(context, &socket) && !reading.poll_arrival(context) {
                reading.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
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
