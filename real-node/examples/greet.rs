//! Calls a service by its name: `HYPERMESH_CONTEXT=context.toml cargo run -p hypermesh --example greet --
//! greeter.demo.hypermesh World`. The service is the example `greeter`.

use hypermesh::client::MeshClient;
use hypermesh::context::Context;
use hypermesh_core::trustchain::DomainName;
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use stoq::{CallError, CallOptions};

/// The answer of the first node of the service that gives one.
pub(crate) async fn greet(
    mesh: &MeshClient,
    service: &DomainName,
    whom: &str,
) -> Result<String, Box<dyn Error>> {
    let mut failure: Option<CallError> = None;
    // Where it is and which key it must hold: by SRV, AAAA and TLSA records of the mesh's own DNS.
    for peer in mesh.find(service).await? {
        let options = CallOptions::read(Duration::from_secs(2));
        match mesh.stoq().call(&peer, "greeter", "greet", whom.to_owned(), options).await {
            Ok(answer) => return Ok(String::from_utf8(answer.to_vec())?),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.map_or_else(|| "nobody to ask".into(), Into::into))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [_, service, whom] = std::env::args().collect::<Vec<_>>().try_into().map_err(|_| "SERVICE WHOM")?;
    let context = Context::read(Path::new(&std::env::var("HYPERMESH_CONTEXT")?))?;
    let mesh = MeshClient::connect(&context, Duration::from_secs(5)).await?;
    println!("{}", greet(&mesh, &service.parse()?, &whom).await?);
    mesh.close().await;
    Ok(())
}
