//! Two processes with one key.

use super::*;
use std::collections::BTreeMap;
use std::time::Instant;

type Statuses = mpsc::UnboundedReceiver<LinkStatus>;

fn link(endpoint: &Endpoint, to: SocketAddrV6) -> (Links, Statuses) {
    let (sender, statuses) = mpsc::unbounded_channel();
    let on_status: OnStatus = Arc::new(move |_, status| {
        let _gone = sender.send(status);
    });
    (Links::start(endpoint, BTreeMap::from([(key(1), to)]), LinkConfig::default(), on_status), statuses)
}

async fn next_status(statuses: &mut Statuses) -> LinkStatus {
    tokio::time::timeout(LONG, statuses.recv()).await.unwrap().unwrap()
}

fn said(byte: u8) -> Event {
    Event::Message(key(2), LinkClass::Consensus, vec![byte].into())
}

#[tokio::test]
async fn the_second_of_two_processes_with_one_key_is_refused_while_the_first_answers() {
    let (server, _running, node, mut events) = serve(ServerLimits::default());
    node.validators.lock().unwrap().insert(key(2));
    let to = server.local_addr().unwrap();
    let (first, second) = (endpoint(2), endpoint(2));
    let (first_links, mut first_statuses) = link(&first, to);
    first_links.send(&key(1), LinkClass::Consensus, vec![1]).unwrap();
    assert_eq!(next(&mut events).await, said(1));

    let (second_links, mut statuses) = link(&second, to);
    second_links.send(&key(1), LinkClass::Consensus, vec![2]).unwrap();
    assert_eq!(next_status(&mut statuses).await, LinkStatus::Connected);
    assert_eq!(next_status(&mut statuses).await, LinkStatus::Lost);
    assert_eq!(next_status(&mut statuses).await, LinkStatus::Refused);
    assert_eq!(next(&mut events).await, Event::Rival(key(2)), "the server tells, and takes no message");

    first_links.send(&key(1), LinkClass::Consensus, vec![3]).unwrap();
    loop {
        match next(&mut events).await {
            Event::Rival(_) => {}
            event => break assert_eq!(event, said(3)),
        }
    }
    assert_eq!(next_status(&mut first_statuses).await, LinkStatus::Connected);
    assert!(first_statuses.try_recv().is_err(), "the first keeps its link");
}

#[test]
fn a_process_that_comes_after_one_that_was_killed_is_linked_within_two_seconds() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (serving, dying) = (runtime(), runtime());
    let (server, _running, node, mut events) = {
        let _inside = serving.enter();
        serve(ServerLimits::default())
    };
    node.validators.lock().unwrap().insert(key(2));
    let to = server.local_addr().unwrap();
    dying.spawn(async move {
        let (links, _statuses) = link(&endpoint(2), to);
        links.send(&key(1), LinkClass::Consensus, vec![1]).unwrap();
        std::future::pending::<()>().await;
    });
    assert_eq!(serving.block_on(next(&mut events)), said(1));
    // Like a power cut: not a word to anyone.
    dying.shutdown_timeout(LONG);

    let killed = Instant::now();
    serving.block_on(async {
        let second = endpoint(2);
        let (links, _statuses) = link(&second, to);
        links.send(&key(1), LinkClass::Consensus, vec![2]).unwrap();
        assert_eq!(next(&mut events).await, said(2));
    });
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
}
