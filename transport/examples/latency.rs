//! What a call costs on loopback: `cargo run --release -p stoq --example latency`.
//!
//! Client and server each have a runtime of one thread, as two processes would; with `-- together` they share
//! one, which leaves out what it costs to wake another thread.

use hypermesh_base::SecretKey;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stoq::{
    BoxFuture, Bytes, Call, CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Handler, Identity,
    Peer, Server, ServerLimits, Status, TransportConfig,
};

struct Echo;

impl Handler for Echo {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(std::future::ready(Ok(call.body)))
    }
}

fn endpoint(seed: u8) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let env = Env::real(Identity::new(SecretKey::from_seed([seed; 32])));
    let anywhere = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0);
    Ok(Endpoint::bind(env, anywhere, TransportConfig::default())?)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|argument| argument == "together") {
        return runtime()?.block_on(async {
            let (_server, peer) = serve()?;
            measure(peer).await
        });
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().expect("a runtime starts").block_on(async {
            let (_server, peer) = serve().expect("loopback can be bound");
            sender.send(peer).expect("the client waits");
            std::future::pending::<()>().await;
        });
    });
    let peer = receiver.recv()?;
    runtime()?.block_on(measure(peer))
}

fn serve() -> Result<(Server, Peer), Box<dyn std::error::Error>> {
    let endpoint = endpoint(1)?;
    let limits = ServerLimits { connections_per_key_max: 4096, ..ServerLimits::default() };
    let peer = Peer { addr: endpoint.local_addr()?, expect: Expect::Key(endpoint.key()) };
    Ok((Server::start(&endpoint, Arc::new(Echo), limits), peer))
}

async fn measure(peer: Peer) -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = endpoint(2)?;
    let client = Client::new(&endpoint, ClientConfig::default());
    let options = CallOptions::repeatable(Duration::from_secs(10));
    println!("{}", serde_json::to_string(&client.ping(&peer, Duration::from_secs(1)).await?)?);

    for bytes in [64, 16 << 10, 1 << 20] {
        let calls = if bytes > 1 << 16 { 200 } else { 20_000 };
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            client.call(&peer, "dns", "echo", vec![7; bytes], options.clone()).await?;
            times.push(start.elapsed());
        }
        println!("{bytes} B, one at a time: {}", summary(times));
    }

    let (start, calls) = (Instant::now(), 3000);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (client, peer, options) = (client.clone(), peer.clone(), options.clone());
            tokio::spawn(async move {
                for _ in 0..calls {
                    client.call(&peer, "dns", "echo", vec![7; 64], options.clone()).await?;
                }
                Ok::<_, stoq::CallError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    println!("64 B, 64 at a time: {:.0} calls/s", 64.0 * f64::from(calls) / start.elapsed().as_secs_f64());

    let mut times = Vec::new();
    for _ in 0..1000 {
        let client = Client::new(&endpoint, ClientConfig::default());
        let start = Instant::now();
        client.call(&peer, "dns", "echo", vec![7; 64], options.clone()).await?;
        times.push(start.elapsed());
    }
    println!("connect and call: {}", summary(times));
    Ok(())
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
