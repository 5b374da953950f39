//! What a flood costs those who are not part of it: `cargo run --release -p stoq --example flood`.
//!
//! One client asks, one call at a time, of a server that is otherwise idle; then the same while another key asks
//! as fast as the server lets it, over several connections, with a thousand calls under way. Server, client and
//! flood each have threads of their own, as three processes would.

use hypermesh_base::SecretKey;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use stoq::{
    BoxFuture, Bytes, Call, CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Handler, Identity,
    Peer, Server, ServerLimits, Status, TransportConfig,
};

/// Answers what it is asked, after as much work as a read of the state takes.
struct Reads;

impl Handler for Reads {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            let digest = (0..200).fold([0; 32], |last, _| *blake3::hash(&last).as_bytes());
            Ok(Bytes::from(digest.to_vec()).slice(..call.body.len().min(32)))
        })
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn endpoint(seed: u8) -> Outcome<Endpoint> {
    let env = Env::real(Identity::new(SecretKey::from_seed([seed; 32])));
    let anywhere = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
    Ok(Endpoint::bind(env, anywhere, TransportConfig::default())?)
}

fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

fn main() -> Outcome<()> {
    let (serving, flooding, asking) = (runtime(2)?, runtime(1)?, runtime(1)?);
    let (_server, peer) = serving.block_on(async {
        let endpoint = endpoint(1)?;
        let peer = Peer { addr: endpoint.local_addr()?, expect: Expect::Key(endpoint.key()) };
        let limits = ServerLimits { connections_per_key_max: 512, ..ServerLimits::default() };
        Ok::<_, Box<dyn std::error::Error>>((Server::start(&endpoint, Arc::new(Reads), limits), peer))
    })?;
    asking.block_on(measure(&peer, "warming up"))?;
    let calm = asking.block_on(measure(&peer, "calm"))?;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    for connection in 0..CONNECTIONS {
        let client =
            flooding.block_on(async { endpoint(2).map(|it| Client::new(&it, ClientConfig::default())) })?;
        for _ in 0..CALLS / CONNECTIONS {
            let (client, peer, stop, answered) =
                (client.clone(), peer.clone(), stop.clone(), answered.clone());
            flooding.spawn(async move {
                while !stop.load(Relaxed) {
                    let options = CallOptions::once(Duration::from_secs(10));
                    let done = client.call(&peer, "dns", "echo", vec![7; 32], options).await.is_ok();
                    answered.fetch_add(u64::from(done), Relaxed);
                }
            });
        }
        println!(
            "flood: connection {} of {CONNECTIONS}, {} calls under way",
            connection + 1,
            CALLS / CONNECTIONS
        );
    }
    let (before, start) = (answered.load(Relaxed), Instant::now());
    let flooded = asking.block_on(measure(&peer, "flooded"))?;
    let rate = (answered.load(Relaxed) - before) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Relaxed);
    println!("the flood was answered {rate:.0} times a second");
    println!("p99 flooded / calm: {:.2}", flooded.as_secs_f64() / calm.as_secs_f64());
    Ok(())
}

/// Asks one call at a time, and says the 99th percentile.
async fn measure(peer: &Peer, name: &str) -> Outcome<Duration> {
    let client = Client::new(&endpoint(3)?, ClientConfig::default());
    let mut times = Vec::with_capacity(ASKED);
    for _ in 0..ASKED {
        let start = Instant::now();
        client
            .call(peer, "dns", "echo", vec![7; 32], CallOptions::repeatable(Duration::from_secs(10)))
            .await?;
        times.push(start.elapsed());
        // A client that asks now and then, not a second flood.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    println!("{name}: p50 {:?}, p99 {:?}", at(50), at(99));
    Ok(at(99))
}

/// Calls that are measured.
const ASKED: usize = 1000;
/// Calls of the flood that are under way at once.
const CALLS: usize = 1000;
/// Connections of the flood.
const CONNECTIONS: usize = 8;
