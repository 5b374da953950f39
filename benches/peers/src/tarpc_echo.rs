//! An echo over tarpc: bincode over TCP, one connection for all callers. tarpc has no TLS.

use crate::Fault;
use crate::load::{Load, Samples, drive};
use futures::StreamExt as _;
use std::net::Ipv6Addr;
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

#[tarpc::service]
trait Echo {
    async fn echo(bytes: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Answers;

impl Echo for Answers {
    async fn echo(self, _: context::Context, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

pub(crate) async fn serve(port: u16) -> Result<(), Fault> {
    let mut incoming = serde_transport::tcp::listen((Ipv6Addr::LOCALHOST, port), Bincode::default).await?;
    while let Some(connection) = incoming.next().await {
        let calls = BaseChannel::with_defaults(connection?).execute(Answers.serve());
        tokio::spawn(calls.for_each(|call| async move {
            tokio::spawn(call);
        }));
    }
    Ok(())
}

pub(crate) async fn call(port: u16, load: &Load) -> Result<Samples, Fault> {
    let transport = serde_transport::tcp::connect((Ipv6Addr::LOCALHOST, port), Bincode::default).await?;
    let client = EchoClient::new(client::Config::default(), transport).spawn();
    let callers = (0..load.at_once)
        .map(|_| {
            let client = client.clone();
            move |bytes| {
                let client = client.clone();
                async move { client.echo(context::current(), bytes).await.map(drop).map_err(Fault::from) }
            }
        })
        .collect();
    drive(load, callers).await
}
