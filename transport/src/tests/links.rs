//! Links between validators.

use super::*;
use std::collections::BTreeMap;

/// The status changes of a node's links.
fn statuses() -> (OnStatus, mpsc::UnboundedReceiver<(PublicKey, LinkStatus)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let on_status = move |key, status| {
        let _gone = sender.send((key, status));
    };
    (Arc::new(on_status), receiver)
}

fn link(endpoint: &Endpoint, to: SocketAddrV6, on_status: OnStatus) -> Links {
    Links::start(endpoint, BTreeMap::from([(key(1), to)]), LinkConfig::default(), on_status)
}

async fn message(events: &mut Events) -> (LinkClass, u32) {
    match next(events).await {
        Event::Message(from, class, bytes) => {
            assert_eq!(from, key(2));
            (class, u32::from_le_bytes(bytes[..4].try_into().unwrap()))
        }
        event => panic!("{event:?} where a message was expected"),
    }
}

#[tokio::test]
async fn messages_of_a_class_arrive_in_order_and_the_link_is_told_to_stand() {
    let (server, running, node, mut events) = serve(ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    let (on_status, mut statuses) = statuses();
    let from = endpoint(2);
    let links = link(&from, server.local_addr().unwrap(), on_status);
    for n in 0..200_u32 {
        let large = [&n.to_le_bytes()[..], &vec![7; 5000]].concat();
        links.send(&key(1), LinkClass::Bulk, large).unwrap();
        links.send(&key(1), LinkClass::Consensus, n.to_le_bytes().to_vec()).unwrap();
    }
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Connected)));
    let mut expected = BTreeMap::from([(LinkClass::Consensus, 0), (LinkClass::Bulk, 0)]);
    for _ in 0..400 {
        let (class, n) = message(&mut events).await;
        let expected = expected.get_mut(&class).unwrap();
        assert_eq!(n, *expected);
        *expected += 1;
    }
    let metrics = &links.metrics()[&key(1)];
    assert_eq!((metrics.connected, metrics.dials, metrics.sent, metrics.waiting_bytes), (true, 1, 400, 0));
    assert_eq!(running.metrics().link_messages, 400);
}

#[tokio::test]
async fn a_link_stands_again_after_its_peer_restarted_and_what_waited_arrives() {
    let (on_status, mut statuses) = statuses();
    let from = endpoint(2);
    let (first, running, node, mut events) = serve(ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    let addr = first.local_addr().unwrap();
    let links = link(&from, addr, on_status);
    links.send(&key(1), LinkClass::Consensus, vec![1, 0, 0, 0]).unwrap();
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Connected)));
    assert_eq!(message(&mut events).await, (LinkClass::Consensus, 1));

    first.close().await;
    drop((first, running));
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Lost)));
    for n in 2..5_u8 {
        links.send(&key(1), LinkClass::Consensus, vec![n, 0, 0, 0]).unwrap();
    }
    let second = rebind(addr).await;
    let _running = Server::start(&second, node, ServerLimits::default());
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Connected)));
    for n in 2..5 {
        assert_eq!(message(&mut events).await, (LinkClass::Consensus, n));
    }
}

