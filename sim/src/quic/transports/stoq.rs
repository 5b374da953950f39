//! The calls over STOQ: one connection, and each call on a stream of its own, or all on one.

use super::super::clock::{MachineClocks, SimClock};
use super::super::entropy::SeededEntropy;
use super::super::host::CLIENT_ADDRESS;
use super::super::network::Network;
use super::super::path::Paths;
use super::super::record::SharedRecord;
use super::super::socket::SimNet;
use super::super::suite::SeededSuite;
use super::super::{Options, simulation};
use super::{CLIENT, Carried, ClientLoad, QUESTION_BYTES, SERVER, lose};
use crate::base::{NodeIndex, Participants, Span, Stream};
use crate::fault::FaultClass;
use crate::world::{Start, begins};
use ::stoq::{
    BoxFuture, Bytes, Call, CallOptions, CallStream, Client, ClientConfig, Endpoint, Env, Expect, Handler,
    Identity, MethodShape, MethodTraits, Peer, Server, ServerLimits, Status, TransportConfig,
};
use hypermesh_core::base::{SecretKey, UnixMillis};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

const SERVER_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 2, 1);
const PORT: u16 = 7400;
/// Long enough for any call here.
const DEADLINE: Duration = Duration::from_secs(60);
/// Time enough for what follows a handshake, the ticket among it, to arrive.
const SETTLES: Duration = Duration::from_secs(1);

const SERVICE: &str = "any";
/// Answers each call by itself.
const ALONE: &str = "thing";
/// Answers each message of one call, in turn.
const TOGETHER: &str = "things";

/// Answers with as many bytes as it is told to, in a first flight too.
struct Answers {
    bytes: usize,
}

impl Handler for Answers {
    fn call(&self, _call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(std::future::ready(Ok(vec![7; self.bytes].into())))
    }

    fn stream<'a>(&'a self, call: Call, stream: &'a mut CallStream<'_>) -> BoxFuture<'a, Result<(), Status>> {
        drop(call);
        Box::pin(async move {
            while stream.receive().await?.is_some() {
                stream.send(vec![7; self.bytes].into()).await?;
            }
            Ok(())
        })
    }

    fn traits(&self, _service: &str, method: &str) -> MethodTraits {
        let shape = if method == TOGETHER { MethodShape::Bidirectional } else { MethodShape::Unary };
        MethodTraits { early: shape == MethodShape::Unary, shape, ..MethodTraits::default() }
    }
}

/// What both hosts take from the world.
#[derive(Clone)]
struct TransportEnv {
    seed: u64,
    begins: UnixMillis,
    record: SharedRecord,
    network: Network,
}

impl TransportEnv {
    fn env(&self, place: NodeIndex) -> Env {
        let stream = |purpose| Stream { seed: self.seed, purpose, owner: place as u64, incarnation: 1 };
        let mut seed = [0; 32];
        SeededEntropy::new(stream("identity")).draw(&mut seed);
        let identity = Identity::new(SecretKey::from_seed(seed));
        let shipped = Env::real(identity.clone()).crypto;
        Env {
            net: Arc::new(SimNet { place, record: self.record.clone(), network: self.network.clone() }),
            entropy: Arc::new(SeededEntropy::new(stream("stoq"))),
            clock: Arc::new(SimClock::start(MachineClocks::new(self.begins, 0))),
            crypto: Arc::new(SeededSuite::new(shipped, SeededEntropy::new(stream("tls")))),
            identity,
        }
    }

    fn lost(&self) -> u64 {
        self.record.lock().coverage.count(FaultClass::Loss)
    }
}

/// Makes the calls over STOQ, each on a stream of its own.
///
/// # Errors
/// If the simulation ends before all is done.
pub fn over_stoq(seed: u64, load: ClientLoad) -> Result<Carried, String> {
    carry(seed, load, false)
}

/// Makes the calls over STOQ, all as messages of one call: on one ordered stream.
///
/// # Errors
/// If the simulation ends before all is done.
pub fn in_one_stream(seed: u64, load: ClientLoad) -> Result<Carried, String> {
    carry(seed, load, true)
}

