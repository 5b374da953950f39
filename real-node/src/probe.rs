//! Asking single nodes how they are, each by its own address and key.

use crate::bind_advice::unbound;
use crate::client::{failure_of, unanswered};
use crate::context::Bootstrap;
use crate::data::SystemEntropy;
use crate::failure::{Exit, Failure};
use hypermesh_core::api::{
    CaesarMetricsRequest, Call, Counters, HypermeshMetricsRequest, NodeStatus, RESPONSE_BYTES_MAX,
    StatusRequest, TrustchainMetricsRequest,
};
use hypermesh_core::base::{SecretKey, decode, encode};
use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;
use stoq::{CallOptions, Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Asks nodes how they are, under a key of its own that lasts as long as it does. Clones share connections.
#[derive(Clone)]
pub struct Probe {
    endpoint: Endpoint,
    client: Client,
}

impl Probe {
    /// A probe. Must be called from within a tokio runtime.
    ///
    /// # Errors
    /// If this machine has no IPv6.
    pub fn new() -> Result<Self, Failure> {
        let env = Env::real(Identity::new(SecretKey::generate(&mut SystemEntropy)));
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, any, TransportConfig::default())
            .map_err(|error| Failure::new(Exit::Failed, unbound(&error)))?;
        let client = Client::new(&endpoint, ClientConfig { attempts_max: 1, ..ClientConfig::default() });
        Ok(Self { endpoint, client })
    }

    /// How a node is.
    ///
    /// # Errors
    /// If it does not answer in time, or is another.
    pub async fn status(&self, node: &Bootstrap, timeout: Duration) -> Result<NodeStatus, Failure> {
        self.ask(node, &StatusRequest {}, timeout).await
    }

    /// What a node counted, by service.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn counters(
        &self,
        node: &Bootstrap,
        timeout: Duration,
    ) -> Result<BTreeMap<String, Counters>, Failure> {
        let trustchain = self.ask(node, &TrustchainMetricsRequest {}, timeout).await?;
        let hypermesh = self.ask(node, &HypermeshMetricsRequest {}, timeout).await?;
        let caesar = self.ask(node, &CaesarMetricsRequest {}, timeout).await?;
        let named = [("trustchain", trustchain), ("hypermesh", hypermesh), ("caesar", caesar)];
        Ok(named.into_iter().map(|(service, metrics)| (service.to_owned(), metrics.counters)).collect())
    }

    async fn ask<C: Call>(
        &self,
        node: &Bootstrap,
        request: &C,
        timeout: Duration,
    ) -> Result<C::Response, Failure> {
        let unfound = |reason| Failure::new(Exit::Unreachable, reason);
        let end = Instant::now() + timeout;
        let found = node.address.resolve().await.map_err(unfound)?;
        let method = request.method();
        let mut answer = Err(unfound(format!("{} has no address", node.address)));
        for (place, addr) in found.iter().enumerate() {
            // One that is silent leaves time for the next.
            let share = u32::try_from(found.len() - place).unwrap_or(1);
            let deadline = end.saturating_duration_since(Instant::now()) / share;
            let options = CallOptions::once(deadline);
            let peer = Peer { addr: *addr, expect: Expect::Key(node.key) };
            let asked = self.client.call(&peer, method.service, method.name, encode(request), options).await;
            answer = asked.map_err(|error| failure_of(&unanswered(error, *addr, deadline)));
            if answer.is_ok() {
                break;
            }
        }
        let answer = answer?;
        decode(&answer, RESPONSE_BYTES_MAX).map_err(|fault| {
            let name = method.name;
            let message = format!(
                "its response to {name} is malformed ({fault}): check that it runs the \
                same version"
            );
            Failure::new(Exit::Failed, message)
        })
    }

    /// How each of these nodes is, asked all at once; in their order.
    pub async fn status_of_all(
        &self,
        nodes: &[Bootstrap],
        timeout: Duration,
    ) -> Vec<Result<NodeStatus, Failure>> {
        let mut asked = JoinSet::new();
        for (place, node) in nodes.iter().enumerate() {
            let (probe, node) = (self.clone(), node.clone());
            asked.spawn(async move { (place, probe.status(&node, timeout).await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Tells the nodes that this probe is gone.
    pub async fn close(self) {
        drop(self.client);
        self.endpoint.close().await;
    }
}
