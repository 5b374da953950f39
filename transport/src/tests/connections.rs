//! Who gets a connection, and for how long.

use super::*;
use crate::close::Close;
use crate::frame::{FrameKind, Header, put_prefix, put_value};
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig as TlsConfig, SignatureScheme};

#[tokio::test]
async fn a_server_without_the_pinned_key_is_refused() {
    let (server, ..) = serve(ServerLimits::default());
    let addr = server.local_addr().unwrap();
    let dial = async |expect| endpoint(2).dial(&Peer { addr, expect }).await.map(|connection| connection.key);
    assert_eq!(dial(Expect::Key(key(1))).await, Ok(key(1)));
    assert_eq!(dial(Expect::Key(key(3))).await, Err(DialError::WrongKey { addr }));
    let any_of = |seeds: &[u8]| Expect::AnyOf(Arc::new(seeds.iter().map(|seed| key(*seed)).collect()));
    assert_eq!(dial(any_of(&[1, 3])).await, Ok(key(1)));
    assert_eq!(dial(any_of(&[3, 4])).await, Err(DialError::WrongKey { addr }));
    assert_eq!(dial(any_of(&[])).await, Err(DialError::WrongKey { addr }));
}

#[tokio::test]
async fn a_call_to_a_server_without_the_pinned_key_is_not_repeated() {
    let (endpoint, ..) = serve(ServerLimits::default());
    let peer = Peer { expect: Expect::Key(key(3)), ..peer_of(&endpoint) };
    let client = client(2);
    let error = client.call(&peer, "dns", "echo", vec![], CallOptions::repeatable(LONG)).await.unwrap_err();
    assert_eq!((error.code(), client.metrics().retries), (StatusCode::Unauthenticated, 0));
}

/// A connection with a TLS configuration that was tampered with; what the server makes of it.
async fn tampered(change: impl FnOnce(&mut TlsConfig)) -> quinn::ConnectionError {
    let (server, ..) = serve(ServerLimits::default());
    let client = endpoint(2);
    let mut config = client.tls().rustls_client(&Expect::Key(key(1))).unwrap();
    change(&mut config);
    let suite = client.env().crypto.initial_suite();
    let config = quinn::crypto::rustls::QuicClientConfig::with_initial(Arc::new(config), suite).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    match client.quinn().connect_with(config, server.local_addr().unwrap().into(), "stoq").unwrap().await {
        Err(error) => error,
        // The client is done before the server has judged its certificate.
        Ok(connection) => connection.closed().await,
    }
}

fn alert(error: &quinn::ConnectionError) -> u64 {
    match error {
        quinn::ConnectionError::ConnectionClosed(close) => u64::from(close.error_code) - 0x100,
        error => panic!("{error} where a TLS alert was expected"),
    }
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let error = tampered(|config| config.alpn_protocols = vec![b"h3".to_vec()]).await;
    assert_eq!(alert(&error), 120, "no_application_protocol");
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    #[derive(Debug)]
    struct NoCertificate;
    impl ResolvesClientCert for NoCertificate {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            None
        }
        fn has_certs(&self) -> bool {
            false
        }
    }
    let error = tampered(|config| config.client_auth_cert_resolver = Arc::new(NoCertificate)).await;
    assert_eq!(alert(&error), 116, "certificate_required");
}

#[tokio::test]
async fn a_caller_that_shows_another_ones_certificate_is_refused() {
    #[derive(Debug)]
    struct Stolen(Arc<CertifiedKey>);
    impl ResolvesClientCert for Stolen {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
        fn has_certs(&self) -> bool {
            true
        }
    }
    let (env, victim) = (env(2), env(3).identity);
    let key = env.crypto.provider().key_provider.load_private_key(env.identity.private_key_der()).unwrap();
    let stolen = Stolen(Arc::new(CertifiedKey::new(vec![victim.certificate_der()], key)));
    let error = tampered(|config| config.client_auth_cert_resolver = Arc::new(stolen)).await;
    assert_eq!(alert(&error), 51, "decrypt_error");
}

