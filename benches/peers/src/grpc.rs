//! An echo over gRPC: tonic, HTTP/2, TLS 1.3, one connection for all callers.

use crate::load::{Load, Samples, drive};
use crate::{Fault, tls};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

mod stubs {
    #![allow(clippy::all, missing_docs, unused_qualifications)]
    include!(concat!(env!("OUT_DIR"), "/peers.Echo.rs"));
}

/// What goes either way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Body {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

struct Echo;

#[tonic::async_trait]
impl stubs::echo_server::Echo for Echo {
    async fn echo(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

pub(crate) async fn serve(port: u16, folder: &Path) -> Result<(), Fault> {
    let (certificate, key) = tls::make(folder)?;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let service = stubs::echo_server::EchoServer::new(Echo);
    Ok(Server::builder().tls_config(tls)?.tcp_nodelay(true).add_service(service).serve(address).await?)
}

pub(crate) async fn call(port: u16, folder: &Path, load: &Load) -> Result<Samples, Fault> {
    let certificate = Certificate::from_pem(tls::read(folder)?);
    let tls = ClientTlsConfig::new().ca_certificate(certificate).domain_name(tls::HOST);
    let channel = Channel::from_shared(format!("https://[::1]:{port}"))?.tls_config(tls)?.tcp_nodelay(true);
    let client = stubs::echo_client::EchoClient::new(channel.connect().await?);
    let callers = (0..load.at_once)
        .map(|_| {
            let client = client.clone();
            move |bytes| {
                let mut client = client.clone();
                async move { client.echo(Body { bytes }).await.map(drop).map_err(Fault::from) }
            }
        })
        .collect();
    drive(load, callers).await
}
