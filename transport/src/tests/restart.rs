//! Servers that go away and come back, and calls that are tried again.

use super::*;
use std::sync::mpsc as blocking;

/// A server on a runtime of its own, which can be killed without a word to anyone.
struct Process {
    runtime: Option<tokio::runtime::Runtime>,
    addr: SocketAddrV6,
}

impl Process {
    fn start(addr: SocketAddrV6) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, bound) = blocking::channel();
        runtime.spawn(async move {
            let endpoint = Endpoint::bind(env(1), addr, TransportConfig::default()).unwrap();
            let _server = Server::start(&endpoint, node().0, ServerLimits::default());
            sender.send(endpoint.local_addr().unwrap()).unwrap();
            std::future::pending::<()>().await;
        });
        Self { addr: bound.recv().unwrap(), runtime: Some(runtime) }
    }

    fn peer(&self) -> Peer {
        Peer { addr: self.addr, expect: Expect::Key(key(1)) }
    }

    /// Ends it like a power cut: nothing more is sent. When this returns, the port is free.
    fn kill(mut self) -> SocketAddrV6 {
        self.runtime.take().unwrap().shutdown_timeout(LONG);
        self.addr
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn restarted(process: Process) -> Process {
    std::thread::spawn(|| Process::start(process.kill())).join().unwrap()
}

#[test]
fn a_repeatable_call_outlives_a_server_that_was_killed_and_restarted_at_once() {
    let process = Process::start(localhost(0));
    run(async {
        let (client, peer) = (client(2), process.peer());
        client.call(&peer, "dns", "echo", vec![1], CallOptions::once(LONG)).await.unwrap();
        let _process = restarted(process);
        let answer = client.call(&peer, "dns", "echo", vec![2], CallOptions::repeatable(LONG)).await;
        assert_eq!(answer.unwrap()[..], [2]);
        let metrics = client.metrics();
        assert_eq!((metrics.dials, metrics.retries), (2, 1));
        assert!(metrics.latency.max_us < 1_000_000, "the new server's reset tells it at once: {metrics:?}");
    });
}

#[test]
fn a_call_that_must_not_be_repeated_is_lost_with_the_server_and_the_next_one_is_not() {
    let process = Process::start(localhost(0));
    run(async {
        let (client, peer) = (client(2), process.peer());
        let once = CallOptions::once(LONG);
        client.call(&peer, "dns", "echo", vec![1], once.clone()).await.unwrap();
        let _process = restarted(process);
        let lost = client.call(&peer, "dns", "echo", vec![2], once.clone()).await;
        assert!(matches!(lost, Err(CallError::Lost { .. })), "{lost:?}");
        assert_eq!(client.call(&peer, "dns", "echo", vec![3], once).await.unwrap()[..], [3]);
        assert_eq!(client.metrics().retries, 0);
    });
}

#[test]
fn a_server_that_is_not_there_is_a_failure_within_the_dial_timeout_shared_by_all_who_wait() {
    let addr = Process::start(localhost(0)).kill();
    run(async {
        let transport =
            TransportConfig { dial_timeout: Duration::from_millis(50), ..TransportConfig::default() };
        let endpoint = Endpoint::bind(env(2), localhost(0), transport.clone()).unwrap();
        let client = Client::new(&endpoint, ClientConfig::default());
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let (client, peer) = (client.clone(), Peer { addr, expect: Expect::Key(key(1)) });
                tokio::spawn(async move {
                    client.call(&peer, "dns", "echo", vec![], CallOptions::once(LONG)).await
                })
            })
            .collect();
        let timeout = transport.dial_timeout;
        for call in calls {
            assert_eq!(call.await.unwrap(), Err(DialError::Timeout { addr, timeout }.into()));
        }
        assert_eq!(client.metrics().dials, 1);
    });
}

#[tokio::test]
async fn only_repeatable_calls_are_tried_again_under_one_idempotency_key() {
    let (server, _running, node, mut events) = serve(ServerLimits::default());
    let (client, peer) = (client(2), peer_of(&server));
    node.gate.add_permits(2);
    let once = client.call(&peer, "dns", "unavailable", vec![], CallOptions::once(LONG)).await;
    assert_eq!(status(once.unwrap_err()).code(), StatusCode::Unavailable);
    assert_eq!(next_call(&mut events).await.idempotency_key, None);

    node.gate.add_permits(1);
    client.call(&peer, "dns", "unavailable", vec![], CallOptions::repeatable(LONG)).await.unwrap();
    let keys = [(); 3].map(|()| events.try_recv().unwrap()).map(|event| match event {
        Event::Called(call) => call.idempotency_key,
        event => panic!("{event:?}"),
    });
    assert!(keys[0].is_some() && keys.iter().all(|key| *key == keys[0]));
    assert_eq!(client.metrics().retries, 2);
}

#[tokio::test]
async fn attempts_end_at_their_number_and_before_a_wait_past_the_deadline() {
    let (server, _running, node, _events) = serve(ServerLimits::default());
    let peer = peer_of(&server);
    node.gate.add_permits(100);
    let attempts = async |seed, first| {
        let retry = BackoffConfig { first, longest: 4 * LONG };
        let client = Client::new(&endpoint(seed), ClientConfig { retry, ..ClientConfig::default() });
        let before = node.gate.available_permits();
        let result = client.call(&peer, "dns", "unavailable", vec![], CallOptions::repeatable(LONG)).await;
        assert_eq!(result.unwrap_err().code(), StatusCode::Unavailable);
        before - node.gate.available_permits()
    };
    assert_eq!(attempts(2, Duration::from_millis(1)).await, 5);
    assert_eq!(attempts(3, 4 * LONG).await, 1);
}
