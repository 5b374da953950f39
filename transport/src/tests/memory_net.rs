//! A network in memory, for runs on tokio's paused clock: each datagram arrives after one and the same
//! latency, in order, and is written down.

use crate::env::Net;
use hypermesh_base::{Digest, Domain};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV6};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// A datagram as it was sent: when since the start, from where, to where, how long, and a hash of its bytes.
pub(super) type Sent = (Duration, SocketAddr, SocketAddr, usize, Digest);

pub(super) struct MemoryNet {
    start: Instant,
    latency: Duration,
    wires: Mutex<Wires>,
}

#[derive(Default)]
struct Wires {
    bound: BTreeMap<SocketAddr, Arc<Inbox>>,
    /// Where hosts are that have moved, by the address that they bound.
    moved: BTreeMap<SocketAddr, SocketAddr>,
    sent: Vec<Sent>,
}

#[derive(Debug)]
struct Inbox(Mutex<Arrivals>);

#[derive(Debug, Default)]
struct Arrivals {
    queue: VecDeque<(Instant, SocketAddr, Vec<u8>)>,
    timer: Option<Pin<Box<Sleep>>>,
    waker: Option<Waker>,
}

impl MemoryNet {
    pub(super) fn new(latency: Duration) -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), latency, wires: Mutex::default() })
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.wires.lock().unwrap().sent.clone()
    }

    /// Gives a host another address, without its knowing.
    pub(super) fn move_host(&self, from: SocketAddrV6, to: SocketAddrV6) {
        let (from, to) = (SocketAddr::V6(from), SocketAddr::V6(to));
        let mut wires = self.wires.lock().unwrap();
        let inbox = wires.bound.remove(&from).expect("a host is there");
        wires.bound.insert(to, inbox);
        let bound = wires.moved.iter().find(|(_, at)| **at == from).map_or(from, |(bound, _)| *bound);
        wires.moved.insert(bound, to);
    }

    fn send(&self, source: SocketAddr, target: SocketAddr, bytes: &[u8]) {
        let mut wires = self.wires.lock().unwrap();
        let now = Instant::now();
        let source = wires.moved.get(&source).copied().unwrap_or(source);
        wires.sent.push((now - self.start, source, target, bytes.len(), DATAGRAM.hash(&[bytes])));
        if let Some(inbox) = wires.bound.get(&target) {
            let mut arrivals = inbox.0.lock().unwrap();
            arrivals.queue.push_back((now + self.latency, source, bytes.to_vec()));
            if let Some(waker) = arrivals.waker.take() {
                waker.wake();
            }
        }
    }
}

/// A handle to the network, as one node's environment holds it.
pub(super) struct Host(pub(super) Arc<MemoryNet>);

impl Net for Host {
    fn bind(&self, addr: SocketAddrV6) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let (addr, inbox) = (SocketAddr::V6(addr), Arc::new(Inbox(Mutex::default())));
        self.0.wires.lock().unwrap().bound.insert(addr, inbox.clone());
        Ok(Arc::new(Socket { net: self.0.clone(), addr, inbox }))
    }
}

struct Socket {
    net: Arc<MemoryNet>,
    addr: SocketAddr,
    inbox: Arc<Inbox>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Socket({})", self.addr)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.net.send(self.addr, transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut arrivals = self.inbox.0.lock().unwrap();
        let mut taken = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let due = arrivals.queue.front().is_some_and(|(at, ..)| *at <= Instant::now());
            let Some((_, source, bytes)) = due.then(|| arrivals.queue.pop_front()).flatten() else { break };
            buffer[..bytes.len()].copy_from_slice(&bytes);
            *meta = RecvMeta { addr: source, len: bytes.len(), stride: bytes.len(), ecn: None, dst_ip: None };
            taken += 1;
        }
        if taken > 0 {
            return Poll::Ready(Ok(taken));
        }
        arrivals.waker = Some(context.waker().clone());
        arrivals.timer = arrivals.queue.front().map(|(at, ..)| Box::pin(sleep_until(*at)));
        match arrivals.timer.as_mut().map(|timer| timer.as_mut().poll(context)) {
            Some(Poll::Ready(())) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Pending,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

const DATAGRAM: Domain = Domain::new("hypermesh v1 stoq test datagram");