fn carry(seed: u64, load: ClientLoad, together: bool) -> Result<Carried, String> {
    let us = u64::try_from(load.one_way.as_micros()).unwrap_or(u64::MAX);
    let places = [(SERVER_ADDRESS.into(), SERVER), (CLIENT_ADDRESS.into(), CLIENT)].into();
    let env = TransportEnv {
        seed,
        begins: begins(Start::Ready),
        record: SharedRecord::new(&Participants::new(4), false),
        network: Network::new(Paths::new(seed, Span::us(us, us)), places),
    };
    // The finest tick there is: what is measured is milliseconds.
    let options = Options { latency: Span::us(1000, 1000), ..Options::default() };
    let mut sim = simulation(seed, &options, env.begins);
    let serving = env.clone();
    sim.host(SERVER_ADDRESS, move || {
        let serving = serving.clone();
        async move {
            let listen = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, PORT, 0, 0);
            let endpoint = Endpoint::bind(serving.env(SERVER), listen, TransportConfig::default())?;
            let answers = Arc::new(Answers { bytes: load.bytes });
            let _server = Server::start(&endpoint, answers, ServerLimits::default());
            std::future::pending().await
        }
    });
    let carried = Arc::new(Mutex::new(None));
    let done = Arc::clone(&carried);
    sim.client(CLIENT_ADDRESS, async move {
        let outcome = call_all(&env, &load, together).await?;
        *done.lock().expect("nobody panics with it") = Some(outcome);
        Ok(())
    });
    sim.run().map_err(|fault| fault.to_string())?;
    let carried = carried.lock().expect("nobody panics with it").take();
    carried.ok_or_else(|| "the client ended before all was done".into())
}

async fn call_all(
    world: &TransportEnv,
    load: &ClientLoad,
    together: bool,
) -> Result<Carried, Box<dyn std::error::Error>> {
    let (server, client) = (world.env(SERVER).identity, world.env(CLIENT));
    let anywhere = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
    let endpoint = Endpoint::bind(client, anywhere, TransportConfig::default())?;
    let client = Client::new(&endpoint, ClientConfig::default());
    let addr = SocketAddrV6::new(SERVER_ADDRESS, PORT, 0, 0);
    let peer = Peer { addr, expect: Expect::Key(server.key()) };
    let call = {
        let (client, peer) = (client.clone(), peer.clone());
        move || {
            let (client, peer) = (client.clone(), peer.clone());
            async move {
                let begun = Instant::now();
                let options = CallOptions::read(DEADLINE);
                let answer = client.call(&peer, SERVICE, ALONE, vec![0; QUESTION_BYTES], options).await;
                answer.map(|_| begun.elapsed())
            }
        }
    };
    let first = call().await?;
    sleep(SETTLES).await;
    client.disconnect(&peer);
    let again = call().await?;
    sleep(SETTLES).await;

    lose(&world.network, load.loss_per_mille);
    let begun = Instant::now();
    if let Some(after) = load.moves_after {
        let network = world.network.clone();
        drop(tokio::spawn(async move {
            sleep_until(begun + after).await;
            network.lock().relocate(CLIENT, true);
        }));
    }
    if together {
        let times = converse(&client, &peer, load, begun).await?;
        return Ok(Carried { first, again, times, lost: world.lost() });
    }
    let mut under_way = JoinSet::new();
    for number in 0..load.calls {
        let (call, at) = (call.clone(), begun + load.begins(number));
        under_way.spawn(async move {
            sleep_until(at).await;
            (number, call().await.ok())
        });
    }
    let mut times = vec![None; load.calls];
    let end = begun + load.begins(load.calls) + load.patience;
    while let Ok(Some(Ok((number, time)))) = tokio::time::timeout_at(end, under_way.join_next()).await {
        if let Some(slot) = times.get_mut(number) {
            *slot = time;
        }
    }
    Ok(Carried { first, again, times, lost: world.lost() })
}

/// Makes the calls as messages of one call: the answers come in their order.
async fn converse(
    client: &Client,
    peer: &Peer,
    load: &ClientLoad,
    begun: Instant,
) -> Result<Vec<Option<Duration>>, Box<dyn std::error::Error>> {
    let question = || vec![0; QUESTION_BYTES];
    let options = CallOptions::once(load.begins(load.calls) + load.patience);
    let mut stream = client.converse(peer, SERVICE, TOGETHER, question(), options).await?;
    let mut times = Vec::new();
    let mut asked = 0;
    while times.len() < load.calls {
        let due = begun + load.begins(asked);
        tokio::select! {
            biased;
            () = sleep_until(due), if asked < load.calls => {
                stream.send(question()).await?;
                asked += 1;
            }
            answer = stream.next() => match answer {
                Ok(Some(_)) => times.push(Some((begun + load.begins(times.len())).elapsed())),
                _ => break,
            },
        }
    }
    times.resize(load.calls, None);
    Ok(times)
}
