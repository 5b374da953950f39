//! Whole transport tests on real UDP on `[::1]`: nothing here waits for a time to pass, only for something to
//! happen (or for a small configured limit to run out).

mod calls;
mod connections;
mod determinism;
mod early;
mod fair_share;
mod flood;
mod hostile;
mod links;
mod memory_net;
mod migration;
mod once;
mod onward;
mod overload;
mod restart;
mod streams;
mod twins;

use crate::*;
use hypermesh_base::{PublicKey, SecretKey, decode};
use std::collections::BTreeSet;
use std::net::SocketAddrV6;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Longer than anything takes; a test that runs into it has failed.
const LONG: Duration = Duration::from_secs(20);

fn env(seed: u8) -> Env {
    Env::real(Identity::new(SecretKey::from_seed([seed; 32])))
}

fn key(seed: u8) -> PublicKey {
    SecretKey::from_seed([seed; 32]).public()
}

fn localhost(port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, port, 0, 0)
}

fn endpoint(seed: u8) -> Endpoint {
    Endpoint::bind(env(seed), localhost(0), TransportConfig::default()).unwrap()
}

fn client(seed: u8) -> Client {
    Client::new(&endpoint(seed), ClientConfig::default())
}

fn peer_of(endpoint: &Endpoint) -> Peer {
    Peer { addr: endpoint.local_addr().unwrap(), expect: Expect::Key(endpoint.key()) }
}

/// A node that tells the test what happens to it.
struct Node {
    events: mpsc::UnboundedSender<Event>,
    validators: Mutex<BTreeSet<PublicKey>>,
    /// A call of `wait` ends when there is a permit to be had.
    gate: Semaphore,
    /// How often `draw` was called.
    drawn: AtomicU64,
}

#[derive(Debug, PartialEq)]
enum Event {
    Called(Call),
    /// A message of a streaming call was taken by QUIC.
    Sent,
    /// The future of a call was dropped before it was done.
    Dropped,
    Message(PublicKey, LinkClass, Bytes),
    Rival(PublicKey),
}

type Events = mpsc::UnboundedReceiver<Event>;

fn node() -> (Arc<Node>, Events) {
    let (events, received) = mpsc::unbounded_channel();
    (
        Arc::new(Node {
            events,
            validators: Mutex::default(),
            gate: Semaphore::new(0),
            drawn: AtomicU64::new(0),
        }),
        received,
    )
}

/// A server with the key of seed 1 and these limits.
fn serve(limits: ServerLimits) -> (Endpoint, Server, Arc<Node>, Events) {
    let endpoint = endpoint(1);
    let (node, events) = node();
    let server = Server::start(&endpoint, node.clone(), limits);
    (endpoint, server, node, events)
}

struct DropEvent<'a>(Option<&'a Node>);

impl Drop for DropEvent<'_> {
    fn drop(&mut self) {
        if let Some(node) = self.0 {
            let _gone = node.events.send(Event::Dropped);
        }
    }
}

impl Handler for Node {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            let _gone = self.events.send(Event::Called(call.clone()));
            match call.method.as_str() {
                "echo" => Ok(call.body),
                "grow" => Ok(vec![7; usize::from_le_bytes(call.body[..].try_into().unwrap())].into()),
                "wait" => {
                    let mut dropped = DropEvent(Some(self));
                    let permit = self.gate.acquire().await;
                    permit.unwrap().forget();
                    dropped.0 = None;
                    Ok(Bytes::new())
                }
                "draw" => Ok(self.drawn.fetch_add(1, Relaxed).to_be_bytes().to_vec().into()),
                "unavailable" => match self.gate.try_acquire() {
                    Ok(permit) => {
                        permit.forget();
                        Err(Status::new(StatusCode::Unavailable, "not now"))
                    }
                    Err(_) => Ok(call.body),
                },
                "refuse" => Err(Status::new(StatusCode::NotFound, "no such thing").with_detail(vec![1, 2])),
                _ => Err(Status::unimplemented(&call.service, &call.method)),
            }
        })
    }

    /// `count` sends as many messages as its request says of as many bytes, and tells after each; `talk` sends back what
    /// it gets; `hold` sends one and then waits; `break` sends one and fails.
    fn stream<'a>(&'a self, call: Call, stream: &'a mut CallStream<'_>) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(async move {
            let _gone = self.events.send(Event::Called(call.clone()));
            let mut dropped = DropEvent(Some(self));
            match call.method.as_str() {
                "count" => {
                    let (count, bytes): (u32, u32) = decode(&call.body, 8).unwrap();
                    for _ in 0..count {
                        stream.send(vec![7; bytes as usize].into()).await?;
                        let _gone = self.events.send(Event::Sent);
                    }
                }
                "talk" => {
                    stream.send(call.body).await?;
                    while let Some(message) = stream.receive().await? {
                        stream.send(message).await?;
                    }
                }
                "hold" => {
                    drop(call.slot);
                    stream.send(call.body).await?;
                    let permit = self.gate.acquire().await;
                    permit.unwrap().forget();
                }
                _ => {
                    stream.send(call.body).await?;
                    return Err(Status::new(StatusCode::Aborted, "in the middle"));
                }
            }
            dropped.0 = None;
            Ok(())
        })
    }

    fn traits(&self, _service: &str, method: &str) -> MethodTraits {
        let shape = match method {
            "count" | "hold" | "break" => MethodShape::ServerStreaming,
            "talk" => MethodShape::Bidirectional,
            _ => MethodShape::Unary,
        };
        let writes = matches!(method, "draw" | "wait" | "unavailable" | "refuse");
        MethodTraits { shape, early: method == "echo", writes }
    }

    fn role(&self, key: &PublicKey) -> PeerRole {
        let validators = self.validators.lock().unwrap();
        if validators.contains(key) { PeerRole::Validator } else { PeerRole::Client }
    }

    fn rival(&self, key: PublicKey) -> BoxFuture<'_, ()> {
        let _gone = self.events.send(Event::Rival(key));
        Box::pin(std::future::ready(()))
    }

    fn message(&self, from: PublicKey, class: LinkClass, bytes: Bytes) -> BoxFuture<'_, ()> {
        let _gone = self.events.send(Event::Message(from, class, bytes));
        Box::pin(std::future::ready(()))
    }
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(LONG, events.recv()).await.expect("something happens").expect("the node is there")
}

async fn next_call(events: &mut Events) -> Call {
    match next(events).await {
        Event::Called(call) => call,
        event => panic!("{event:?} where a call was expected"),
    }
}

/// The code and the reason with which the other end closed a connection.
async fn closed(connection: &quinn::Connection) -> (u64, String) {
    match tokio::time::timeout(LONG, connection.closed()).await.expect("the connection is closed") {
        quinn::ConnectionError::ApplicationClosed(close) => {
            (close.error_code.into_inner(), String::from_utf8_lossy(&close.reason).into_owned())
        }
        error => panic!("closed otherwise: {error}"),
    }
}

fn status(error: CallError) -> Status {
    match error {
        CallError::Refused { status } => status,
        error => panic!("{error} where a status was expected"),
    }
}
