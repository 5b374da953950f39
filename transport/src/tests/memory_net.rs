//! A network in memory, for runs on tokio's paused clock: each datagram arrives after one and the same
//! latency, in order, and is written down.

use crate::env::Net;
use hypermesh_core::base::{Digest, Domain};
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

    fn send(&self, source: SocketAddr, target: SocketAddr, bytes: &[u8]) {
        let mut wires = self.wires.lock().unwrap();
        let now = Instant::now();
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
