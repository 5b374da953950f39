//! Peers that hold a key and break the rules.

use super::*;
use crate::close::{Abandon, Close};
use crate::endpoint::Connection;
use crate::endpoint::ProcessId;
use crate::frame::{FrameKind, Header, PREFIX_BYTES, put_prefix, put_value};
use crate::link::LinkHeader;
use bytes::BytesMut;

fn header() -> Header {
    Header {
        version: 1,
        service: "dns".into(),
        method: "echo".into(),
        deadline_ms: 10_000,
        idempotency_key: None,
        trace_id: [0; 16],
    }
}

fn request(header: &Header) -> BytesMut {
    let mut bytes = BytesMut::new();
    put_value(&mut bytes, FrameKind::Header, header);
    put_prefix(&mut bytes, FrameKind::Message, 2);
    bytes.extend_from_slice(b"hi");
    bytes
}

/// Writes these bytes on a stream of its own, and says that they are all.
async fn write(connection: &Connection, bytes: &[u8]) -> quinn::RecvStream {
    let (mut send, receive) = connection.quinn.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    send.finish().unwrap();
    receive
}

/// The status that a stream ends with, and nothing before it.
async fn answered(mut receive: quinn::RecvStream) -> Status {
    let answer = receive.read_to_end(10_000).await.unwrap();
    decode(&answer[PREFIX_BYTES..], answer.len()).unwrap()
}

/// A connection that wrote these bytes to a server, which then closed it.
async fn cut_off(bytes: &[u8]) -> String {
    let (server, running, _node, _events) = serve(ServerLimits::default());
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let _receive = write(&connection, bytes).await;
    let (code, reason) = closed(&connection.quinn).await;
    assert_eq!((code, running.metrics().violations), (Close::Protocol as u64, 1));
    reason
}

#[tokio::test]
async fn garbage_ends_the_connection_with_a_reason() {
    assert_eq!(cut_off(&[0xff; 64]).await, "unknown frame kind 255");
    assert_eq!(cut_off(b"\x01\x04\0\0\0abcd").await, "Header frame: malformed encoding");
}

#[tokio::test]
async fn a_header_at_its_limit_is_read_and_one_past_it_ends_the_connection() {
    let sized = |bytes: usize| {
        let mut buffer = BytesMut::new();
        put_prefix(&mut buffer, FrameKind::Header, bytes);
        buffer.extend_from_slice(&vec![1; bytes]);
        buffer
    };
    // At the limit it is read, and found to be no header.
    assert_eq!(cut_off(&sized(HEADER_BYTES_MAX)).await, "Header frame: malformed encoding");
    let reason = cut_off(&sized(HEADER_BYTES_MAX + 1)).await;
    assert_eq!(reason, "a frame of kind Header with 257 bytes, at most 256 are allowed");
}

#[tokio::test]
async fn a_request_without_an_end_or_with_more_than_one_ends_the_connection() {
    let whole = request(&header());
    assert_eq!(cut_off(&whole[..whole.len() - 1]).await, "the stream ended too early");
    assert_eq!(cut_off(&[&whole[..], &whole].concat()).await, "bytes after the last frame");
    assert_eq!(cut_off(&[]).await, "the stream ended too early");
    let mut message = BytesMut::new();
    put_prefix(&mut message, FrameKind::Message, 0);
    assert_eq!(cut_off(&message).await, "a frame of kind Message, expected Header");
}

#[tokio::test]
async fn a_header_of_another_version_is_answered_so() {
    let (server, ..) = serve(ServerLimits::default());
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let status = answered(write(&connection, &request(&Header { version: 2, ..header() })).await).await;
    assert_eq!(status.code(), StatusCode::Unimplemented);
}

