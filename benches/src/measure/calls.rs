//! Calls of 600 bytes each way: STOQ, gRPC, tarpc and HTTP/1.1, each with a server process of its own that echoes.

use super::Measured;
use super::child::{Running, Tools, listens, local};
use super::session::{DEADLINE, client, repeat};
use hypermesh_benches::{Figure, Run};
use hypermesh_core::base::SecretKey;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use stoq::{
    BoxFuture, Bytes, Call, CallOptions, Client, Endpoint, Env, Expect, Handler, Identity, Peer, Server,
    ServerLimits, Status, TransportConfig,
};
use tokio::io::AsyncReadExt as _;

const BYTES: usize = 600;
const AT_ONCE: usize = 64;
/// Seeds of keys that guard nothing: server and caller of an echo.
const SERVER: [u8; 32] = [41; 32];
const CALLER: [u8; 32] = [42; 32];

struct Echo;

impl Handler for Echo {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(std::future::ready(Ok(call.body)))
    }
}

/// Echoes over STOQ until standard input ends.
pub(crate) fn serve(port: u16) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let env = Env::real(Identity::new(SecretKey::from_seed(SERVER)));
        let listen = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
        let endpoint = Endpoint::bind(env, listen, TransportConfig::default());
        let endpoint = endpoint.map_err(|error| error.to_string())?;
        let _server = Server::start(&endpoint, Arc::new(Echo), ServerLimits::default());
        let mut rest = Vec::new();
        tokio::io::stdin().read_to_end(&mut rest).await.map(drop).map_err(|error| error.to_string())
    })
}

async fn echo(client: &Client, peer: &Peer) -> Result<(), String> {
    let options = CallOptions::once(DEADLINE);
    let answer = client.call(peer, "peers", "echo", vec![7; BYTES], options).await;
    answer.map(drop).map_err(|error| error.to_string())
}

async fn stoq_at_once(client: &Client, peer: &Peer, count: usize) -> Result<Run, String> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (client, peer) = (client.clone(), peer.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..count.div_ceil(AT_ONCE) {
                    let start = Instant::now();
                    echo(&client, &peer).await?;
                    times.push(start.elapsed());
                }
                Ok::<_, String>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.map_err(|error| error.to_string())??);
    }
    Ok(Run::new(times, begun.elapsed()))
}

pub(super) async fn figures(tools: &Tools, scale: usize, runs: usize) -> Result<Measured, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let port = tools.port(0);
    let log = |name: &str| tools.folder.path().join(format!("{name}.log"));
    let mut command = Command::new(program);
    let stoq = Running::start(command.args(["serve-echo", "--port", &port.to_string()]), &log("stoq"))?;
    let client = client(&SecretKey::from_seed(CALLER))?;
    let addr = SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
    let peer = Peer { addr, expect: Expect::Key(SecretKey::from_seed(SERVER).public()) };
    echo(&client, &peer).await?;

    let mut absent = Vec::new();
    let peers =
        [("grpc", "gRPC (tonic, TLS)"), ("tarpc", "tarpc (TCP, no TLS)"), ("http", "HTTP/1.1 (hyper, TLS)")];
    let mut servers = Vec::new();
    match tools.peers() {
        Ok(program) => {
            for (number, (transport, words)) in (1..).zip(peers) {
                let port = tools.port(number);
                let mut command = Command::new(program);
                command.args(["serve", transport, "--port", &port.to_string(), "--folder"]);
                let running = Running::start(command.arg(tools.folder(transport)?), &log(transport))?;
                listens(local(port)).await?;
                servers.push((running, transport, words, port));
            }
        }
        Err(reason) => absent.push(format!("gRPC, tarpc, HTTP/1.1: {reason}")),
    }
    let (few, many) = (500 * scale, 5000 * scale);
    let mut ours = (Vec::new(), Vec::new());
    let mut theirs: Vec<(Vec<Run>, Vec<Run>)> = servers.iter().map(|_| Default::default()).collect();
    // In turns, so that what else the machine does falls on all alike.
    for _ in 0..runs {
        ours.0.push(repeat(few, || echo(&client, &peer)).await?);
        ours.1.push(stoq_at_once(&client, &peer, many).await?);
        for ((_, transport, _, port), (one, at_once)) in servers.iter().zip(&mut theirs) {
            one.push(tools.call(transport, *port, few, 1).await?);
            at_once.push(tools.call(transport, *port, many, AT_ONCE).await?);
        }
    }
    drop(stoq);
    let mut alone = Figure::of("STOQ, 600 bytes echoed, one at a time", &ours.0);
    let mut together = Figure::of("STOQ, 600 bytes echoed, 64 at once", &ours.1);
    let mut others = Vec::new();
    for ((_, _, words, _), (one, at_once)) in servers.iter().zip(&theirs) {
        let one = Figure::of(format!("{words}, one at a time"), one);
        let at_once = Figure::of(format!("{words}, 64 at once"), at_once);
        alone = alone.times_over(&one, None);
        together = together.rate_over(&at_once, None);
        others.extend([one, at_once]);
    }
    let figures = [alone, together].into_iter().chain(others).collect();
    Ok(Measured { figures, levels: Vec::new(), absent })
}
