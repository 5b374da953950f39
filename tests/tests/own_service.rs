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
use hypermesh::client::{Answers, MeshClient};
use hypermesh::context::Context;
use hypermesh_core::api::{Request, Response, SubscribeServiceRequest};
use hypermesh_core::base::SecretKey;
use hypermesh_core::trustchain::DomainName;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};
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
    desk.fail(&["rpc", "list", "greeter"], 6, "unknown service");
    mesh.close().await;
    endpoint.close().await;
    desk.mesh.stop().await;
}

/// An instance of the greeter, and a process that announces it and can be killed.
async fn begin(desk: &Desk, mesh: &MeshClient, label: &str) -> (Endpoint, Child) {
    let service: DomainName = "greeter.demo.hypermesh".parse().unwrap();
    let (endpoint, announcement) =
        greeter::begin(mesh, &service, label, "[::1]:0".parse().unwrap()).await.unwrap();
    let port = announcement.offer.port.to_string();
    let words = ["service", "announce", service.as_str(), "--instance", label, "--port", &port];
    let mut child = desk.command(&words).args(["--address", "::1", "--lease", "10s"]).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with(&format!("announced {label}._stoq._udp.{service} until ")), "{said}");
    (endpoint, child)
}

/// The labels that a subscriber is told next.
async fn told(answers: &mut Answers) -> Vec<String> {
    match tokio::time::timeout(Duration::from_secs(60), answers.next()).await.unwrap().unwrap() {
        Some(Response::SubscribeService(state)) => {
            state.instances.into_iter().map(|instance| instance.label).collect()
        }
        other => panic!("{other:?} where instances were expected"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_go_on_at_another_instance_at_once_and_the_mesh_forgets_the_one_that_is_gone() {
    let mut desk = Desk::new().await;
    let service: DomainName = "greeter.demo.hypermesh".parse().unwrap();
    desk.fail(&["service", "list", "greeter.demo.hypermesh"], 6, "has no instances");
    let context = Context::read(&desk.path("context.toml")).unwrap();
    let mesh = Arc::new(MeshClient::connect(&context, Duration::from_secs(20)).await.unwrap());
    let request = Request::SubscribeService(SubscribeServiceRequest { name: service.clone() });
    let mut answers = mesh.stream_for(&request, Duration::from_secs(300)).await.unwrap();
    assert_eq!(told(&mut answers).await, [""; 0]);

    let (east, mut east_announcer) = begin(&desk, &mesh, "east").await;
    assert_eq!(told(&mut answers).await, ["east"]);
    assert_eq!(greet(&mesh, &service, "World").await.unwrap(), "hello, World");
    let followed = mesh.follow(&service);
    let (west, mut west_announcer) = begin(&desk, &mesh, "west").await;
    assert_eq!(told(&mut answers).await, ["east", "west"]);
    let listed = desk.succeed(&["service", "list", "greeter.demo.hypermesh"]);
    assert!(listed.contains("2 instances") && listed.contains("west stoq/udp west.greeter"), "{listed}");
    desk.fail(
        &["dns", "set", "_stoq._udp.greeter.demo.hypermesh", "SRV", "0 1 7000 east.greeter.demo.hypermesh"],
        5,
        "written by the mesh",
    );
    let listed = desk.succeed(&["--json", "service", "list", "greeter.demo.hypermesh"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["instances"][0]["protocol"], "stoq/udp");
    assert_eq!(listed["instances"][1]["health"], "passing");
    let watched = desk.succeed(&["--timeout", "2", "service", "watch", "greeter.demo.hypermesh"]);
    assert!(watched.contains("2 instances") && watched.contains("east stoq/udp"), "{watched}");
    let withdraw = ["service", "withdraw", "greeter.demo.hypermesh", "--instance"];
    desk.fail(&[&withdraw[..], &["north"]].concat(), 6, "is not announced");
    // The first is killed, with who renews its lease. DNS goes on naming it for a while; its callers go on at once.
    east_announcer.kill().unwrap();
    east_announcer.wait().unwrap();
    east.close().await;
    drop(east);
    for _ in 0..8 {
        let begun = Instant::now();
        assert_eq!(greet(&mesh, &service, "World").await.unwrap(), "hello, World");
        assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    }
    assert_eq!(told(&mut answers).await, ["west"], "its lease is over");
    let srv = desk.succeed(&["dns", "lookup", "_stoq._udp.greeter.demo.hypermesh", "SRV"]);
    assert!(srv.contains("west.greeter") && !srv.contains("east.greeter"), "{srv}");
    desk.fail(&["dns", "lookup", "east.greeter.demo.hypermesh", "AAAA"], 6, "has no AAAA");

    // How an instance is, it says when it renews its lease; ill, it is in no record.
    let port = mesh.find(&service).await.unwrap()[0].addr.port().to_string();
    let announce = ["service", "announce", "greeter.demo.hypermesh", "--instance", "south", "--port", &port];
    let ill = ["--address", "::1", "--tag", "canary", "--health", "critical", "--lease", "60", "--once"];
    let announced = desk.succeed(&[&announce[..], &ill].concat());
    assert!(announced.starts_with("announced south._stoq._udp.greeter.demo.hypermesh until "), "{announced}");
    assert_eq!(told(&mut answers).await, ["south", "west"]);
    let srv = desk.succeed(&["dns", "lookup", "_stoq._udp.greeter.demo.hypermesh", "SRV"]);
    assert_eq!(srv.lines().count(), 1, "{srv}");
    let withdrawn = desk.succeed(&[&withdraw[..], &["south"]].concat());
    assert!(withdrawn.starts_with("withdrew south."), "{withdrawn}");
    assert_eq!(told(&mut answers).await, ["west"]);

    // The other is told to end, and withdraws itself.
    let ended = Command::new("kill").args(["-TERM", &west_announcer.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert!(west_announcer.wait().unwrap().success());
    assert_eq!(told(&mut answers).await, [""; 0]);
    // Whoever follows the service hears of it in its own time; that is soon.
    let gone = async {
        loop {
            if let Err(gone) = greet(&mesh, &service, "World").await {
                return gone.to_string();
            }
        }
    };
    let nobody = tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    assert!(nobody.contains("no STOQ service at greeter.demo.hypermesh"), "{nobody}");
    drop((followed, answers));
    west.close().await;
    desk.mesh.stop().await;
}
