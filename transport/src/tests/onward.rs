//! A call that makes another necessary, at another service.

use super::*;

/// A service that passes on what it is asked to the next one.
struct Relay {
    client: Client,
    next: Peer,
    clock: Arc<dyn Clock>,
}

impl Handler for Relay {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            let options = call.onward(self.clock.now().mono);
            let answer = self.client.call(&self.next, "dns", &call.method, call.body, options).await;
            answer.map_err(|error| Status::new(error.code(), error.to_string()))
        })
    }
}

#[tokio::test]
async fn what_is_asked_onward_has_what_is_left_of_the_time_and_the_same_trace_id() {
    let (last, _server, _node, mut events) = serve(ServerLimits::default());
    let middle = endpoint(4);
    let relay = Relay {
        client: Client::new(&middle, ClientConfig::default()),
        next: peer_of(&last),
        clock: middle.env().clock.clone(),
    };
    let _relaying = Server::start(&middle, Arc::new(relay), ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&middle));
    let options = CallOptions { trace_id: Some([9; 16]), ..CallOptions::once(Duration::from_secs(10)) };
    client.call(&peer, "ca", "echo", vec![1], options).await.unwrap();
    let now = last.env().clock.now().mono;
    let call = next_call(&mut events).await;
    assert_eq!((call.caller, call.trace_id), (key(4), [9; 16]));
    let left = call.deadline.since(now);
    assert!(left <= Duration::from_secs(10), "{left:?}");
    // The first caller's time is up: so is that of all who work for it.
    let begin = last.env().clock.now().mono;
    let options = CallOptions::once(Duration::from_millis(150));
    let late = client.call(&peer, "ca", "wait", vec![], options).await.unwrap_err();
    assert_eq!(late.code(), StatusCode::DeadlineExceeded);
    let call = next_call(&mut events).await;
    assert!(call.deadline.since(begin) < LONG / 10, "not the relay's own time");
    assert_eq!(next(&mut events).await, Event::Dropped);
}
