//! The calls over TLS 1.3 on TCP: an event loop around two hosts of smoltcp, on the same model of paths.
//!
//! A message is its number, its length and its bytes, and answers leave as their questions come. That is as little as
//! any protocol on TCP puts around a call.

use super::super::path::Paths;
use super::{CLIENT, Carried, ClientLoad, QUESTION_BYTES, SERVER, is_lost};
use crate::base::{Link, NodeIndex, Random, Span, Stream};
use hypermesh_core::base::{Entropy as _, Mono};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

const PORT: u16 = 443;
/// IPv6 on Ethernet.
const PACKET_BYTES_MAX: usize = 1500;
/// As much as a path of this kind can hold, many times over.
const BUFFER_BYTES: usize = 1 << 20;
/// A number and a length.
const HEAD_BYTES: usize = 8;

/// How calls share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// All calls on one connection, as many at once as there are: HTTP/2's way.
    Together,
    /// So many connections, each with one call at a time: HTTP/1.1's way.
    OneAtATime(usize),
}

/// Makes the calls over TLS on TCP. The client's connections do not outlive a change of its address, and it makes no
/// others for the calls under way.
///
/// # Errors
/// If TLS cannot be set up, or what comes is no answer.
pub fn over_tcp(seed: u64, load: ClientLoad, sharing: Sharing) -> Result<Carried, String> {
    let configs = Configs::new()?;
    let first = Exchange::new(seed, &load, 1, &configs)?.one_call()?;
    let again = Exchange::new(seed, &load, 1, &configs)?.one_call()?;
    let connections = match sharing {
        Sharing::Together => 1,
        Sharing::OneAtATime(connections) => connections,
    };
    let mut exchange = Exchange::new(seed, &load, connections, &configs)?;
    let (times, lost) = exchange.call_all(&load, sharing)?;
    Ok(Carried { first, again, times, lost })
}

/// What both ends know of TLS. Sessions are resumed; 0-RTT is off, as HTTP's clients have it.
struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Configs {
    fn new() -> Result<Self, String> {
        let failed = |fault: &dyn std::fmt::Display| fault.to_string();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(|fault| failed(&fault))?;
        let params = rcgen::CertificateParams::new(["server".into()]).map_err(|fault| failed(&fault))?;
        let certificate = params.self_signed(&key).map_err(|fault| failed(&fault))?;
        let certificate = CertificateDer::from(certificate.der().to_vec());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(|fault| failed(&fault))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|fault| failed(&fault))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|fault| failed(&fault))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .map_err(|fault| failed(&fault))?;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }

    fn connection(&self, place: NodeIndex) -> Result<Connection, String> {
        if place == SERVER {
            let connection = ServerConnection::new(Arc::clone(&self.server));
            return connection.map(Into::into).map_err(|fault| fault.to_string());
        }
        let name = ServerName::try_from("server").map_err(|fault| fault.to_string())?;
        let connection = ClientConnection::new(Arc::clone(&self.client), name);
        connection.map(Into::into).map_err(|fault| fault.to_string())
    }
}

/// Packets on their way into and out of a host.
#[derive(Default)]
struct Wire {
    arrived: VecDeque<Vec<u8>>,
    leaving: Vec<Vec<u8>>,
}

struct Arriving(Vec<u8>);
struct Leaving<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Arriving {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut packet = vec![0; len];
        let result = fill(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Arriving;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Arriving, Leaving<'_>)> {
        Some((Arriving(self.arrived.pop_front()?), Leaving(&mut self.leaving)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Leaving<'_>> {
        Some(Leaving(&mut self.leaving))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = PACKET_BYTES_MAX;
        capabilities.medium = Medium::Ip;
        capabilities
    }
}

/// One end of a connection: its socket, its TLS, and the messages that have come in part.
struct Carrier {
    handle: SocketHandle,
    tls: Connection,
    sealed: Vec<u8>,
    come: Vec<u8>,
}

impl Carrier {
    /// Moves bytes between socket, TLS and messages, as far as they go. Returns the messages that are whole.
    fn pump(&mut self, socket: &mut tcp::Socket<'_>) -> Result<Vec<(u32, Vec<u8>)>, String> {
        let failed = |fault: &dyn std::fmt::Display| fault.to_string();
        while socket.can_recv() {
            let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).map_err(|fault| failed(&fault))?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).map_err(|fault| failed(&fault))?;
                let state = self.tls.process_new_packets().map_err(|fault| failed(&fault))?;
                let start = self.come.len();
                self.come.resize(start + state.plaintext_bytes_to_read(), 0);
                let room = self.come.get_mut(start..).unwrap_or_default();
                self.tls.reader().read_exact(room).map_err(|fault| failed(&fault))?;
            }
        }
        if socket.may_send() {
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.sealed).map_err(|fault| failed(&fault))?;
            }
            let sent = socket.send_slice(&self.sealed).map_err(|fault| failed(&fault))?;
            self.sealed.drain(..sent);
        }
        Ok(std::iter::from_fn(|| take_message(&mut self.come)).collect())
    }

    fn say(&mut self, number: u32, bytes: usize) -> Result<(), String> {
        let mut message = number.to_be_bytes().to_vec();
        message.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
        message.resize(HEAD_BYTES + bytes, 7);
        self.tls.writer().write_all(&message).map_err(|fault| fault.to_string())
    }
}

