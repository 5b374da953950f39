//! Calls that are made again since their answers were lost: done once, answered as the first time.

use super::*;

fn keyed(key: u8) -> CallOptions {
    CallOptions { idempotency_key: Some([key; 16]), ..CallOptions::once(LONG) }
}

async fn draw(client: &Client, peer: &Peer, options: CallOptions) -> Bytes {
    client.call(peer, "dns", "draw", vec![1], options).await.unwrap()
}

#[tokio::test]
async fn a_repeat_over_another_connection_is_answered_with_the_first_outcome() {
    let (endpoint, _server, node, mut events) = serve(ServerLimits::default());
    let (first, again, peer) = (client(2), client(2), peer_of(&endpoint));
    let drawn = draw(&first, &peer, keyed(1)).await;
    drop(first);
    assert_eq!(draw(&again, &peer, keyed(1)).await, drawn);
    assert_eq!((node.drawn.load(Relaxed), next_call(&mut events).await.idempotency_key), (1, Some([1; 16])));
    assert!(events.try_recv().is_err(), "the handler was called once");
    // Another key, another call; another caller, another call.
    assert_ne!(draw(&again, &peer, keyed(2)).await, drawn);
    assert_ne!(draw(&client(3), &peer, keyed(1)).await, drawn);
    // Without a key, each is one of its own.
    draw(&again, &peer, CallOptions::once(LONG)).await;
    draw(&again, &peer, CallOptions::once(LONG)).await;
    assert_eq!(node.drawn.load(Relaxed), 5);
}

#[tokio::test]
async fn a_refusal_for_good_is_repeated_and_one_that_passes_is_tried_again() {
    let (endpoint, _server, node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    for _ in 0..3 {
        let refused = client.call(&peer, "dns", "refuse", vec![], keyed(1)).await.unwrap_err();
        assert_eq!(
            (status(refused.clone()).code(), status(refused).detail()),
            (StatusCode::NotFound, &[1, 2][..])
        );
    }
    next_call(&mut events).await;
    assert!(events.try_recv().is_err());
    node.gate.add_permits(1);
    let refused = client.call(&peer, "dns", "unavailable", vec![5], keyed(2)).await.unwrap_err();
    assert_eq!(status(refused).code(), StatusCode::Unavailable);
    assert_eq!(client.call(&peer, "dns", "unavailable", vec![5], keyed(2)).await.unwrap(), vec![5]);
}

#[tokio::test]
async fn another_request_under_a_used_key_is_refused_and_not_done() {
    let (endpoint, _server, node, _events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&endpoint));
    draw(&client, &peer, keyed(1)).await;
    for (method, body) in [("draw", vec![2]), ("refuse", vec![1])] {
        let refused = client.call(&peer, "dns", method, body, keyed(1)).await.unwrap_err();
        assert_eq!(status(refused.clone()).code(), StatusCode::AlreadyExists);
        assert!(status(refused).message().contains("idempotency key"));
    }
    assert_eq!(node.drawn.load(Relaxed), 1);
}

#[tokio::test]
async fn a_repeat_while_the_first_is_under_way_waits_for_it() {
    // Two are worked on at a time: who waits for the first must not keep the other place.
    let limits = ServerLimits { calls_working_max: 2, ..ServerLimits::default() };
    let (endpoint, server, node, mut events) = serve(limits);
    let peer = peer_of(&endpoint);
    let wait = |from: &Client| {
        let (client, peer) = (from.clone(), peer.clone());
        tokio::spawn(async move { client.call(&peer, "dns", "wait", vec![], keyed(1)).await })
    };
    let (one, two) = (client(2), client(2));
    let first = wait(&one);
    next_call(&mut events).await;
    let again: Vec<_> = (0..3).map(|_| wait(&two)).collect();
    // Another caller's calls go through all the while.
    let other = client(3);
    let mut left = 20;
    while server.metrics().connections_open < 3 || left > 0 {
        draw(&other, &peer, CallOptions::once(LONG)).await;
        // The test's handler hands each call, and with it the turn, to the test.
        assert_eq!(next_call(&mut events).await.caller, key(3), "the handler was called once for all four");
        left -= i32::from(server.metrics().connections_open >= 3);
    }
    node.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), Ok(Bytes::new()));
    for again in again {
        assert_eq!(again.await.unwrap(), Ok(Bytes::new()));
    }
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_repeat_of_what_was_given_up_is_done() {
    let (endpoint, _server, node, mut events) = serve(ServerLimits::default());
    let (one, two, peer) = (client(2), client(2), peer_of(&endpoint));
    let first = {
        let (one, peer) = (one.clone(), peer.clone());
        tokio::spawn(async move { one.call(&peer, "dns", "wait", vec![], keyed(1)).await })
    };
    next_call(&mut events).await;
    let again = tokio::spawn(async move { two.call(&peer, "dns", "wait", vec![], keyed(1)).await });
    first.abort();
    assert_eq!(next(&mut events).await, Event::Dropped);
    next_call(&mut events).await;
    node.gate.add_permits(1);
    assert_eq!(again.await.unwrap(), Ok(Bytes::new()));
}
