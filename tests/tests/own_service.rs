//! A service of a user's own: its name, certificate and records as typed, found by name, and trusted by what its
//! certificate says. The code is that of the examples `greeter` and `greet`, which users copy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod desk;

#[allow(dead_code, reason = "of the examples, their programs are left out")]
#[path = "../../real-node/examples/greet.rs"]
mod greet;
#[allow(dead_code, reason = "of the examples, their programs are left out")]
#[path = "../../real-node/examples/greeter.rs"]
mod greeter;

use desk::Desk;
use greet::greet;
use greeter::Greeter;
use hypermesh::client::MeshClient;
use hypermesh::context::Context;
use hypermesh_core::base::SecretKey;
use hypermesh_core::trustchain::DomainName;
use std::sync::Arc;
use std::time::Duration;
use stoq::{CallOptions, EarlyData, Endpoint, Env, Identity, Server, ServerLimits, TransportConfig};

fn serve(identity: Identity, address: &str) -> (Endpoint, Server) {
    let endpoint = Endpoint::bind(Env::real(identity), address.parse().unwrap(), TransportConfig::default());
    let endpoint = endpoint.unwrap();
    let server = Server::start(&endpoint, Arc::new(Greeter), ServerLimits::default());
    (endpoint, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_ones_own_is_found_by_name_and_nobody_can_stand_in_for_it() {
    let mut desk = Desk::new().await;
    // The port is the service's for as long as the test runs.
    let (endpoint, server) = serve(Identity::new(SecretKey::from_seed([7; 32])), "[::1]:0");
    let address = endpoint.local_addr().unwrap();
    let port = format!("{}/udp", address.port());
    let named = "greeter.demo.hypermesh";
    desk.succeed(&["cert", "issue", named, "--out", "greeter", "--key-type", "ed25519", "--port", &port]);
    let [root, chain, leaf] = ["root", "chain", "cert"].map(|file| format!("greeter/{file}.pem"));
    desk.openssl(&["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &chain, &leaf]);
    desk.succeed(&["dns", "set", named, "AAAA", "::1"]);
    let record = format!("0 1 {} {named}", address.port());
    desk.succeed(&["dns", "set", &format!("_stoq._udp.{named}"), "SRV", &record]);

    let context = Context::read(&desk.path("context.toml")).unwrap();
    let mesh = MeshClient::connect(&context, Duration::from_secs(20)).await.unwrap();
    let service: DomainName = named.parse().unwrap();
    // What listens there has another key than the certificate's.
    let refused = greet(&mesh, &service, "World").await.unwrap_err();
    assert!(refused.to_string().contains("does not hold the expected key"), "{refused}");
    endpoint.close().await;
    drop((endpoint, server));
    let identity = Identity::from_pem(&desk.read("greeter/key.pem")).unwrap();
    let (endpoint, _server) = loop {
        // A closed endpoint lets go of its address in its own time.
        match Endpoint::bind(Env::real(identity.clone()), address, TransportConfig::default()) {
            Ok(endpoint) => {
                let server = Server::start(&endpoint, Arc::new(Greeter), ServerLimits::default());
                break (endpoint, server);
            }
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(greet(&mesh, &service, "World").await.unwrap(), "hello, World");

    let [peer] = mesh.find(&service).await.unwrap().try_into().unwrap();
    let options = CallOptions::once(Duration::from_secs(10));
    let mut counting = mesh.stoq().stream(&peer, "greeter", "count_down", "abc", options).await.unwrap();
    let mut counted = Vec::new();
    while let Some(number) = counting.next().await.unwrap() {
        counted.push(number);
    }
    assert_eq!(counted, ["3", "2", "1"]);
    // A caller who comes back says what it has to say in the first flight.
    let first = mesh.stoq().ping(&peer, Duration::from_secs(10)).await.unwrap();
    mesh.stoq().disconnect(&peer);
    assert_eq!(greet(&mesh, &service, "again").await.unwrap(), "hello, again");
    let again = mesh.stoq().ping(&peer, Duration::from_secs(10)).await.unwrap();
    assert_eq!((first.early_data, again.early_data), (EarlyData::None, EarlyData::Accepted));

    let nobody = mesh.find(&"nobody.demo.hypermesh".parse().unwrap()).await.unwrap_err();
    assert!(nobody.message.contains("_stoq._udp.nobody.demo.hypermesh"), "{nobody}");
    desk.fail(&["rpc", "list", "greeter"], 6, "there is no service");
    mesh.close().await;
    endpoint.close().await;
    desk.mesh.stop().await;
}
