//! QUIC's socket on the simulator's UDP.
//!
//! The simulator's network delays every datagram alike and drops those across a partition. What else can happen
//! to a datagram, happens here, where it is sent: each may be lost.

use super::record::{Datagram, Record, now};
use crate::world::{Place, Random, Stream};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use stoq::Net;
use turmoil::net::UdpSocket;

/// The network, as one host sees it.
#[derive(Clone)]
pub(super) struct SimNet {
    pub(super) place: Place,
    pub(super) record: Record,
    /// How many datagrams of a thousand are lost, now.
    pub(super) loss_per_mille: Arc<AtomicU64>,
    pub(super) losses: Arc<Mutex<Random>>,
}

impl SimNet {
    pub(super) fn new(
        place: Place,
        record: Record,
        loss_per_mille: Arc<AtomicU64>,
        losses: Stream<'_>,
    ) -> Self {
        Self { place, record, loss_per_mille, losses: Arc::new(Mutex::new(Random::new(losses))) }
    }

    fn loses(&self) -> bool {
        let chance = self.loss_per_mille.load(Relaxed);
        chance > 0 && self.losses.lock().expect("drawing does not panic").per_mille(chance)
    }
}

impl Net for SimNet {
    fn bind(&self, addr: SocketAddrV6) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        if *addr.ip() != Ipv6Addr::UNSPECIFIED {
            let reason = format!("a simulated host binds [::] only, not {addr}");
            return Err(io::Error::new(ErrorKind::AddrNotAvailable, reason));
        }
        let binding = pin!(UdpSocket::bind(SocketAddr::V6(addr)));
        let Poll::Ready(socket) = binding.poll(&mut Context::from_waker(Waker::noop())) else {
            return Err(io::Error::other("the simulator's bind no longer ends at once"));
        };
        let socket = Arc::new(socket?);
        Ok(Arc::new(Socket { net: self.clone(), socket, readable: Mutex::new(None) }))
    }
}

struct Socket {
    net: SimNet,
    socket: Arc<UdpSocket>,
    /// Ends when there may be something to read. While it stands, it holds the simulator's side of the socket.
    readable: Mutex<Option<Readable>>,
}

type Readable = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Socket {
    fn send(&self, target: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let lost = self.net.loses();
        let source_port = self.socket.local_addr()?.port();
        let datagram = Datagram { sender: self.net.place, source_port, target, bytes, lost };
        self.net.record.datagram(now(), &datagram);
        if lost {
            return Ok(());
        }
        match self.socket.try_send_to(bytes, target) {
            // The simulator knows no such host. UDP does not find that out.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Reads what is there, at most as much as there is room for.
    fn receive(&self, buffers: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        let mut count = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            match self.socket.try_recv_from(buffer) {
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
        let mut readable = self.readable.lock().expect("reading does not panic");
        loop {
            if let Some(waiting) = readable.as_mut() {
                let outcome = ready!(waiting.as_mut().poll(context));
                *readable = None;
                outcome?;
            }
            let count = self.receive(buffers, metas)?;
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let socket = Arc::clone(&self.socket);
            *readable = Some(Box::pin(async move { socket.readable().await }));
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The path takes whole datagrams or none, as every path of QUIC must: without this it does not look for
    /// the largest that the path takes.
    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(formatter)
    }
}

/// A simulated socket takes all that it is given.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
