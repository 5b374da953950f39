//! Calls as both ends see them.

use super::*;
use tokio::select;

const ONCE: CallOptions = CallOptions::once(LONG);

#[tokio::test]
async fn both_ends_know_each_other_by_their_keys_and_the_call_arrives_whole() {
    let (endpoint, _server, _node, mut events) = serve(ServerLimits::default());
    let options = CallOptions { trace_id: Some([5; 16]), ..ONCE };
    let answer = client(2).call(&peer_of(&endpoint), "trustchain", "echo", &b"hello"[..], options).await;
    assert_eq!(answer.unwrap(), "hello");
    let call = next_call(&mut events).await;
    assert_eq!((call.caller, call.service.as_str(), call.method.as_str()), (key(2), "trustchain", "echo"));
    assert_eq!((call.trace_id, call.idempotency_key, &call.body[..]), ([5; 16], None, &b"hello"[..]));
    assert_eq!(call.remote.ip(), &std::net::Ipv6Addr::LOCALHOST);
}

#[tokio::test]
async fn an_unknown_method_and_a_refusal_are_told_as_the_handler_told_them() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    let unknown = status(client.call(&peer, "dns", "nothing", vec![], ONCE).await.unwrap_err());
    assert_eq!(unknown, Status::unimplemented("dns", "nothing"));
    let refused = status(client.call(&peer, "dns", "refuse", vec![], ONCE).await.unwrap_err());
    assert_eq!((refused.code(), refused.detail()), (StatusCode::NotFound, &[1, 2][..]));
}

#[tokio::test]
async fn what_is_no_name_is_not_sent() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    for service in ["", "Dns", "d ns", &"d".repeat(NAME_BYTES_MAX + 1)] {
        let result = client.call(&peer, service, "echo", vec![], ONCE).await;
        assert!(matches!(result, Err(CallError::Name { .. })), "{service:?}");
    }
    let longest = "d".repeat(NAME_BYTES_MAX);
    assert!(client.call(&peer, &longest, "echo", vec![], ONCE).await.is_ok());
}

#[tokio::test]
async fn the_server_keeps_its_own_deadline_and_drops_the_call() {
    let limits = ServerLimits { call_timeout_max: Duration::from_millis(30), ..ServerLimits::default() };
    let (endpoint, _server, _node, mut events) = serve(limits);
    let late = client(2).call(&peer_of(&endpoint), "dns", "wait", vec![], ONCE).await.unwrap_err();
    assert_eq!(status(late).code(), StatusCode::DeadlineExceeded);
    next_call(&mut events).await;
    assert_eq!(next(&mut events).await, Event::Dropped);
}