#[tokio::test]
async fn a_key_with_as_many_connections_as_it_may_have_loses_its_oldest() {
    let limits = ServerLimits { connections_per_key_max: 2, ..ServerLimits::default() };
    let (server, ..) = serve(limits);
    let client = endpoint(2);
    let mut connections = Vec::new();
    for _ in 0..3 {
        let connection = client.dial(&peer_of(&server)).await.unwrap();
        // A server has registered a connection when it answers on it.
        ping(&connection.quinn).await;
        connections.push(connection);
    }
    assert_eq!(closed(&connections[0].quinn).await.0, Close::Replaced as u64);
    ping(&connections[1].quinn).await;
    ping(&connections[2].quinn).await;
}

#[tokio::test]
async fn for_clients_past_the_limit_the_longest_idle_gives_way_and_validators_do_not() {
    let limits = ServerLimits { clients_max: 1, ..ServerLimits::default() };
    let (server, running, node, _events) = serve(limits);
    node.validators.lock().unwrap().insert(key(4));
    let peer = peer_of(&server);
    let endpoints = [endpoint(2), endpoint(3), endpoint(4)];
    let first = endpoints[0].dial(&peer).await.unwrap();
    ping(&first.quinn).await;
    let validator = endpoints[2].dial(&peer).await.unwrap();
    ping(&validator.quinn).await;
    let second = endpoints[1].dial(&peer).await.unwrap();
    ping(&second.quinn).await;
    assert_eq!(closed(&first.quinn).await.0, Close::Crowded as u64);
    ping(&validator.quinn).await;
    assert_eq!((running.metrics().connections_open, running.metrics().connections_refused), (2, 0));
}

#[tokio::test]
async fn a_newcomer_proves_its_address_first_when_the_server_is_busy() {
    let limits = ServerLimits { unvalidated_handshakes_max: 0, ..ServerLimits::default() };
    let (server, ..) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    ping(&connection.quinn).await;
    assert_eq!(server.quinn().stats().accepted_handshakes, 1);
}

#[tokio::test]
async fn handshakes_past_the_limit_are_refused() {
    let dialled = async |handshakes_max| {
        let (server, ..) = serve(ServerLimits { handshakes_max, ..ServerLimits::default() });
        endpoint(2).dial(&peer_of(&server)).await.map(|connection| connection.key)
    };
    assert_eq!(dialled(1).await, Ok(key(1)));
    let refused = dialled(0).await;
    assert!(matches!(refused, Err(DialError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_client_that_asks_nothing_for_long_is_closed() {
    let limits = ServerLimits { silence_timeout: Duration::from_millis(30), ..ServerLimits::default() };
    let (server, ..) = serve(limits);
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    assert_eq!(closed(&connection.quinn).await.0, Close::Silent as u64);
}

#[tokio::test]
async fn whoever_becomes_a_validator_has_to_come_again() {
    let (server, running, node, _events) = serve(ServerLimits::default());
    let client = endpoint(2);
    let connection = client.dial(&peer_of(&server)).await.unwrap();
    ping(&connection.quinn).await;
    running.review();
    ping(&connection.quinn).await;
    node.validators.lock().unwrap().insert(key(2));
    running.review();
    assert_eq!(closed(&connection.quinn).await.0, Close::RoleChanged as u64);
}

/// Calls `stoq/ping` on this very connection.
pub(super) async fn ping(connection: &quinn::Connection) {
    let header = Header {
        version: 1,
        service: "stoq".into(),
        method: "ping".into(),
        deadline_ms: 10_000,
        idempotency_key: None,
        trace_id: [0; 16],
    };
    let mut request = bytes::BytesMut::new();
    put_value(&mut request, FrameKind::Header, &header);
    put_prefix(&mut request, FrameKind::Message, 0);
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    send.write_all(&request).await.unwrap();
    send.finish().unwrap();
    assert!(!receive.read_to_end(100).await.unwrap().is_empty());
}