/// Binds an address again as soon as its last endpoint is gone.
async fn rebind(addr: SocketAddrV6) -> Endpoint {
    loop {
        match Endpoint::bind(env(1), addr, TransportConfig::default()) {
            Ok(endpoint) => return endpoint,
            Err(BindError::Socket { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn one_who_is_no_validator_there_gets_no_link() {
    let (server, running, _node, mut events) = serve(ServerLimits::default());
    let (on_status, mut statuses) = statuses();
    let from = endpoint(2);
    let links = link(&from, server.local_addr().unwrap(), on_status);
    links.send(&key(1), LinkClass::Consensus, vec![1, 0, 0, 0]).unwrap();
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Connected)));
    assert_eq!(statuses.recv().await, Some((key(1), LinkStatus::Lost)));
    assert_eq!((running.metrics().link_messages, events.try_recv().is_err()), (0, true));
}

#[tokio::test]
async fn messages_to_strangers_and_messages_past_the_limit_are_not_taken() {
    let from = endpoint(2);
    let links = Links::start(
        &from,
        BTreeMap::from([(key(1), localhost(9)), (key(2), localhost(9))]),
        LinkConfig { message_bytes_max: 10, ..LinkConfig::default() },
        Arc::new(|_, _| {}),
    );
    let unknown = |seed| Err(LinkError::UnknownPeer { key: key(seed) });
    assert_eq!(links.send(&key(2), LinkClass::Bulk, vec![]), unknown(2), "a node has no link to itself");
    assert_eq!(links.send(&key(3), LinkClass::Bulk, vec![]), unknown(3));
    assert_eq!(links.send(&key(1), LinkClass::Bulk, vec![0; 10]), Ok(()));
    let refused = LinkError::TooLong { bytes: 11, bytes_max: 10 };
    assert_eq!(links.send(&key(1), LinkClass::Bulk, vec![0; 11]), Err(refused));
    links.set_peers(BTreeMap::from([(key(3), localhost(9))]));
    assert_eq!(links.send(&key(1), LinkClass::Bulk, vec![]), unknown(1));
    assert_eq!(links.send(&key(3), LinkClass::Bulk, vec![]), Ok(()));
}

#[tokio::test]
async fn one_port_serves_calls_and_links_both_ways() {
    let (one, _running, node, mut events) = serve(ServerLimits::default());
    let two = endpoint(2);
    let (other, mut other_events) = super::node();
    let _other_running = Server::start(&two, other.clone(), ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    other.validators.lock().unwrap().insert(key(1));
    let quiet: OnStatus = Arc::new(|_, _| {});
    let peers = |endpoint: &Endpoint| BTreeMap::from([(endpoint.key(), endpoint.local_addr().unwrap())]);
    let from_one = Links::start(&one, peers(&two), LinkConfig::default(), quiet.clone());
    let from_two = Links::start(&two, peers(&one), LinkConfig::default(), quiet);
    from_one.send(&key(2), LinkClass::Consensus, vec![1]).unwrap();
    from_two.send(&key(1), LinkClass::Bulk, vec![2]).unwrap();
    assert_eq!(next(&mut other_events).await, Event::Message(key(1), LinkClass::Consensus, vec![1].into()));
    assert_eq!(next(&mut events).await, Event::Message(key(2), LinkClass::Bulk, vec![2].into()));
    let client = Client::new(&one, ClientConfig::default());
    let answer = client.call(&peer_of(&two), "dns", "echo", vec![3], CallOptions::once(LONG)).await;
    assert_eq!(
        (answer.unwrap(), next_call(&mut other_events).await.remote),
        (vec![3].into(), one.local_addr().unwrap())
    );
}

#[tokio::test]
async fn a_peer_that_has_moved_is_dialled_where_its_own_connection_comes_from() {
    let (one, running, node, _events) = serve(ServerLimits::default());
    let two = endpoint(2);
    let (other, mut other_events) = super::node();
    let _other_running = Server::start(&two, other.clone(), ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    other.validators.lock().unwrap().insert(key(1));
    let nobody_there = BTreeMap::from([(key(2), localhost(9))]);
    let links = Links::start(&one, nobody_there, LinkConfig::default(), Arc::new(|_, _| {}));
    links.set_locator(Arc::new(move |key| running.remote_of(key)));
    links.send(&key(2), LinkClass::Consensus, vec![1]).unwrap();

    let _from_two = link(&two, one.local_addr().unwrap(), Arc::new(|_, _| {}));
    assert_eq!(next(&mut other_events).await, Event::Message(key(1), LinkClass::Consensus, vec![1].into()));
    assert!(links.metrics()[&key(2)].dials > 1, "it was looked for at its address first");
}

#[tokio::test]
async fn who_is_seen_elsewhere_must_hold_the_key_of_who_is_looked_for() {
    let (stranger, _running, _node, mut events) = serve(ServerLimits::default());
    let from = endpoint(3);
    let nobody_there = BTreeMap::from([(key(2), localhost(9))]);
    let (on_status, mut statuses) = statuses();
    let links = Links::start(&from, nobody_there, LinkConfig::default(), on_status);
    let at = stranger.local_addr().unwrap();
    links.set_locator(Arc::new(move |_| Some(at)));
    links.send(&key(2), LinkClass::Consensus, vec![1]).unwrap();
    // The third attempt is at the address again, so the second was at the stranger's.
    let dialled = async {
        while links.metrics()[&key(2)].dials < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, dialled).await.unwrap();
    assert!(events.try_recv().is_err() && statuses.try_recv().is_err());
}