/// The first message, if it is whole.
pub(super) fn take_message(come: &mut Vec<u8>) -> Option<(u32, Vec<u8>)> {
    let (number, rest) = come.split_first_chunk::<4>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let message = (u32::from_be_bytes(*number), rest.get(..len)?.to_vec());
    come.drain(..HEAD_BYTES + len);
    Some(message)
}

/// A host with its connections.
struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    streams: Vec<Carrier>,
}

const fn address(place: NodeIndex) -> IpAddress {
    IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 3, place as u16)
}

impl Host {
    fn new(seed: u64, place: NodeIndex, connections: usize, configs: &Configs) -> Result<Self, String> {
        let mut wire = Wire::default();
        let mut config = Config::new(HardwareAddress::Ip);
        let mut drawn = [0; 8];
        Random::new(Stream { seed, purpose: "tcp", owner: place as u64, incarnation: 1 }).fill(&mut drawn);
        config.random_seed = u64::from_le_bytes(drawn);
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // It is the first, and there is room for more.
            let _has_room = addresses.push(IpCidr::new(address(place), 64));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let mut streams = Vec::new();
        for number in 0..connections {
            let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER_BYTES]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            socket.set_nagle_enabled(false);
            socket.set_congestion_control(tcp::CongestionControl::Cubic);
            let local = 50_000 + u16::try_from(number).unwrap_or_default();
            if place == SERVER {
                socket.listen(PORT).map_err(|fault| fault.to_string())?;
            } else {
                let server = (address(SERVER), PORT);
                socket.connect(interface.context(), server, local).map_err(|fault| fault.to_string())?;
            }
            let handle = sockets.add(socket);
            let mut tls = configs.connection(place)?;
            // What waits for the path waits here, however much it is.
            tls.set_buffer_limit(None);
            streams.push(Carrier { handle, tls, sealed: Vec::new(), come: Vec::new() });
        }
        Ok(Self { interface, sockets, wire, streams })
    }

    /// Lets the host take up what has arrived and what is due. Returns the messages that have come, by stream.
    fn turn(&mut self, now: Instant) -> Result<Vec<(usize, u32, Vec<u8>)>, String> {
        let mut messages = Vec::new();
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        for (number, stream) in self.streams.iter_mut().enumerate() {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(stream.handle);
            let come = stream.pump(socket)?.into_iter();
            messages.extend(come.map(|(id, bytes)| (number, id, bytes)));
        }
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        Ok(messages)
    }
}

/// Two hosts, the path between them, and the time.
struct Exchange {
    hosts: [Host; 2],
    paths: Paths,
    now: Mono,
    /// What arrives when and where, in the order in which it was sent.
    under_way: BTreeMap<(Mono, u64), (NodeIndex, Vec<u8>)>,
    sent: u64,
    lost: u64,
    bytes: usize,
    /// The connections are of an address that is no longer the client's.
    is_cut: bool,
}

impl Exchange {
    fn new(seed: u64, load: &ClientLoad, connections: usize, configs: &Configs) -> Result<Self, String> {
        let us = u64::try_from(load.one_way.as_micros()).unwrap_or(u64::MAX);
        let host = |place| Host::new(seed, place, connections, configs);
        Ok(Self {
            hosts: [host(SERVER)?, host(CLIENT)?],
            paths: Paths::new(seed, Span::us(us, us)),
            now: Mono(0),
            under_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
            bytes: load.bytes,
            is_cut: false,
        })
    }

