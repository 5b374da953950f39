//! What one part of the network may have: connections and responses.

use super::*;
use crate::descriptors;

#[tokio::test]
async fn idle_connections_stop_nobody_who_asks() {
    descriptors::raise();
    let served = Served::start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        held.push(served.connect().await);
    }
    for asking in &mut held[1..] {
        asking.write_all(&framed(&query(1))).await.unwrap();
        assert_eq!(next_id(asking).await, 1);
    }
    assert_eq!(served.counters.evicted(Eviction::All), 0, "as many as may be");
    let mut honest = served.connect().await;
    honest.write_all(&framed(&query(9))).await.unwrap();
    assert_eq!(next_id(&mut honest).await, 9);
    assert!(is_closed(&mut held[0]).await, "the one that never asked");
    assert_eq!(served.counters.evicted(Eviction::All), 1);
    for other in &mut held[1..] {
        other.write_all(&framed(&query(2))).await.unwrap();
        assert_eq!(next_id(other).await, 2);
    }
    assert_eq!(served.counters.connections(), CONNECTIONS_MAX as u64 + 1);
}

/// Limits that hold for these tests' own addresses too, and that one response a second refills.
fn tight() -> DnsLimits {
    DnsLimits {
        responses_per_second: 1,
        burst_seconds: 10,
        connections_per_prefix: 4,
        loopback: true,
        ..DnsLimits::default()
    }
}

#[tokio::test]
async fn a_prefix_past_its_share_loses_the_connection_that_is_idle_for_longest() {
    let served = Served::start_with(tight()).await;
    let mut held = Vec::new();
    for id in 0..4 {
        let mut stream = served.connect().await;
        stream.write_all(&framed(&query(id))).await.unwrap();
        assert_eq!(next_id(&mut stream).await, id);
        held.push(stream);
    }
    // The first asks again, the second sends another query byte by byte.
    held[0].write_all(&framed(&query(5))).await.unwrap();
    assert_eq!(next_id(&mut held[0]).await, 5);
    held[1].write_all(&framed(&query(6))[..20]).await.unwrap();
    assert_eq!(served.counters.evicted(Eviction::Prefix), 0, "as many as a prefix may have");
    let mut newest = served.connect().await;
    newest.write_all(&framed(&query(7))).await.unwrap();
    assert_eq!(next_id(&mut newest).await, 7);
    assert!(is_closed(&mut held.remove(1)).await);
    for stream in &mut held {
        stream.write_all(&framed(&query(8))).await.unwrap();
        assert_eq!(next_id(stream).await, 8);
    }
    assert_eq!(served.counters.evicted(Eviction::Prefix), 1);
}

/// Where this test's own program is started again, with few file descriptors.
const FEW_DESCRIPTORS: &str = "HYPERMESH_TEST_FEW_DESCRIPTORS";

#[test]
fn a_process_without_descriptors_goes_on_taking_connections() {
    let this_test = std::env::current_exe().unwrap();
    let script = "ulimit -n 64 && exec \"$0\" --exact --ignored --nocapture dns_listener::tests::limits::with_few_descriptors";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(this_test)
        .env(FEW_DESCRIPTORS, "1")
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{output:?}");
}

/// Not a test by itself: [`a_process_without_descriptors_goes_on_taking_connections`] starts it. It is client and server in
/// one, so each connection takes two descriptors.
#[tokio::test]
#[ignore = "it is started by another test, with few file descriptors"]
async fn with_few_descriptors() {
    if std::env::var_os(FEW_DESCRIPTORS).is_none() {
        return;
    }
    let served = Served::start().await;
    let mut spare = Some(std::fs::File::open("/dev/null").unwrap());
    let mut held = Vec::new();
    while served.counters.evicted(Eviction::Descriptors) == 0 {
        match TcpStream::connect(served.address).await {
            Ok(stream) => held.push(stream),
            // The server's end of the one before took the last; now this end does.
            Err(error) => drop(spare.take().unwrap_or_else(|| panic!("{error}"))),
        }
        sleep(Duration::from_millis(1)).await;
    }
    let newest = held.last_mut().unwrap();
    newest.write_all(&framed(&query(9))).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(20), next_id(newest)).await.unwrap(), 9);
}

#[tokio::test]
async fn a_flood_over_udp_wins_its_burst_and_then_nothing_longer_than_itself() {
    let served = Served::start_with(tight()).await;
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(served.address).await.unwrap();
    let asked = question(7, &["big", "hypermesh"], 16);
    let (mut sent, mut whole, mut short) = (0_usize, 0_usize, 0_usize);
    let mut response = [0; 2000];
    while short < 20 {
        socket.send(&asked).await.unwrap();
        sent += 1;
        assert!(sent < 10_000);
        while let Ok(Ok(length)) = timeout(Duration::from_millis(20), socket.recv(&mut response)).await {
            let question_alone = response[6..12] == [0; 6] && response[..2] == [0, 7];
            if response[2] & 2 != 0 && length == asked.len() && question_alone {
                short += 1;
            } else {
                whole += 1;
            }
        }
    }
    // A big answer is truncated in any case, but with SOA or records; none of those past the burst has any.
    assert!(whole + short < sent, "{whole} and {short} of {sent}");
    assert!(served.counters.limited(RateClass::Positive) >= 20);
    assert_eq!(served.counters.limited(RateClass::All), 0);
}

#[tokio::test]
async fn a_client_past_its_rate_gets_its_answer_over_tcp() {
    let served = Served::start_with(tight()).await;
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(served.address).await.unwrap();
    let mut response = [0; 2000];
    let told = async {
        loop {
            socket.send(&query(3)).await.unwrap();
            let received = timeout(Duration::from_millis(20), socket.recv(&mut response)).await;
            if received.is_ok() && response[2] & 2 != 0 {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), told).await.expect("one past the rate is told to come over TCP");
    let mut stream = served.connect().await;
    stream.write_all(&framed(&query(4))).await.unwrap();
    assert_eq!(next_id(&mut stream).await, 4);
    assert_eq!(served.counters.tcp.responses(ResponseKind::NoError), 1);
}

#[tokio::test]
async fn a_resolver_on_the_list_of_the_exempt_is_answered_always_from_then_on() {
    let served = Served::start_with(DnsLimits { slip: 1, ..tight() }).await;
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(served.address).await.unwrap();
    let mut response = [0; 2000];
    let mut ask = async |id| {
        socket.send(&query(id)).await.unwrap();
        let length = timeout(Duration::from_secs(20), socket.recv(&mut response)).await.unwrap().unwrap();
        assert_eq!(response[..2], id.to_be_bytes());
        (length, response[2] & 2 != 0)
    };
    let mut asked = 0;
    while !ask(asked).await.1 {
        asked += 1;
        assert!(asked < 1000, "one is past the rate at last");
    }
    served.limits.send_replace(DnsLimits { exempt: vec!["::1".parse().unwrap()], ..tight() });
    for id in 0..100 {
        let (_, truncated) = ask(id).await;
        assert!(!truncated);
    }
    assert_eq!(served.counters.limited(RateClass::Positive), 1);
}