#[tokio::test]
async fn the_callers_deadline_reaches_the_server_which_drops_the_call() {
    let (endpoint, _server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    client.call(&peer, "dns", "echo", vec![], ONCE).await.unwrap();
    next_call(&mut events).await;
    let options = CallOptions::once(Duration::from_millis(200));
    let before = endpoint.env().clock.now().mono;
    let late = client.call(&peer, "dns", "wait", vec![], options).await.unwrap_err();
    assert_eq!(late.code(), StatusCode::DeadlineExceeded);
    assert!(next_call(&mut events).await.deadline.since(before) < LONG);
    assert_eq!(next(&mut events).await, Event::Dropped);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_dropped_at_the_server() {
    let (endpoint, server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    select! {
        biased;
        _ = client.call(&peer, "dns", "wait", vec![], ONCE) => panic!("nobody opens the gate"),
        call = next_call(&mut events) => assert_eq!(call.method, "wait"),
    }
    assert_eq!(next(&mut events).await, Event::Dropped);
    assert_eq!(client.metrics().outcomes[&StatusCode::Cancelled], 1);
    // The server has counted it by the time that it answers another call on the connection.
    client.call(&peer, "dns", "echo", vec![], ONCE).await.unwrap();
    assert_eq!(server.metrics().calls[&StatusCode::Cancelled], 1);
}

#[tokio::test]
async fn a_request_at_the_limit_is_taken_and_one_past_it_refused_without_losing_the_connection() {
    let limits = ServerLimits { client_message_bytes_max: 300_000, ..ServerLimits::default() };
    let (endpoint, ..) = serve(limits);
    let (client, peer) = (client(2), peer_of(&endpoint));
    let sized = async |bytes| client.call(&peer, "dns", "echo", vec![7; bytes], ONCE).await;
    assert_eq!(sized(300_000).await.unwrap().len(), 300_000);
    assert_eq!(status(sized(300_001).await.unwrap_err()).code(), StatusCode::ResourceExhausted);
    assert_eq!(sized(0).await.unwrap().len(), 0);
    assert_eq!(client.metrics().dials, 1);
}

#[tokio::test]
async fn an_answer_past_the_limit_is_refused_at_whichever_end_sees_it_first() {
    let limits = ServerLimits { client_message_bytes_max: 300_000, ..ServerLimits::default() };
    let (server, ..) = serve(limits);
    let peer = peer_of(&server);
    let small = ClientConfig { message_bytes_max: 1000, ..ClientConfig::default() };
    let (large, small) = (client(2), Client::new(&endpoint(3), small));
    let grown = async |client: &Client, bytes: usize| {
        client.call(&peer, "dns", "grow", bytes.to_le_bytes().to_vec(), ONCE).await
    };
    assert_eq!(grown(&large, 300_000).await.unwrap().len(), 300_000);
    assert_eq!(status(grown(&large, 300_001).await.unwrap_err()).code(), StatusCode::ResourceExhausted);
    assert_eq!(grown(&small, 1000).await.unwrap().len(), 1000);
    assert!(matches!(grown(&small, 1001).await, Err(CallError::Protocol { .. })));
    let result = small.call(&peer, "dns", "echo", vec![7; 1001], ONCE).await;
    assert_eq!(result, Err(CallError::TooLong { bytes: 1001, bytes_max: 1000 }));
}

#[tokio::test]
async fn a_call_past_the_number_that_may_run_waits_its_turn() {
    let limits =
        ServerLimits { calls_per_connection_max: 2, roomy_clients_max: 0, ..ServerLimits::default() };
    let (endpoint, _server, node, mut events) = serve(limits);
    let (client, peer) = (client(2), peer_of(&endpoint));
    let call = |method: &'static str| {
        let (client, peer) = (client.clone(), peer.clone());
        tokio::spawn(async move { client.call(&peer, "dns", method, vec![], ONCE).await })
    };
    let running = [call("wait"), call("wait")];
    for _ in &running {
        next_call(&mut events).await;
    }
    let short = CallOptions::once(Duration::from_millis(50));
    let third = client.call(&peer, "dns", "echo", vec![], short).await;
    assert_eq!(third, Err(CallError::DeadlineExceeded));
    assert!(events.try_recv().is_err(), "the third never reached the handler");
    let third = call("echo");
    node.gate.add_permits(1);
    assert!(third.await.unwrap().is_ok());
}

#[tokio::test]
async fn connections_taken_while_there_are_few_have_room_for_more_calls_at_once() {
    let limits = ServerLimits {
        calls_per_connection_max: 1,
        calls_per_roomy_connection_max: 3,
        roomy_clients_max: 1,
        ..ServerLimits::default()
    };
    let (endpoint, _server, node, mut events) = serve(limits);
    let peer = peer_of(&endpoint);
    let call = |client: &Client, method: &'static str, options: CallOptions| {
        let (client, peer) = (client.clone(), peer.clone());
        tokio::spawn(async move { client.call(&peer, "dns", method, vec![], options).await })
    };
    let (first, second) = (client(2), client(3));
    for client in [&first, &second] {
        assert!(client.call(&peer, "dns", "echo", vec![], ONCE).await.is_ok());
        next_call(&mut events).await;
    }
    let short = CallOptions::once(Duration::from_millis(50));
    for (client, room) in [(&first, 3), (&second, 1)] {
        let running: Vec<_> = (0..room).map(|_| call(client, "wait", ONCE)).collect();
        for _ in &running {
            next_call(&mut events).await;
        }
        assert_eq!(call(client, "echo", short.clone()).await.unwrap(), Err(CallError::DeadlineExceeded));
        assert!(events.try_recv().is_err(), "one past them never reached the handler");
        node.gate.add_permits(room);
        for one in running {
            assert!(one.await.unwrap().is_ok());
        }
    }
}

#[tokio::test]
async fn bytes_in_memory_are_bounded_and_more_are_refused_for_now() {
    let limits = ServerLimits { caller_bytes_max: 4096, ..ServerLimits::default() };
    let (endpoint, _server, _node, mut events) = serve(limits);
    let (client, peer) = (client(2), peer_of(&endpoint));
    let held = client.call(&peer, "dns", "wait", vec![7; 3072], ONCE);
    tokio::pin!(held);
    select! {
        biased;
        _ = &mut held => panic!("nobody opens the gate"),
        _ = next_call(&mut events) => {}
    }
    assert!(client.call(&peer, "dns", "echo", vec![7; 1024], ONCE).await.is_ok());
    let refused = client.call(&peer, "dns", "echo", vec![7; 1025], ONCE).await.unwrap_err();
    assert_eq!(status(refused).code(), StatusCode::Unavailable);
}

#[tokio::test]
async fn a_ping_says_who_answers_and_what_protects_the_connection() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let ping = client(2).ping(&peer_of(&endpoint), LONG).await.unwrap();
    assert_eq!((ping.key, ping.addr), (key(1), endpoint.local_addr().unwrap()));
    assert_eq!(ping.protocol, "stoq/1");
    assert_eq!(ping.cipher_suite.as_deref(), Some("TLS13_AES_256_GCM_SHA384"));
    assert_eq!(ping.key_exchange.as_deref(), Some("X25519MLKEM768"));
    assert!(serde_json::to_string(&ping).unwrap().contains("round_trip_us"));
}

#[tokio::test]
async fn requests_outcomes_and_latencies_are_counted() {
    let (endpoint, server, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    for method in ["echo", "echo", "echo", "refuse", "nothing"] {
        drop(client.call(&peer, "dns", method, vec![], ONCE).await);
    }
    let metrics = client.metrics();
    assert_eq!((metrics.total_requests, metrics.dials, metrics.retries), (5, 1, 0));
    let outcomes = [(StatusCode::Ok, 3), (StatusCode::NotFound, 1), (StatusCode::Unimplemented, 1)];
    assert_eq!(metrics.outcomes, outcomes.into_iter().collect());
    assert_eq!(metrics.latency.count, 3);
    assert!(metrics.latency.p50_us > 0 && metrics.latency.p50_us <= metrics.latency.p99_us);
    assert_eq!((server.metrics().calls, server.metrics().connections_open), (metrics.outcomes.clone(), 1));
    assert!(serde_json::to_string(&metrics).unwrap().contains("\"not_found\":1"));
}

#[tokio::test]
async fn callers_that_come_at_once_share_one_connection() {
    let (endpoint, server, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    let calls: Vec<_> = (0..64_u8)
        .map(|n| {
            let (client, peer) = (client.clone(), peer.clone());
            tokio::spawn(async move { client.call(&peer, "dns", "echo", vec![n], ONCE).await })
        })
        .collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap().unwrap()[..], [n]);
    }
    assert_eq!((client.metrics().dials, server.metrics().connections_accepted), (1, 1));
}