    fn instant(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.now.0).unwrap_or(i64::MAX))
    }

    /// Lets both hosts do what they can do now. Returns the answers that have come, by stream and number.
    fn settle(&mut self) -> Result<Vec<(usize, u32)>, String> {
        let mut answers = Vec::new();
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (place, packet) = entry.remove();
            if let Some(host) = self.hosts.get_mut(place) {
                host.wire.arrived.push_back(packet);
            }
        }
        let now = self.instant();
        let [server, client] = &mut self.hosts;
        for (stream, number, _) in server.turn(now)? {
            if let Some(stream) = server.streams.get_mut(stream) {
                stream.say(number, self.bytes)?;
            }
        }
        server.turn(now)?;
        answers.extend(client.turn(now)?.into_iter().map(|(stream, number, _)| (stream, number)));
        self.carry();
        Ok(answers)
    }

    /// Puts on their way all packets that the hosts have sent.
    fn carry(&mut self) {
        for (place, host) in self.hosts.iter_mut().enumerate() {
            for packet in host.wire.leaving.drain(..) {
                if self.is_cut {
                    continue;
                }
                let link = Link { source: place, target: 1 - place };
                let verdict = self.paths.send(self.now, link, packet.len());
                self.lost += u64::from(is_lost(&verdict.hits));
                for arrival in verdict.arrivals {
                    self.sent += 1;
                    self.under_way.insert((arrival.at, self.sent), (link.target, packet.clone()));
                }
            }
        }
    }

    /// When something happens next.
    fn next(&mut self) -> Option<Mono> {
        let now = self.instant();
        let timers = self.hosts.iter_mut().filter_map(|host| host.interface.poll_at(now, &host.sockets));
        let timer = timers.min().map(|at| Mono(u64::try_from(at.total_micros()).unwrap_or_default()));
        let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
        // A timer that is due and changes nothing must not stop the clock.
        timer.into_iter().chain(arrival).min().map(|at| at.max(self.now.after(Duration::from_micros(1))))
    }

    fn ask(&mut self, stream: usize, number: usize) -> Result<(), String> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let stream = self.hosts[CLIENT].streams.get_mut(stream);
        stream.map_or(Ok(()), |stream| stream.say(number, QUESTION_BYTES))
    }

    /// From nothing to the first answer.
    fn one_call(&mut self) -> Result<Duration, String> {
        self.ask(0, 0)?;
        loop {
            if !self.settle()?.is_empty() {
                return Ok(self.now.since(Mono(0)));
            }
            self.now = self.next().ok_or("nothing happens, and there is no answer")?;
        }
    }

    /// Sets every connection up, by a call on it.
    fn connect(&mut self) -> Result<(), String> {
        let connections = self.hosts[CLIENT].streams.len();
        (0..connections).try_for_each(|stream| self.ask(stream, 0))?;
        let mut answers = 0;
        loop {
            answers += self.settle()?.len();
            if answers >= connections {
                return Ok(());
            }
            self.now = self.next().ok_or("nothing happens, and connections are not set up")?;
        }
    }

    fn call_all(
        &mut self,
        load: &ClientLoad,
        sharing: Sharing,
    ) -> Result<(Vec<Option<Duration>>, u64), String> {
        self.connect()?;
        self.paths.faults().loss_per_mille = load.loss_per_mille;
        let begun = self.now;
        let end = begun.after(load.begins(load.calls) + load.patience);
        let mut times = vec![None; load.calls];
        let (mut made, mut waiting) = (0, VecDeque::new());
        let mut free: Vec<usize> = (0..self.hosts[CLIENT].streams.len()).rev().collect();
        while times.iter().any(Option::is_none) && self.now < end {
            while made < load.calls && begun.after(load.begins(made)) <= self.now {
                waiting.push_back(made);
                made += 1;
            }
            self.is_cut = load.moves_after.is_some_and(|after| begun.after(after) <= self.now);
            while let Some(number) = waiting.front().copied() {
                let stream = match sharing {
                    Sharing::Together => 0,
                    Sharing::OneAtATime(_) => match free.pop() {
                        Some(stream) => stream,
                        None => break,
                    },
                };
                waiting.pop_front();
                self.ask(stream, number)?;
            }
            let answers = self.settle()?;
            for (stream, number) in &answers {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                if let Some(slot) = times.get_mut(number) {
                    *slot = Some(self.now.since(begun.after(load.begins(number))));
                }
                free.push(*stream);
            }
            if !answers.is_empty() && !waiting.is_empty() {
                continue;
            }
            let call = (made < load.calls).then(|| begun.after(load.begins(made)));
            let Some(next) = self.next().into_iter().chain(call).min() else { break };
            self.now = next.max(self.now);
        }
        Ok((times, self.lost))
    }
}
