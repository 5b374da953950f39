//! A service of one's own on STOQ. The mesh gives it a name, a certificate and an entry in its DNS:
//!
//! ```text
//! hypermesh cert issue greeter.demo.hypermesh --out greeter --key-type ed25519 --port 7000/udp
//! hypermesh dns set greeter.demo.hypermesh AAAA ::1
//! hypermesh dns set _stoq._udp.greeter.demo.hypermesh SRV "0 1 7000 greeter.demo.hypermesh"
//! cargo run -p hypermesh --example greeter -- greeter/key.pem "[::1]:7000"
//! ```
//!
//! and the example `greet` finds it by its name.

use std::sync::Arc;
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, key, listen] = std::env::args().collect::<Vec<_>>().try_into().map_err(|_| "KEY.PEM ADDRESS")?;
    let identity = Identity::from_pem(&std::fs::read_to_string(key)?)?;
    let endpoint = Endpoint::bind(Env::real(identity), listen.parse()?, TransportConfig::default())?;
    let _server = Server::start(&endpoint, Arc::new(Greeter), ServerLimits::default());
    println!("greeter listens on {}", endpoint.local_addr()?);
    tokio::signal::ctrl_c().await?;
    endpoint.close().await;
    Ok(())
}
