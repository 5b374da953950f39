//! A caller whose address changes under its connection, as when a router forgets its flows or a laptop changes networks.

use super::determinism::seeded;
use super::memory_net::MemoryNet;
use super::*;

#[test]
fn calls_and_streams_under_way_outlive_a_change_of_the_callers_address() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let net = MemoryNet::new(Duration::from_millis(5));
        let (server, (node, mut events)) = (seeded(&net, 1, 1), node());
        let running = Server::start(&server, node.clone(), ServerLimits::default());
        let client = Client::new(&seeded(&net, 1, 2), ClientConfig::default());
        let peer = Peer { addr: localhost(1), expect: Expect::Key(key(1)) };
        let options = CallOptions::once(LONG);
        let mut talk = client.converse(&peer, "dns", "talk", &b"before"[..], options.clone()).await.unwrap();
        assert_eq!(talk.next().await.unwrap().unwrap(), "before");
        let waiting = {
            let (client, peer, options) = (client.clone(), peer.clone(), options.clone());
            tokio::spawn(async move { client.call(&peer, "dns", "wait", vec![], options).await })
        };
        for _ in 0..2 {
            assert_eq!(next_call(&mut events).await.remote, localhost(2));
        }
        for (place, from) in [(77, 2), (78, 77)] {
            net.move_host(localhost(from), localhost(place));
            talk.send("after").await.unwrap();
            assert_eq!(talk.next().await.unwrap().unwrap(), "after");
            client.call(&peer, "dns", "echo", vec![], options.clone()).await.unwrap();
            assert_eq!(next_call(&mut events).await.remote, localhost(place));
        }
        node.gate.add_permits(1);
        assert_eq!(waiting.await.unwrap(), Ok(Bytes::new()));
        talk.finish();
        assert_eq!(talk.next().await, Ok(None));
        let metrics = client.metrics();
        assert_eq!((metrics.dials, metrics.retries, metrics.outcomes[&StatusCode::Ok]), (1, 0, 3));
        assert_eq!(running.metrics().connections_accepted, 1);
    });
}
