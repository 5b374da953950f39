//! The same seed gives the same datagrams, to the byte: nothing ambient gets past the environment.

use super::memory_net::{Host, MemoryNet, Sent};
use super::*;
use crate::env::{Clock, CryptoSuite, SharedEntropy};
use hypermesh_base::{Digest, Domain, Mono, Now, UnixMillis};
use quinn::crypto::{HandshakeTokenKey, HmacKey};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::{NamedGroup, PeerMisbehaved};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Random bytes that follow from a seed.
#[derive(Clone, Debug)]
struct Seeded(Arc<Mutex<(Digest, u64)>>);

impl Seeded {
    fn new(seed: u64, purpose: &str) -> Self {
        let seed =
            Domain::new("hypermesh v1 stoq test entropy").hash(&[&seed.to_le_bytes(), purpose.as_bytes()]);
        Self(Arc::new(Mutex::new((seed, 0))))
    }
}

impl SharedEntropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in buffer.chunks_mut(32) {
            state.1 += 1;
            let drawn =
                Domain::new("hypermesh v1 stoq test draw").hash(&[&state.0.0, &state.1.to_le_bytes()]);
            chunk.copy_from_slice(&drawn.0[..chunk.len()]);
        }
    }
}

impl SecureRandom for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        SharedEntropy::fill(self, buffer);
        Ok(())
    }
}

struct Exchange {
    secret: x25519_dalek::StaticSecret,
    public: [u8; 32],
}

impl SupportedKxGroup for Seeded {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mut secret = [0; 32];
        SharedEntropy::fill(self, &mut secret);
        let secret = x25519_dalek::StaticSecret::from(secret);
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let secret = self.secret.diffie_hellman(&peer.into());
        Ok(SharedSecret::from(&secret.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The real suite, with its randomness from a seed.
struct SeededSuite {
    real: Arc<dyn CryptoSuite>,
    entropy: Seeded,
}

impl CryptoSuite for SeededSuite {
    fn provider(&self) -> Arc<CryptoProvider> {
        // rustls takes these for as long as the process runs.
        let random: &'static Seeded = Box::leak(Box::new(self.entropy.clone()));
        let real = CryptoProvider::clone(&self.real.provider());
        Arc::new(CryptoProvider { kx_groups: vec![random], secure_random: random, ..real })
    }

    fn initial_suite(&self) -> rustls::quic::Suite {
        self.real.initial_suite()
    }

    fn reset_key(&self, secret: &Digest) -> Arc<dyn HmacKey> {
        self.real.reset_key(secret)
    }

    fn token_key(&self, secret: &Digest) -> Arc<dyn HandshakeTokenKey> {
        self.real.token_key(secret)
    }
}

struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Now {
        let elapsed = self.0.elapsed();
        let wall = UnixMillis(1_700_000_000_000).plus(elapsed.as_millis() as u64);
        Now { mono: Mono(elapsed.as_micros() as u64), wall }
    }
}

/// The node with the key of `node`, at a port of its own.
pub(super) fn seeded(net: &Arc<MemoryNet>, seed: u64, node: u8) -> Endpoint {
    seeded_at(net, seed, node, localhost(node.into()))
}

/// The node with the key of `node`, at this address.
pub(super) fn seeded_at(net: &Arc<MemoryNet>, seed: u64, node: u8, address: SocketAddrV6) -> Endpoint {
    let entropy = Seeded::new(seed, &format!("node {node}"));
    let identity = Identity::new(SecretKey::from_seed([node; 32]));
    let crypto = SeededSuite { real: Env::real(identity.clone()).crypto, entropy: entropy.clone() };
    let env = Env {
        net: Arc::new(Host(net.clone())),
        entropy: Arc::new(entropy),
        clock: Arc::new(PausedClock(Instant::now())),
        crypto: Arc::new(crypto),
        identity,
    };
    Endpoint::bind(env, address, TransportConfig::default()).unwrap()
}

/// Calls, a deadline that passes, retries, a link whose peer goes and comes back: every datagram of it.
fn run(seed: u64) -> Vec<Sent> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let net = MemoryNet::new(Duration::from_millis(5));
        let (server, (node, mut events)) = (seeded(&net, seed, 1), node());
        node.validators.lock().unwrap().insert(key(2));
        let _running = Server::start(&server, node.clone(), ServerLimits::default());
        let (two, three) = (seeded(&net, seed, 2), seeded(&net, seed, 3));
        let peers = BTreeMap::from([(key(1), localhost(1))]);
        let links = Links::start(&two, peers, LinkConfig::default(), Arc::new(|_, _| {}));
        let clients = [&two, &three].map(|from| Client::new(from, ClientConfig::default()));
        let peer = Peer { addr: localhost(1), expect: Expect::Key(key(1)) };

        node.gate.add_permits(2);
        let calls = clients.clone().map(|client| {
            let peer = peer.clone();
            tokio::spawn(async move {
                let again = CallOptions::repeatable(LONG);
                for method in ["echo", "unavailable", "echo"] {
                    client.call(&peer, "dns", method, vec![7; 5000], again.clone()).await.unwrap();
                }
                let short = CallOptions::once(Duration::from_millis(40));
                client.call(&peer, "dns", "wait", vec![], short).await.unwrap_err();
            })
        });
        links.send(&key(1), LinkClass::Bulk, vec![8; 20_000]).unwrap();
        for call in calls {
            call.await.unwrap();
        }
        server.close().await;
        links.send(&key(1), LinkClass::Consensus, vec![9; 100]).unwrap();
        let server = seeded(&net, seed + 1000, 1);
        let _running = Server::start(&server, node.clone(), ServerLimits::default());
        while next(&mut events).await != Event::Message(key(2), LinkClass::Consensus, vec![9; 100].into()) {}
        clients[1].call(&peer, "dns", "echo", vec![], CallOptions::repeatable(LONG)).await.unwrap();
        net.sent()
    })
}

#[test]
fn the_same_seed_gives_the_same_datagrams_and_another_seed_others() {
    let (first, again, other) = (run(1), run(1), run(2));
    assert!(first.len() > 100, "only {} datagrams", first.len());
    let difference = first.iter().zip(&again).position(|(one, two)| one != two);
    assert_eq!((first.len(), difference), (again.len(), None));
    assert_ne!(first, other);
}

#[test]
fn runs_on_several_threads_at_once_do_not_touch_each_other() {
    let runs: Vec<_> = (0..3).map(|_| std::thread::spawn(|| run(7))).collect();
    let runs: Vec<_> = runs.into_iter().map(|run| run.join().unwrap()).collect();
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
}
