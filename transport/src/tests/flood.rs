//! Peers that ask for too much: streams, handshakes, datagrams, calls. Nothing here measures time: what is asserted
//! are counts and bytes.

use super::*;
use crate::frame::FrameKind;
use quinn::VarInt;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

const STREAMS: u64 = 10_000;
const ATTEMPTS: usize = 10_000;
/// Bytes of a datagram at most.
const DATAGRAM_BYTES_MAX: usize = 2048;

async fn socket() -> UdpSocket {
    UdpSocket::bind(localhost(0)).await.unwrap()
}

async fn echo(client: &Client, peer: &Peer) {
    let options = CallOptions::repeatable(LONG);
    assert_eq!(client.call(peer, "dns", "echo", vec![7], options).await, Ok(vec![7].into()));
}

#[tokio::test]
async fn an_unknown_service_or_method_is_answered_so_and_the_connection_stands() {
    let (endpoint, server, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    for (service, method) in [("dns", "nothing"), ("nobody", "echo2")] {
        let refused = client.call(&peer, service, method, vec![], CallOptions::repeatable(LONG)).await;
        let status = status(refused.unwrap_err());
        assert_eq!(status.code(), StatusCode::Unimplemented);
        assert!(status.message().contains(method), "{status}");
    }
    echo(&client, &peer).await;
    assert_eq!((client.metrics().dials, server.metrics().violations), (1, 0));
}

#[tokio::test]
async fn ten_thousand_streams_that_are_never_finished_are_cut_off_and_nobody_else_notices() {
    let limits = ServerLimits { request_timeout: Duration::from_millis(20), ..ServerLimits::default() };
    let (server, running, ..) = serve(limits);
    let attacker = endpoint(2);
    let connection = attacker.dial(&peer_of(&server)).await.unwrap();
    let opening = tokio::spawn(async move {
        let mut most = 0;
        let mut open = tokio::task::JoinSet::new();
        for _ in 0..STREAMS {
            // One byte of a frame's start, and then nothing.
            let (mut send, receive) = connection.quinn.open_bi().await.unwrap();
            send.write_all(&[FrameKind::Header as u8]).await.unwrap();
            open.spawn(async move {
                drop(send.stopped().await);
                drop((send.reset(VarInt::from_u32(1)), receive));
            });
            while open.try_join_next().is_some() {}
            most = most.max(open.len());
        }
        while open.join_next().await.is_some() {}
        (most, connection)
    });
    let (honest, peer) = (client(3), peer_of(&server));
    while !opening.is_finished() {
        echo(&honest, &peer).await;
    }
    let (most, _connection) = opening.await.unwrap();
    let allowed = ServerLimits::default().calls_per_roomy_connection_max as usize;
    // What the server has let go may not have reached the attacker's tasks yet.
    assert!(most <= 2 * allowed, "{most} at once");
    while running.metrics().calls.get(&StatusCode::DeadlineExceeded).copied().unwrap_or_default()
        + running.metrics().calls.get(&StatusCode::Cancelled).copied().unwrap_or_default()
        < STREAMS
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(running.metrics().connections_open, 2);
}

/// The datagrams with which a connection begins, as a client sent them to a server that never answers.
async fn first_flight(seed: u8) -> Vec<Vec<u8>> {
    // One of its own: what an earlier client has still to say must not come in between.
    let sink = socket().await;
    let client = endpoint(seed);
    let silent = Peer { addr: endpoint::ipv6(sink.local_addr().unwrap()), expect: Expect::Key(key(1)) };
    let dialling = tokio::spawn(async move { client.dial(&silent).await.map(|_| ()) });
    let mut flight = Vec::new();
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    // A ClientHello with a post-quantum key share takes two.
    for _ in 0..2 {
        let (bytes, _) = tokio::time::timeout(LONG, sink.recv_from(&mut buffer)).await.unwrap().unwrap();
        flight.push(buffer[..bytes].to_vec());
    }
    dialling.abort();
    flight
}

/// Changes the destination connection id of a first datagram, which then cannot be decrypted: the server's
/// bookkeeping sees a new connection, and its cryptography rubbish.
fn with_id(datagram: &[u8], number: usize) -> Vec<u8> {
    let mut changed = datagram.to_vec();
    changed[6..14].copy_from_slice(&(number as u64).to_be_bytes());
    changed
}

#[tokio::test]
async fn ten_thousand_connection_attempts_that_go_no_further_leave_the_door_open_to_others() {
    let (server, running, ..) =
        serve(ServerLimits { unvalidated_handshakes_max: 16, ..ServerLimits::default() });
    let attacker = socket().await;
    let (honest, peer) = (client(3), peer_of(&server));
    let address = SocketAddr::V6(peer.addr);
    // Real ones: each a ClientHello of its own, of which nothing follows.
    let mut sent = 0;
    for seed in 100..140 {
        for datagram in first_flight(seed).await {
            attacker.send_to(&datagram, address).await.unwrap();
            sent += datagram.len();
        }
    }
    // And a good many that are not even that.
    let first = first_flight(140).await.remove(0);
    for number in 0..ATTEMPTS {
        let datagram = with_id(&first, number);
        sent += datagram.len();
        attacker.send_to(&datagram, address).await.unwrap();
        if number % 500 == 0 {
            echo(&honest, &peer).await;
        }
    }
    // Newcomers get in while the attempts are under way: they prove their address, which costs a round trip.
    for seed in 20..30 {
        echo(&client(seed), &peer).await;
    }
    let metrics = running.metrics();
    assert!(metrics.connections_retried >= 24, "{metrics:?}");
    assert_eq!(metrics.connections_accepted, 11, "all newcomers, and nobody else");
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    let mut received = 0;
    while let Ok(bytes) = attacker.try_recv(&mut buffer) {
        received += bytes;
    }
    assert!(received <= 3 * sent, "{received} bytes for {sent}");
}

/// quinn finishes a datagram that it has the budget to begin (quinn-rs/quinn#1082), so the last may go past it.
const OVERSHOOT_BYTES_MAX: usize = 1200;

#[tokio::test]
async fn an_address_that_was_not_proved_gets_three_times_what_it_sent_and_no_datagram_more_than_one() {
    let limits = ServerLimits { handshake_timeout: Duration::from_millis(1500), ..ServerLimits::default() };
    let (server, running, ..) = serve(limits);
    let address = server.local_addr().unwrap();
    let mut attackers = BTreeMap::new();
    for seed in 50..58 {
        // The whole ClientHello, so that the server has all that it would say; or half of it.
        let flight = first_flight(seed).await;
        let kept = if seed % 2 == 0 { 2 } else { 1 };
        let attacker = socket().await;
        let mut sent = 0;
        for datagram in &flight[..kept] {
            sent += attacker.send_to(datagram, address).await.unwrap();
        }
        attackers.insert(seed, (attacker, sent));
    }
    // The server sends, and sends again what nobody acknowledges, until it gives the handshakes up.
    let given_up = async {
        while running.metrics().connections_refused < 8 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, given_up).await.unwrap();
    let mut answered = 0;
    for (seed, (attacker, sent)) in attackers {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        let mut received = 0;
        while let Ok(bytes) = attacker.try_recv(&mut buffer) {
            received += bytes;
        }
        assert!(received < 3 * sent + OVERSHOOT_BYTES_MAX, "{seed}: {received} bytes for {sent}");
        answered += received;
    }
    assert!(answered > 0, "the server said something");
}

#[tokio::test]
async fn datagrams_of_rubbish_are_answered_with_less_than_they_are() {
    let (server, _running, ..) = serve(ServerLimits::default());
    let (attacker, peer) = (socket().await, peer_of(&server));
    let honest = client(3);
    echo(&honest, &peer).await;
    let mut sent = 0;
    for number in 0_usize..5000 {
        let length = 1 + number * 7 % 1400;
        let seed = hypermesh_base::encode(&(number as u64));
        let bytes: Vec<u8> =
            (0..length).map(|at| seed[at % 8].wrapping_mul(31).wrapping_add(at as u8)).collect();
        sent += attacker.send_to(&bytes, SocketAddr::V6(peer.addr)).await.unwrap();
        if number % 500 == 0 {
            echo(&honest, &peer).await;
        }
    }
    echo(&client(4), &peer).await;
    let (mut buffer, mut received) = ([0; DATAGRAM_BYTES_MAX], 0);
    while let Ok(bytes) = attacker.try_recv(&mut buffer) {
        received += bytes;
    }
    assert!(received < sent, "{received} bytes for {sent}");
    assert_eq!(honest.metrics().dials, 1, "its connection was not touched");
}

#[tokio::test]
async fn a_caller_with_a_hundred_calls_waiting_delays_another_by_one_of_them() {
    let limits = ServerLimits { calls_working_max: 1, ..ServerLimits::default() };
    let (server, running, _node, mut events) = serve(limits);
    let peer = peer_of(&server);
    let (flooding, other) = (client(2), client(3));
    let ask = |client: &Client| {
        let (client, peer) = (client.clone(), peer.clone());
        tokio::spawn(async move {
            client.call(&peer, "dns", "echo", vec![1], CallOptions::repeatable(LONG)).await
        })
    };
    let waiting = async |calls: u64| {
        while running.metrics().calls_waiting < calls {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut calls: Vec<_> = (0..100).map(|_| ask(&flooding)).collect();
    // The first works for as long as the test holds what the node told it: the call, with its turn.
    let working = next_call(&mut events).await;
    tokio::time::timeout(LONG, waiting(99)).await.unwrap();
    calls.push(ask(&other));
    tokio::time::timeout(LONG, waiting(100)).await.unwrap();
    drop(working);
    // Each call is dropped, and with it its turn, before the next is waited for.
    let first = next_call(&mut events).await.caller;
    let second = next_call(&mut events).await.caller;
    assert_eq!((first, second), (key(2), key(3)), "98 of the flood still wait");
    for _ in 0..98 {
        assert_eq!(next_call(&mut events).await.caller, key(2));
    }
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_callers_memory_is_one_share_however_many_connections_it_has() {
    let limits = ServerLimits { caller_bytes_max: 8192, ..ServerLimits::default() };
    let (server, _running, _node, mut events) = serve(limits);
    let peer = peer_of(&server);
    let hold = |client: Client| {
        let peer = peer.clone();
        tokio::spawn(async move {
            client.call(&peer, "dns", "wait", vec![7; 4096], CallOptions::once(LONG)).await
        })
    };
    let held = [hold(client(2)), hold(client(2))];
    for _ in &held {
        next_call(&mut events).await;
    }
    let refused = client(2).call(&peer, "dns", "echo", vec![7], CallOptions::once(LONG)).await;
    assert_eq!(status(refused.unwrap_err()).code(), StatusCode::Unavailable);
    echo(&client(3), &peer).await;
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_part_of_the_network_has_its_share_of_connections_and_the_longest_idle_gives_way() {
    let limits = ServerLimits { clients_per_prefix_max: 2, ..ServerLimits::default() };
    let (server, running, node, mut events) = serve(limits);
    let peer = peer_of(&server);
    let dripping = endpoint(2).dial(&peer).await.unwrap();
    connections::ping(&dripping.quinn).await;
    let asking = client(3);
    echo(&asking, &peer).await;
    // A call that comes byte by byte is none yet.
    let (mut send, _receive) = dripping.quinn.open_bi().await.unwrap();
    send.write_all(&[FrameKind::Header as u8]).await.unwrap();
    let newcomer = client(4);
    echo(&newcomer, &peer).await;
    assert_eq!(closed(&dripping.quinn).await.0, close::Close::Crowded as u64);
    echo(&asking, &peer).await;
    assert_eq!((asking.metrics().dials, running.metrics().connections_open), (1, 2));
    // Whoever is being answered does not give way, and where all are, the newcomer does not get in.
    let wait = |client: &Client| {
        let (client, peer) = (client.clone(), peer.clone());
        tokio::spawn(async move { client.call(&peer, "dns", "wait", vec![], CallOptions::once(LONG)).await })
    };
    let waiting = [wait(&newcomer), wait(&asking)];
    let mut waits = 0;
    while waits < waiting.len() {
        waits += usize::from(next_call(&mut events).await.method == "wait");
    }
    let crowded = endpoint(6).dial(&peer).await.unwrap();
    assert_eq!(closed(&crowded.quinn).await.0, close::Close::Crowded as u64);
    node.validators.lock().unwrap().insert(key(5));
    echo(&client(5), &peer).await;
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_part_of_the_network_has_its_share_of_streams_and_not_one_more() {
    let limits = ServerLimits { streams_per_prefix_max: 2, ..ServerLimits::default() };
    let (server, running, ..) = serve(limits);
    let peer = peer_of(&server);
    let hold = async |seed| {
        let mut stream =
            client(seed).stream(&peer, "dns", "hold", vec![7], CallOptions::once(LONG)).await.unwrap();
        (stream.next().await, stream)
    };
    let held = [hold(2).await, hold(3).await];
    assert!(held.iter().all(|(first, _)| first.is_ok()));
    let (refused, _) = hold(4).await;
    assert_eq!(status(refused.unwrap_err()).code(), StatusCode::ResourceExhausted);
    drop(held);
    while running.metrics().streams_open > 0 {
        tokio::task::yield_now().await;
    }
    assert!(hold(4).await.0.is_ok());
}

#[tokio::test]
async fn handshakes_that_go_no_further_give_way_to_one_that_does() {
    let limits = ServerLimits {
        handshakes_max: 2,
        handshakes_per_prefix_max: 2,
        handshake_grace: Duration::ZERO,
        handshake_timeout: LONG,
        ..ServerLimits::default()
    };
    let (server, running, ..) = serve(limits);
    let attacker = socket().await;
    for seed in 100..102 {
        for datagram in first_flight(seed).await {
            attacker.send_to(&datagram, server.local_addr().unwrap()).await.unwrap();
        }
    }
    for seed in 20..22 {
        echo(&client(seed), &peer_of(&server)).await;
    }
    let metrics = running.metrics();
    assert_eq!((metrics.connections_accepted, metrics.connections_refused), (2, 1), "the oldest gave way");
}
