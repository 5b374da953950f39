//! A few parts of the network that hold all places of a server, and somebody from elsewhere who wants one.

use super::determinism::seeded_at;
use super::memory_net::MemoryNet;
use super::*;
use tokio::task::JoinHandle;

/// A server at `2001:db8::1`, on a network on which every host has an address of its own.
struct Crowd {
    net: Arc<MemoryNet>,
    server: Server,
    node: Arc<Node>,
    events: Events,
    peer: Peer,
}

fn address(part: u16, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new([0x2001, 0xdb8, part, 0, 0, 0, 0, 1].into(), port, 0, 0)
}

impl Crowd {
    fn new(limits: ServerLimits) -> Self {
        let net = MemoryNet::new(Duration::from_millis(5));
        let (endpoint, (node, events)) = (seeded_at(&net, 1, 1, address(0, 1)), node());
        let server = Server::start(&endpoint, node.clone(), limits);
        let peer = Peer { addr: address(0, 1), expect: Expect::Key(key(1)) };
        Self { net, server, node, events, peer }
    }

    /// Whoever has this number, in this part of the network.
    fn client(&self, part: u16, number: u8) -> Client {
        Client::new(&seeded_at(&self.net, 1, number, address(part, number.into())), ClientConfig::default())
    }

    /// A call that lasts until its time is over, once it is being answered.
    async fn busy(&mut self, part: u16, number: u8) -> JoinHandle<Result<Bytes, CallError>> {
        let (client, peer) = (self.client(part, number), self.peer.clone());
        let options = CallOptions::once(Duration::from_secs(59));
        let call =
            tokio::spawn(async move { client.call(&peer, "dns", "wait", vec![number], options).await });
        assert_eq!(next_call(&mut self.events).await.body, [number][..]);
        call
    }

    /// A streaming call that lasts, and whether it was let in.
    async fn streaming(&self, client: &Client) -> Result<MessageStream, CallError> {
        let options = CallOptions::once(Duration::from_secs(3600));
        let mut stream = client.stream(&self.peer, "dns", "hold", vec![7], options).await?;
        stream.next().await.map(|_| stream)
    }

    async fn echo(&self, client: &Client) -> Result<Bytes, CallError> {
        client.call(&self.peer, "dns", "echo", vec![7], CallOptions::once(LONG)).await
    }
}

fn on_paused_time<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

#[test]
fn calls_of_a_few_parts_of_the_network_keep_nobody_out_who_is_from_elsewhere() {
    on_paused_time(async {
        let limits = ServerLimits { clients_max: 6, clients_per_prefix_max: 3, ..ServerLimits::default() };
        let mut crowd = Crowd::new(limits);
        let mut calls = Vec::new();
        for (part, number) in [(1, 11), (1, 12), (1, 13), (2, 21), (2, 22), (2, 23)] {
            calls.push(crowd.busy(part, number).await);
        }
        let newcomer = crowd.client(3, 31);
        assert_eq!(crowd.echo(&newcomer).await.unwrap(), [7][..]);
        // The call that has run longest made room, of one of the two that had the most.
        let lost = calls.remove(0).await.unwrap().unwrap_err();
        assert!(lost.to_string().contains("your network prefix has the most"), "{lost}");
        assert!(calls.iter().all(|call| !call.is_finished()));
        // They take nothing back from whoever holds less than they do.
        for number in [14, 15] {
            let refused = crowd.echo(&crowd.client(1, number)).await.unwrap_err();
            assert!(refused.to_string().contains("has more than yours"), "{refused}");
        }
        assert_eq!(crowd.echo(&newcomer).await.unwrap(), [7][..]);
        assert_eq!((newcomer.metrics().dials, crowd.server.metrics().connections_open), (1, 6));
        crowd.node.gate.add_permits(calls.len());
    });
}

#[test]
fn streams_of_a_few_parts_of_the_network_keep_nobody_out_who_is_from_elsewhere() {
    on_paused_time(async {
        let limits = ServerLimits { streams_max: 4, streams_per_prefix_max: 2, ..ServerLimits::default() };
        let crowd = Crowd::new(limits);
        let mut streams = Vec::new();
        for (part, number) in [(1, 11), (1, 12), (2, 21), (2, 22)] {
            streams.push(crowd.streaming(&crowd.client(part, number)).await.unwrap());
        }
        let _newcomer = crowd.streaming(&crowd.client(3, 31)).await.unwrap();
        let ended = status(streams[0].next().await.unwrap_err());
        assert_eq!(ended.code(), StatusCode::ResourceExhausted);
        assert!(matches!(ended.advice(), Some(Advice::RetryAfter { .. })), "{ended:?}");
        // Part 2 has the most; part 1 holds as much as part 3.
        let _another = crowd.streaming(&crowd.client(4, 41)).await.unwrap();
        assert_eq!(status(streams[2].next().await.unwrap_err()).code(), StatusCode::ResourceExhausted);
        for part in [1, 5] {
            let refused = crowd.streaming(&crowd.client(part, 51)).await.err().unwrap();
            assert_eq!(status(refused).code(), StatusCode::ResourceExhausted);
        }
        assert_eq!(crowd.server.metrics().streams_open, 4);
    });
}