#[tokio::test]
async fn a_peer_that_falls_silent_within_a_request_is_cut_off() {
    let limits = ServerLimits { request_timeout: Duration::from_millis(30), ..ServerLimits::default() };
    let (server, ..) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    for silent_after in [1, 20, request(&header()).len() - 1] {
        let (mut send, receive) = connection.quinn.open_bi().await.unwrap();
        send.write_all(&request(&header())[..silent_after]).await.unwrap();
        assert_eq!(answered(receive).await.code(), StatusCode::DeadlineExceeded);
        assert_eq!(send.stopped().await.unwrap(), Some(Abandon::Slow.code()));
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_cut_off() {
    let limits = ServerLimits {
        response_timeout: Duration::from_millis(30),
        caller_bytes_max: 64 << 20,
        ..ServerLimits::default()
    };
    let (server, running, ..) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    // Sixteen answers of 2 MiB, more than the windows hold, and nobody looks at them in time.
    let mut header = header();
    header.method = "grow".into();
    let mut request = BytesMut::new();
    put_value(&mut request, FrameKind::Header, &header);
    put_prefix(&mut request, FrameKind::Message, 8);
    request.extend_from_slice(&(2_usize << 20).to_le_bytes());
    let mut streams = Vec::new();
    for _ in 0..16 {
        streams.push(write(&connection, &request).await);
    }
    while !running.metrics().calls.contains_key(&StatusCode::Cancelled) {
        tokio::task::yield_now().await;
    }
    let slow = quinn::ReadToEndError::Read(quinn::ReadError::Reset(Abandon::Slow.code()));
    let mut cut_off = 0;
    for mut stream in streams {
        match stream.read_to_end(3 << 20).await {
            Ok(answer) => assert!(answer.len() > 2 << 20),
            Err(error) => {
                assert_eq!(error, slow);
                cut_off += 1;
            }
        }
    }
    assert!(cut_off > 0);
}

#[tokio::test]
async fn a_link_from_one_who_is_no_validator_ends_the_connection() {
    let (server, ..) = serve(ServerLimits::default());
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let mut send = connection.quinn.open_uni().await.unwrap();
    let mut head = BytesMut::new();
    put_value(
        &mut head,
        FrameKind::Link,
        &LinkHeader { class: LinkClass::Bulk, process: ProcessId([1; 16]) },
    );
    send.write_all(&head).await.unwrap();
    assert_eq!(closed(&connection.quinn).await.0, Close::LinkRefused as u64);
}

#[tokio::test]
async fn a_links_message_past_the_limit_ends_the_connection() {
    let limits = ServerLimits { validator_message_bytes_max: 1000, ..ServerLimits::default() };
    let (server, _running, node, mut events) = serve(limits);
    node.validators.lock().unwrap().insert(key(2));
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    let mut send = connection.quinn.open_uni().await.unwrap();
    let mut bytes = BytesMut::new();
    put_value(
        &mut bytes,
        FrameKind::Link,
        &LinkHeader { class: LinkClass::Bulk, process: ProcessId([1; 16]) },
    );
    put_prefix(&mut bytes, FrameKind::Message, 1000);
    bytes.extend_from_slice(&[7; 1000]);
    put_prefix(&mut bytes, FrameKind::Message, 1001);
    send.write_all(&bytes).await.unwrap();
    assert_eq!(next(&mut events).await, Event::Message(key(2), LinkClass::Bulk, vec![7; 1000].into()));
    assert_eq!(closed(&connection.quinn).await.0, Close::Protocol as u64);
}

/// A server that answers whatever it is asked with these bytes.
async fn answering(bytes: Vec<u8>) -> (Endpoint, tokio::task::JoinHandle<()>) {
    let endpoint = endpoint(1);
    endpoint.accept_calls(10);
    let quinn = endpoint.quinn().clone();
    let task = tokio::spawn(async move {
        while let Some(incoming) = quinn.accept().await {
            let connection = incoming.await.unwrap();
            while let Ok((mut send, mut receive)) = connection.accept_bi().await {
                drop(receive.read_to_end(10_000).await);
                send.write_all(&bytes).await.unwrap();
                send.finish().unwrap();
            }
        }
    });
    (endpoint, task)
}

#[tokio::test]
async fn a_server_that_answers_what_no_server_may_is_an_error_and_not_a_panic() {
    let frame = |kind, payload: &[u8]| {
        let mut bytes = BytesMut::new();
        put_prefix(&mut bytes, kind, payload.len());
        bytes.extend_from_slice(payload);
        bytes.to_vec()
    };
    let ok = || hypermesh_base::encode(&Status::ok());
    let long = hypermesh_base::encode(&(StatusCode::Internal, vec![b'a'; 1025], Vec::<u8>::new()));
    for answer in [
        vec![],
        vec![0xff; 20],
        frame(FrameKind::Header, b"hello"),
        frame(FrameKind::Message, b"hello"),
        frame(FrameKind::Status, b"hello"),
        frame(FrameKind::Status, &ok()),
        frame(FrameKind::Status, &long),
        [frame(FrameKind::Message, b"a"), frame(FrameKind::Message, b"b"), frame(FrameKind::Status, &ok())]
            .concat(),
        [frame(FrameKind::Message, b"a"), frame(FrameKind::Status, &ok()), vec![0]].concat(),
    ] {
        let (server, task) = answering(answer).await;
        let result =
            client(2).call(&peer_of(&server), "dns", "echo", vec![], CallOptions::repeatable(LONG)).await;
        assert!(matches!(result, Err(CallError::Protocol { .. })), "{result:?}");
        task.abort();
    }
}
