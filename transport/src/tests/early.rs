//! First flights: what goes out with them, what does not, and what becomes of one that is sent again.

use super::determinism::seeded;
use super::memory_net::MemoryNet;
use super::*;
use crate::endpoint::{ProcessId, ipv6};
use crate::frame::{FrameKind, put_prefix, put_value};
use crate::link::LinkHeader;
use bytes::BytesMut;
use quinn::ConnectionError;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

/// Asks `echo`, in a first flight if that can be.
async fn echo(client: &Client, peer: &Peer) {
    let answer = client.call(peer, "dns", "echo", vec![7], CallOptions::read(LONG)).await;
    assert_eq!(answer.unwrap(), vec![7]);
}

/// Waits until the client could resume a session with this peer: the ticket comes after the handshake.
async fn may_resume(client: &Client, peer: &Peer) {
    let resumable = async {
        while !client.may_resume(peer) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, resumable).await.expect("the server gives a ticket");
}

async fn no_connection(server: &Server) {
    let gone = async {
        while server.metrics().connections_open > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.expect("the server notices that a connection is over");
}

/// Binds the address that an endpoint had which is about to be gone.
async fn bound_again(seed: u8, addr: SocketAddrV6) -> Endpoint {
    let binding = async {
        loop {
            match Endpoint::bind(env(seed), addr, TransportConfig::default()) {
                Ok(endpoint) => return endpoint,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(LONG, binding).await.expect("a closed endpoint lets go of its address")
}

#[test]
fn setting_up_takes_one_round_trip_at_first_and_none_again() {
    const WAY: Duration = Duration::from_millis(5);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let net = MemoryNet::new(WAY);
        let (server, (node, _events)) = (seeded(&net, 1, 1), node());
        let _running = Server::start(&server, node, ServerLimits::default());
        let client = Client::new(&seeded(&net, 1, 2), ClientConfig::default());
        let peer = Peer { addr: localhost(1), expect: Expect::Key(key(1)) };
        let round_trips = async |method: &str, options: CallOptions| {
            let begin = Instant::now();
            client.call(&peer, "dns", method, 1_usize.to_le_bytes().to_vec(), options).await.unwrap();
            begin.elapsed().as_micros() / (2 * WAY).as_micros()
        };
        assert_eq!(round_trips("echo", CallOptions::read(LONG)).await, 2, "one to set up, one to ask");
        assert_eq!(round_trips("echo", CallOptions::read(LONG)).await, 1, "on a connection that stands");
        client.disconnect(&peer);
        assert_eq!(round_trips("echo", CallOptions::read(LONG)).await, 1, "none to set up, one to ask");
        client.disconnect(&peer);
        assert_eq!(round_trips("grow", CallOptions::repeatable(LONG)).await, 2, "what is no read waits");
        let metrics = client.metrics();
        assert_eq!((metrics.dials, metrics.early_accepted, metrics.early_refused), (3, 1, 0));
    });
}

#[tokio::test]
async fn a_ping_says_what_became_of_the_first_flight() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    let first = client.ping(&peer, LONG).await.unwrap();
    assert_eq!(first.early_data, EarlyData::None);
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    let again = client.ping(&peer, LONG).await.unwrap();
    assert_eq!((again.early_data, again.key), (EarlyData::Accepted, key(1)));
    assert!(serde_json::to_string(&again).unwrap().contains("\"early_data\":\"accepted\""));
}

#[tokio::test]
async fn who_calls_and_who_answers_is_known_in_a_first_flight_too() {
    let (endpoint, server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    echo(&client, &peer).await;
    assert!(!next_call(&mut events).await.early);
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    no_connection(&server).await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (client, peer) = (client.clone(), peer.clone());
            tokio::spawn(async move { echo(&client, &peer).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let mut early = 0;
    for _ in 0..8 {
        let call = next_call(&mut events).await;
        assert_eq!(call.caller, key(2));
        early += usize::from(call.early);
    }
    assert!(early > 0, "at least the first was there before the handshake was over");
    let metrics = client.metrics();
    assert_eq!((metrics.dials, metrics.early_accepted), (2, 1), "all share one connection");
}

#[tokio::test]
async fn what_may_not_come_so_early_is_refused_with_a_reason_and_asked_again_by_itself() {
    let (endpoint, server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    echo(&client, &peer).await;
    next_call(&mut events).await;
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    // A caller who takes it for a read.
    let body = 3_usize.to_le_bytes().to_vec();
    let answer = client.call(&peer, "dns", "grow", body, CallOptions::read(LONG)).await;
    assert_eq!(answer.unwrap().len(), 3);
    let call = next_call(&mut events).await;
    assert_eq!((call.method.as_str(), call.early), ("grow", false));
    assert!(events.try_recv().is_err(), "it was done once");
    assert_eq!(server.metrics().calls[&StatusCode::Unavailable], 1);
    assert_eq!((client.metrics().dials, client.metrics().retries), (2, 0));
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_without_them_a_call_takes_a_round_trip_more_and_no_harm() {
    let (first, running, _node, _events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&first));
    echo(&client, &peer).await;
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    no_connection(&running).await;
    let again = async || {
        let endpoint = bound_again(1, peer.addr).await;
        let (node, events) = node();
        let server = Server::start(&endpoint, node, ServerLimits::default());
        (endpoint, server, events)
    };
    first.close().await;
    let sealed = first.sealed_sessions();
    drop((first, running));
    let (second, running, mut events) = again().await;
    second.restore_sessions(&sealed).unwrap();
    echo(&client, &peer).await;
    assert!(next_call(&mut events).await.early);
    assert_eq!((client.metrics().early_accepted, client.metrics().early_refused), (1, 0));
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    no_connection(&running).await;
    // This time nothing is kept.
    second.close().await;
    drop((second, running));
    let (_third, _running, mut events) = again().await;
    echo(&client, &peer).await;
    assert!(!next_call(&mut events).await.early);
    assert!(events.try_recv().is_err(), "it was done once");
    assert_eq!((client.metrics().early_accepted, client.metrics().early_refused), (1, 1));
}

#[tokio::test]
async fn who_answers_is_known_where_a_session_was_offered_to_another() {
    let (first, running, ..) = serve(ServerLimits::default());
    let either = Expect::AnyOf(Arc::new(BTreeSet::from([key(1), key(9)])));
    let peer = Peer { addr: first.local_addr().unwrap(), expect: either };
    let client = client(2);
    echo(&client, &peer).await;
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    no_connection(&running).await;
    first.close().await;
    drop((first, running));
    let another = bound_again(9, peer.addr).await;
    let _running = Server::start(&another, node().0, ServerLimits::default());
    let ping = client.ping(&peer, LONG).await.unwrap();
    assert_eq!((ping.key, ping.early_data), (key(9), EarlyData::Refused));
}

#[tokio::test]
async fn a_link_does_not_come_in_a_first_flight() {
    let (server, _running, node, mut events) = serve(ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    let (client, peer) = (endpoint(2), peer_of(&server));
    let resumption = client.resumption(&peer);
    let connection = client.dial_again(&peer, &resumption).await.unwrap();
    while resumption.tickets.is_empty() {
        tokio::task::yield_now().await;
    }
    drop(connection);
    let early = client.dial_early(&peer, &resumption).unwrap();
    let mut send = early.quinn.open_uni().await.unwrap();
    let mut link = BytesMut::new();
    put_value(
        &mut link,
        FrameKind::Link,
        &LinkHeader { class: LinkClass::Bulk, process: ProcessId([1; 16]) },
    );
    put_prefix(&mut link, FrameKind::Message, 0);
    send.write_all(&link).await.unwrap();
    let error = timeout(LONG, early.quinn.closed()).await.expect("the connection is closed");
    // Before the handshake is over, QUIC does not tell the application's code (RFC 9000 §10.2.3).
    assert!(
        matches!(error, ConnectionError::ApplicationClosed(_) | ConnectionError::ConnectionClosed(_)),
        "{error}"
    );
    assert!(events.try_recv().is_err());
}

/// Someone on the way between a client and a server, who hands datagrams on, keeps those that the client sends, and may
/// hand none on.
struct Tap {
    addr: SocketAddrV6,
    kept: Arc<Mutex<Vec<Vec<u8>>>>,
    hands_on: Arc<Mutex<bool>>,
    task: tokio::task::JoinHandle<()>,
}

impl Tap {
    async fn before(server: SocketAddrV6) -> Self {
        let (near, far) = (socket().await, socket().await);
        let addr = ipv6(near.local_addr().unwrap());
        let (kept, hands_on) = (Arc::<Mutex<Vec<Vec<u8>>>>::default(), Arc::new(Mutex::new(true)));
        let (keep, handing_on) = (kept.clone(), hands_on.clone());
        let task = tokio::spawn(async move {
            let (mut there, mut back) = ([0; 2048], [0; 2048]);
            let mut client = None;
            loop {
                tokio::select! {
                    biased;
                    Ok((bytes, from)) = near.recv_from(&mut there) => {
                        client = Some(from);
                        keep.lock().unwrap().push(there[..bytes].to_vec());
                        if *handing_on.lock().unwrap() {
                            far.send_to(&there[..bytes], server).await.unwrap();
                        }
                    }
                    Ok((bytes, _)) = far.recv_from(&mut back) => {
                        near.send_to(&back[..bytes], client.unwrap()).await.unwrap();
                    }
                }
            }
        });
        Self { addr, kept, hands_on, task }
    }

    fn forget(&self) {
        self.kept.lock().unwrap().clear();
    }

    /// Sends all that it has kept to the server, as its own.
    async fn send_again(&self, server: SocketAddrV6) -> UdpSocket {
        let attacker = socket().await;
        let kept = self.kept.lock().unwrap().clone();
        assert!(!kept.is_empty());
        for datagram in kept {
            attacker.send_to(&datagram, server).await.unwrap();
        }
        attacker
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind(localhost(0)).await.unwrap()
}

/// What the server's handler was called for while an honest caller asks some questions, which all come after what an
/// attacker sent before.
async fn called_meanwhile(honest: &Client, server: &Peer, events: &mut Events) -> Vec<Call> {
    const QUESTIONS: usize = 20;
    for _ in 0..QUESTIONS {
        echo(honest, server).await;
    }
    let (mut calls, mut honest_calls) = (Vec::new(), 0);
    while honest_calls < QUESTIONS {
        match next_call(events).await {
            call if call.caller == key(3) => honest_calls += 1,
            call => calls.push(call),
        }
    }
    calls
}

#[tokio::test]
async fn an_overheard_first_flight_sent_again_does_nothing_at_all() {
    let (endpoint, _server, _node, mut events) = serve(ServerLimits::default());
    let (server, honest) = (peer_of(&endpoint), client(3));
    let tap = Tap::before(server.addr).await;
    let (client, peer) = (client(2), Peer { addr: tap.addr, ..server.clone() });
    echo(&client, &peer).await;
    may_resume(&client, &peer).await;
    client.disconnect(&peer);
    tap.forget();
    echo(&client, &peer).await;
    assert_eq!(client.metrics().early_accepted, 1);
    assert!(!next_call(&mut events).await.early && next_call(&mut events).await.early);
    for _ in 0..3 {
        let _attacker = tap.send_again(server.addr).await;
        assert_eq!(called_meanwhile(&honest, &server, &mut events).await, []);
    }
}

#[tokio::test]
async fn an_attacker_who_holds_a_first_flight_back_cannot_make_it_write() {
    for (method, calls_expected) in [("grow", 0), ("echo", 1)] {
        let (endpoint, running, _node, mut events) = serve(ServerLimits::default());
        let (server, honest) = (peer_of(&endpoint), client(3));
        let tap = Tap::before(server.addr).await;
        let (client, peer) = (client(2), Peer { addr: tap.addr, ..server.clone() });
        echo(&client, &peer).await;
        next_call(&mut events).await;
        may_resume(&client, &peer).await;
        client.disconnect(&peer);
        no_connection(&running).await;
        tap.forget();
        *tap.hands_on.lock().unwrap() = false;
        // The client asks, even for what it should not ask so early, and nothing arrives.
        let options = CallOptions { early: true, ..CallOptions::once(Duration::from_millis(100)) };
        let body = 3_usize.to_le_bytes().to_vec();
        assert!(client.call(&peer, "dns", method, body, options).await.is_err());
        // The attacker delivers it in the client's place, and then once more.
        let mut calls = Vec::new();
        for _ in 0..2 {
            let _attacker = tap.send_again(server.addr).await;
            calls.extend(called_meanwhile(&honest, &server, &mut events).await);
        }
        assert_eq!(calls.len(), calls_expected, "{method}");
        assert!(calls.iter().all(|call| call.early && call.method == "echo"));
        if method == "grow" {
            assert_eq!(running.metrics().calls[&StatusCode::Unavailable], 1, "it was refused, once");
        }
    }
}
