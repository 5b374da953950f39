//! A service of one's own on STOQ. It gets its certificate, announces itself under a lease, and is found by its name:
//!
//! ```text
//! HYPERMESH_CONTEXT=context.toml cargo run -p hypermesh --example greeter -- \
//!     greeter.demo.hypermesh east "[::1]:7000"
//! ```
//!
//! and the example `greet` finds it, or another instance with another label. Ctrl-C withdraws it; killed, it is gone when its
//! lease is over.

use hypermesh::client::MeshClient;
use hypermesh::context::Context;
use hypermesh_core::base::SecretKey;
use hypermesh_core::state::{
    AnnounceService, InstanceHealth, InstanceName, LEAF_SECONDS_DEFAULT, Location, Offer, ServiceProtocol,
};
use hypermesh_core::trustchain::DomainName;
use std::net::SocketAddrV6;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stoq::{
    BoxFuture, Bytes, Call, CallStream, Endpoint, Env, Handler, Identity, MethodShape, MethodTraits, Server,
    ServerLimits, Status, TransportConfig,
};

/// Greets, and counts down.
pub(crate) struct Greeter;

impl Handler for Greeter {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Bytes, Status>> {
        Box::pin(async move {
            match (call.service.as_str(), call.method.as_str()) {
                ("greeter", "greet") => Ok(format!("hello, {}", String::from_utf8_lossy(&call.body)).into()),
                (service, method) => Err(Status::unimplemented(service, method)),
            }
        })
    }

    fn stream<'a>(&'a self, call: Call, stream: &'a mut CallStream<'_>) -> BoxFuture<'a, Result<(), Status>> {
        Box::pin(async move {
            for number in (1..=call.body.len()).rev() {
                stream.send(number.to_string().into()).await?;
            }
            Ok(())
        })
    }

    fn traits(&self, service: &str, method: &str) -> MethodTraits {
        match (service, method) {
            // A greeting changes nothing, so it may come in a connection's first flight.
            ("greeter", "greet") => MethodTraits { early: true, ..MethodTraits::default() },
            ("greeter", "count_down") => {
                MethodTraits { shape: MethodShape::ServerStreaming, ..MethodTraits::default() }
            }
            _ => MethodTraits::default(),
        }
    }
}

/// An instance that serves with a new key, which the mesh certifies; what it says of itself is to be announced.
pub(crate) async fn begin(
    mesh: &MeshClient,
    service: &DomainName,
    label: &str,
    listen: SocketAddrV6,
) -> Result<(Endpoint, AnnounceService), Box<dyn std::error::Error>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
    let key = SecretKey::from_seed(seed);
    let env = Env::real(Identity::new(key.clone()));
    let endpoint = Endpoint::bind(env, listen, TransportConfig::default())?;
    let _server = Server::start(&endpoint, Arc::new(Greeter), ServerLimits::default());
    let listens = endpoint.local_addr()?;
    let (protocol, label) = (ServiceProtocol::stoq(), label.to_owned());
    let announcement = AnnounceService {
        instance: InstanceName { service: service.clone(), protocol, label },
        offer: Offer {
            location: Location::Addresses(vec![*listens.ip()]),
            port: listens.port(),
            priority: 0,
            weight: 1,
            health: InstanceHealth::Passing,
            tags: Vec::new(),
        },
        lease_seconds: 30,
    };
    mesh.certify_host(&announcement.instance.host(), &key, listens.port(), LEAF_SECONDS_DEFAULT).await?;
    Ok((endpoint, announcement))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, service, label, listen] =
        std::env::args().collect::<Vec<_>>().try_into().map_err(|_| "SERVICE LABEL ADDRESS")?;
    let context = Context::read(Path::new(&std::env::var("HYPERMESH_CONTEXT")?))?;
    let mesh = MeshClient::connect(&context, Duration::from_secs(5)).await?;
    let (endpoint, announcement) = begin(&mesh, &service.parse()?, &label, listen.parse()?).await?;
    let stopped = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    mesh.keep_announced(&announcement, stopped, |news| println!("{news:?}")).await?;
    mesh.close().await;
    endpoint.close().await;
    Ok(())
}
