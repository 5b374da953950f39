//! Calls a service by its name: `HYPERMESH_CONTEXT=context.toml cargo run -p hypermesh --example greet --
//! greeter.demo.hypermesh World`. The service is the example `greeter`.

use hypermesh::client::MeshClient;
use hypermesh::context::Context;
use hypermesh_core::trustchain::DomainName;
use std::error::Error;
use std::path::Path;
use std::time::Duration;
use stoq::CallOptions;

/// The answer of the first instance of the service that gives one.
pub(crate) async fn greet(
    mesh: &MeshClient,
    service: &DomainName,
    whom: &str,
) -> Result<String, Box<dyn Error>> {
    let options = CallOptions::read(Duration::from_secs(5));
    // Where it is and which key it must hold: by SRV, AAAA and TLSA records of the mesh's own DNS.
    let answer = mesh.call_service(service, ("greeter", "greet"), whom.to_owned(), options).await?;
    Ok(String::from_utf8(answer.to_vec())?)
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
