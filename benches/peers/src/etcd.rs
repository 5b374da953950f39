//! A put into etcd, over one connection of gRPC to one of its nodes.

use crate::Fault;
use crate::load::{Load, Samples, drive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tonic::transport::Channel;

mod stubs {
    #![allow(clippy::all, missing_docs, dead_code, unused_qualifications)]
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.KV.rs"));
}

/// `etcdserverpb.PutRequest`, without leases.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`; nothing of it is looked at.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct PutResponse {}

pub(crate) async fn call(port: u16, load: &Load) -> Result<Samples, Fault> {
    let channel =
        Channel::from_shared(format!("http://127.0.0.1:{port}"))?.tcp_nodelay(true).connect().await?;
    let client = stubs::k_v_client::KVClient::new(channel);
    let count = Arc::new(AtomicU64::new(0));
    let callers = (0..load.at_once)
        .map(|_| {
            let (client, count) = (client.clone(), Arc::clone(&count));
            move |value| {
                let mut client = client.clone();
                let key = format!("certificate/{}", count.fetch_add(1, Relaxed)).into_bytes();
                async move { client.put(PutRequest { key, value }).await.map(drop).map_err(Fault::from) }
            }
        })
        .collect();
    drive(load, callers).await
}
