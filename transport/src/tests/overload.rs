//! More calls than the server works on: who is told to come back, and when, and that they do.

use super::*;
use tokio::task::JoinSet;

#[tokio::test]
async fn a_call_that_finds_no_room_is_told_when_to_come_back_and_one_caller_takes_no_others_room() {
    let limits = ServerLimits { calls_working_max: 1, calls_waiting_max: 8, ..ServerLimits::default() };
    let (endpoint, server, node, mut events) = serve(limits);
    let peer = peer_of(&endpoint);
    let patient = ClientConfig { attempts_max: 1000, ..ClientConfig::default() };
    let (greedy, modest) = (Client::new(&super::endpoint(2), patient), client(3));
    let mut flood = JoinSet::new();
    let ask = |client: &Client| {
        let (client, peer) = (client.clone(), peer.clone());
        async move { client.call(&peer, "dns", "wait", vec![], CallOptions::once(LONG)).await }
    };
    flood.spawn(ask(&greedy));
    // It is worked on until the test gives its turn back.
    let mut worked_on = vec![next_call(&mut events).await];
    for _ in 0..8 {
        flood.spawn(ask(&greedy));
    }
    while server.metrics().calls_waiting < 8 {
        tokio::task::yield_now().await;
    }
    // The line is full of one caller's calls: another's are let in for its last ones, up to as many.
    let mut modest_calls = JoinSet::new();
    for _ in 0..4 {
        modest_calls.spawn(ask(&modest));
    }
    let shed =
        |server: &Server| server.metrics().calls.get(&StatusCode::Unavailable).copied().unwrap_or_default();
    while shed(&server) < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.metrics().calls_waiting, 8);
    // They come back by themselves, are sent away again as long as there is no room, and are done once there is.
    node.gate.add_permits(1000);
    worked_on.clear();
    let drain = async {
        while let Some(done) = modest_calls.join_next().await {
            assert_eq!(done.unwrap(), Ok(Bytes::new()), "the modest caller is never sent away");
        }
        let mut done = 0;
        while let Some(outcome) = flood.join_next().await {
            done += usize::from(outcome.unwrap().is_ok());
        }
        done
    };
    let calls = async {
        // The test's handler hands each call, and with it the turn, to the test.
        while let Some(event) = events.recv().await {
            drop(event);
        }
    };
    let done = tokio::select! {
        biased;
        done = drain => done,
        () = calls => panic!("the node is there"),
    };
    assert_eq!(done, 9);
    assert_eq!((modest.metrics().retries, greedy.metrics().retries >= 4), (0, true));
}

#[tokio::test]
async fn a_client_comes_back_no_sooner_than_it_was_asked_to_and_gives_up_when_its_time_would_be_over() {
    /// Sends everybody away.
    struct Full(Advice);
    impl Handler for Full {
        fn call(&self, _call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
            let status = Status::new(StatusCode::ResourceExhausted, "full").with_advice(self.0);
            Box::pin(std::future::ready(Err(status)))
        }
    }
    for (ms, deadline, attempts) in [(60, 10_000, 3), (6_000, 6_100, 1), (200_000, 10_000, 1)] {
        let endpoint = endpoint(1);
        let full = Full(Advice::RetryAfter { ms });
        let _server = Server::start(&endpoint, Arc::new(full), ServerLimits::default());
        let config = ClientConfig { attempts_max: 3, ..ClientConfig::default() };
        let client = Client::new(&super::endpoint(2), config);
        let begin = endpoint.env().clock.now().mono;
        // Not marked as one that may be repeated: nothing was begun, so it may.
        let options = CallOptions::once(Duration::from_millis(deadline));
        let refused = client.call(&peer_of(&endpoint), "dns", "echo", vec![], options).await.unwrap_err();
        assert_eq!(status(refused).advice(), Some(Advice::RetryAfter { ms }));
        let took = endpoint.env().clock.now().mono.since(begin);
        assert_eq!(client.metrics().retries, attempts - 1);
        let waited = u64::from(ms) * (attempts - 1);
        assert!(took >= Duration::from_millis(waited), "{took:?} for {attempts} attempts");
    }
}
