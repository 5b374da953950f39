//! Streaming calls as both ends see them: order, room, ends of all kinds. Nothing here sleeps.

use super::*;
use crate::close::Abandon;
use crate::frame::{FrameKind, Header, put_prefix, put_value};
use bytes::BytesMut;
use hypermesh_base::encode;

const ONCE: CallOptions = CallOptions::once(LONG);

/// A request of `count` for so many messages of so many bytes.
fn count(messages: u32, bytes: u32) -> Vec<u8> {
    encode(&(messages, bytes))
}

async fn all(stream: &mut MessageStream) -> (usize, Result<(), CallError>) {
    let mut messages = 0;
    loop {
        match stream.next().await {
            Ok(Some(_)) => messages += 1,
            Ok(None) => return (messages, Ok(())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

/// Takes events until the one that is waited for, and says how many messages were sent meanwhile.
async fn sent_until(events: &mut Events, end: &Event) -> usize {
    let mut sent = 0;
    loop {
        match next(events).await {
            Event::Sent => sent += 1,
            event if event == *end => return sent,
            event => panic!("{event:?} where {end:?} was expected"),
        }
    }
}

#[tokio::test]
async fn every_answer_comes_once_and_in_order_and_then_the_end() {
    let (endpoint, server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    let mut stream = client.stream(&peer, "dns", "count", count(1000, 10), ONCE).await.unwrap();
    assert_eq!(all(&mut stream).await, (1000, Ok(())));
    assert_eq!(stream.next().await, Ok(None), "it stays at its end");
    assert_eq!(next_call(&mut events).await.caller, key(2));
    drop(stream);
    assert_eq!(client.metrics().outcomes, [(StatusCode::Ok, 1)].into_iter().collect());
    let mut talk = client.converse(&peer, "dns", "talk", &b"first"[..], ONCE).await.unwrap();
    assert_eq!(talk.next().await.unwrap().unwrap(), "first");
    for word in ["one", "two", "three"] {
        talk.send(word).await.unwrap();
        assert_eq!(talk.next().await.unwrap().unwrap(), word);
    }
    talk.finish();
    assert_eq!(talk.next().await, Ok(None));
    assert_eq!(server.metrics().violations, 0);
}

#[tokio::test]
async fn a_failure_in_the_middle_comes_after_what_was_sent_before_it() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let mut stream = client(2).stream(&peer_of(&endpoint), "dns", "break", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    let broken = stream.next().await.unwrap_err();
    assert_eq!(stream.next().await, Err(broken.clone()));
    assert_eq!(status(broken), Status::new(StatusCode::Aborted, "in the middle"));
}

#[tokio::test]
async fn a_unary_method_can_be_asked_as_a_stream_of_one() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    let mut stream = client.stream(&peer, "dns", "echo", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(all(&mut stream).await, (1, Ok(())));
    let mut stream = client.stream(&peer, "dns", "nothing", vec![], ONCE).await.unwrap();
    assert_eq!(status(stream.next().await.unwrap_err()).code(), StatusCode::Unimplemented);
    let answer = client.call(&peer, "dns", "count", count(2, 1), ONCE).await;
    assert!(matches!(answer, Err(CallError::Protocol { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_slow_reader_holds_the_server_back_and_delays_nobody_else() {
    const MESSAGE_BYTES: u32 = 64 << 10;
    const MESSAGES: u32 = 4096;
    let limits = ServerLimits { caller_bytes_max: 1 << 20, ..ServerLimits::default() };
    let (endpoint, _server, _node, mut events) = serve(limits);
    let (client, peer) = (client(2), peer_of(&endpoint));
    let body = count(MESSAGES, MESSAGE_BYTES);
    let mut stream = client.stream(&peer, "dns", "count", body, ONCE).await.unwrap();
    next_call(&mut events).await;
    // Nobody reads. Other calls over the same connection are answered all the while, and each round trip is time enough
    // for the server to send what it can: when none was sent for many of them, it is held back.
    let (mut sent, mut quiet) = (0, 0);
    while quiet < 200 {
        client.call(&peer, "dns", "echo", vec![1; 1000], ONCE).await.unwrap();
        quiet += 1;
        while let Ok(event) = events.try_recv() {
            if event == Event::Sent {
                (sent, quiet) = (sent + 1, 0);
            }
        }
    }
    let windows = u64::from(TransportConfig::default().stream_window_bytes)
        + u64::from(TransportConfig::default().client_window_bytes);
    let held = u64::from(MESSAGE_BYTES) * sent;
    assert!(held > 0 && held <= windows, "{held} bytes on their way where {windows} have room");
    // Once it reads, all come.
    assert_eq!(all(&mut stream).await, (MESSAGES as usize, Ok(())));
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_servers_work() {
    let (endpoint, server, _node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    // While it waits for something to say.
    let mut stream = client.stream(&peer, "dns", "hold", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    next_call(&mut events).await;
    assert_eq!(server.metrics().streams_open, 1);
    drop(stream);
    assert_eq!(next(&mut events).await, Event::Dropped);
    // And while it sends: nothing more is sent after that.
    let mut stream = client.stream(&peer, "dns", "count", count(u32::MAX, 1000), ONCE).await.unwrap();
    assert!(stream.next().await.unwrap().is_some());
    next_call(&mut events).await;
    drop(stream);
    sent_until(&mut events, &Event::Dropped).await;
    client.call(&peer, "dns", "echo", vec![], ONCE).await.unwrap();
    next_call(&mut events).await;
    assert!(events.try_recv().is_err());
    assert_eq!((server.metrics().streams_open, client.metrics().outcomes[&StatusCode::Cancelled]), (0, 2));
}

#[tokio::test]
async fn a_lost_connection_ends_the_servers_work_and_is_told_to_the_caller() {
    let (server, _running, _node, mut events) = serve(ServerLimits::default());
    let calling = endpoint(2);
    let client = Client::new(&calling, ClientConfig::default());
    let mut stream = client.stream(&peer_of(&server), "dns", "hold", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    next_call(&mut events).await;
    calling.close().await;
    assert_eq!(next(&mut events).await, Event::Dropped);
    assert!(matches!(stream.next().await, Err(CallError::Lost { .. })));
}

#[tokio::test]
async fn both_ends_keep_the_deadline_of_a_stream() {
    let limits = ServerLimits { stream_timeout_max: Duration::from_millis(30), ..ServerLimits::default() };
    let (endpoint, _server, _node, mut events) = serve(limits);
    let mut stream = client(2).stream(&peer_of(&endpoint), "dns", "hold", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    assert_eq!(status(stream.next().await.unwrap_err()).code(), StatusCode::DeadlineExceeded);
    next_call(&mut events).await;
    assert_eq!(next(&mut events).await, Event::Dropped);
    // No call's own limit ends it: that is for unary ones.
    let limits = ServerLimits { call_timeout_max: Duration::from_millis(1), ..ServerLimits::default() };
    let (endpoint, _server, _node, mut events) = serve(limits);
    let options = CallOptions::once(Duration::from_millis(200));
    let (client, peer) = (client(2), peer_of(&endpoint));
    let mut stream = client.stream(&peer, "dns", "hold", &b"a"[..], options).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    let late = stream.next().await.unwrap_err();
    assert_eq!(late.code(), StatusCode::DeadlineExceeded);
    next_call(&mut events).await;
    assert_eq!(next(&mut events).await, Event::Dropped);
}

#[tokio::test]
async fn streams_hold_at_the_limit_of_a_key_and_of_all_and_not_one_past_it() {
    let limits = ServerLimits { streams_per_caller_max: 2, streams_max: 3, ..ServerLimits::default() };
    let (endpoint, server, node, mut events) = serve(limits);
    let peer = peer_of(&endpoint);
    let open = async |client: &Client| {
        let mut stream = client.stream(&peer, "dns", "hold", &b"a"[..], ONCE).await.unwrap();
        stream.next().await.map(|_| stream)
    };
    let (two, three) = (client(2), client(3));
    let mut first = open(&two).await.unwrap();
    let _second = open(&two).await.unwrap();
    assert_eq!(status(open(&two).await.err().unwrap()).code(), StatusCode::ResourceExhausted);
    let _third = open(&three).await.unwrap();
    assert_eq!(status(open(&three).await.err().unwrap()).code(), StatusCode::ResourceExhausted);
    assert_eq!(server.metrics().streams_open, 3);
    for _ in 0..3 {
        next_call(&mut events).await;
    }
    node.gate.add_permits(1);
    assert_eq!(first.next().await, Ok(None), "the one that came first is let go first");
    open(&three).await.unwrap();
}

#[tokio::test]
async fn a_message_past_the_limit_ends_a_stream_at_whichever_end_it_is() {
    let limits = ServerLimits { client_message_bytes_max: 1000, ..ServerLimits::default() };
    let (endpoint, server, ..) = serve(limits);
    let (client, peer) = (client(2), peer_of(&endpoint));
    for (bytes, messages) in [(1000, 3), (1001, 0)] {
        let mut stream = client.stream(&peer, "dns", "count", count(3, bytes), ONCE).await.unwrap();
        let (got, end) = all(&mut stream).await;
        assert_eq!((got, end.is_ok()), (messages, messages > 0));
    }
    let mut talk = client.converse(&peer, "dns", "talk", vec![1; 1000], ONCE).await.unwrap();
    talk.send(vec![2; 1000]).await.unwrap();
    assert_eq!(talk.next().await.unwrap().unwrap(), vec![1; 1000]);
    assert_eq!(talk.next().await.unwrap().unwrap(), vec![2; 1000]);
    talk.send(vec![3; 1001]).await.unwrap();
    assert_eq!(status(talk.next().await.unwrap_err()).code(), StatusCode::ResourceExhausted);
    assert_eq!(server.metrics().violations, 0);
    let small = ClientConfig { message_bytes_max: 1000, ..ClientConfig::default() };
    let small = Client::new(&super::endpoint(3), small);
    let mut talk = small.converse(&peer, "dns", "talk", vec![1; 1000], ONCE).await.unwrap();
    assert!(matches!(talk.send(vec![2; 1001]).await, Err(CallError::TooLong { bytes: 1001, .. })));
}

/// Asks for more messages than the caller has room for, and reads none.
async fn ask_for_much(connection: &quinn::Connection) -> quinn::RecvStream {
    let (mut send, receive) = connection.open_bi().await.unwrap();
    let mut request = BytesMut::new();
    let header = Header {
        version: 1,
        service: "dns".into(),
        method: "count".into(),
        deadline_ms: 20_000,
        idempotency_key: None,
        trace_id: [0; 16],
    };
    put_value(&mut request, FrameKind::Header, &header);
    let body = count(1000, 64 << 10);
    put_prefix(&mut request, FrameKind::Message, body.len());
    request.extend_from_slice(&body);
    send.write_all(&request).await.unwrap();
    send.finish().unwrap();
    receive
}

#[tokio::test]
async fn a_reader_that_takes_nothing_for_too_long_is_cut_off() {
    let limits = ServerLimits { stall_timeout: Duration::from_millis(50), ..ServerLimits::default() };
    let (server, running, ..) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let mut receive = ask_for_much(&connection.quinn).await;
    while !running.metrics().calls.contains_key(&StatusCode::Cancelled) {
        tokio::task::yield_now().await;
    }
    let cut_off = quinn::ReadToEndError::Read(quinn::ReadError::Reset(Abandon::Slow.code()));
    assert_eq!(receive.read_to_end(100 << 20).await.unwrap_err(), cut_off);
}

#[tokio::test]
async fn a_stream_whose_time_ends_within_a_message_is_cut_off_and_no_status_is_read_as_the_rest_of_it() {
    let limits = ServerLimits {
        stream_timeout_max: Duration::from_millis(50),
        response_timeout: LONG,
        ..ServerLimits::default()
    };
    let (server, _running, _node, mut events) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let mut receive = ask_for_much(&connection.quinn).await;
    while next(&mut events).await != Event::Dropped {}
    let cut_off = quinn::ReadToEndError::Read(quinn::ReadError::Reset(Abandon::Slow.code()));
    let read = receive.read_to_end(100 << 20).await.map(|bytes| bytes.len());
    assert_eq!(read, Err(cut_off));
}

#[tokio::test]
async fn one_who_listens_is_not_silent() {
    let limits = ServerLimits { silence_timeout: Duration::from_millis(20), ..ServerLimits::default() };
    let (endpoint, server, node, _events) = serve(limits);
    let client = client(2);
    let peer = peer_of(&endpoint);
    let mut stream = client.stream(&peer, "dns", "hold", &b"a"[..], ONCE).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), "a");
    // Ten times as long as a silent connection lives, by the server's own clock.
    let begin = endpoint.env().clock.now().mono;
    while endpoint.env().clock.now().mono.since(begin) < 10 * Duration::from_millis(20) {
        tokio::task::yield_now().await;
    }
    node.gate.add_permits(1);
    assert_eq!(stream.next().await, Ok(None));
    assert_eq!(client.metrics().dials, 1);
    while server.metrics().connections_open > 0 {
        tokio::task::yield_now().await;
    }
}
