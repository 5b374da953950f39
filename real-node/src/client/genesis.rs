//! The genesis of a mesh, from any node that has it: its hash says whether it is the one.

use super::fault::failure_of;
use super::malformed;
use super::walk::{self, Target, Targets};
use crate::bind_advice::unbound;
use crate::data::SystemEntropy;
use crate::failure::{Exit, Failure};
use crate::node_address::NodeAddress;
use hypermesh_core::api::{GenesisRequest, NodeStatus, RESPONSE_BYTES_MAX, StatusRequest};
use hypermesh_core::base::{Digest, PublicKey, SecretKey, decode, encode};
use hypermesh_core::state::Genesis;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;
use stoq::{Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};

/// The genesis with this hash, from whoever answers at this address. Runs a runtime of its own.
///
/// # Errors
/// If nobody answers in time, or it is another.
pub fn genesis_of(address: &NodeAddress, expected: Digest, timeout: Duration) -> Result<Genesis, Failure> {
    at_address(address, async |stoq, node| fetch_genesis(stoq, node, expected, timeout).await)
}

/// The key of the validator of the mesh with this genesis hash that answers at this address, which it has proved to
/// hold. Runs a runtime of its own.
///
/// # Errors
/// If nobody answers in time, or who does is no validator of this mesh.
pub fn validator_at(
    address: &NodeAddress,
    expected: Digest,
    timeout: Duration,
) -> Result<PublicKey, Failure> {
    at_address(address, async |stoq, node| {
        let genesis = fetch_genesis(stoq, node, expected, timeout).await?;
        let method = StatusRequest::METHOD;
        let what = (method.service, method.name);
        let body = encode(&StatusRequest {});
        let told = walk::walk(stoq, node, what, &body, timeout, |bytes| {
            decode::<NodeStatus>(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))
        });
        let key = told.await?.0.node;
        if !genesis.validators.iter().any(|listed| listed.member.key == key) {
            let message = format!("{address}: {key} is not a validator of this mesh");
            return Err(Failure::new(Exit::NotValid, message));
        }
        // What it says it is, it must prove.
        let answered = node.live().map(|target| target.peer.addr);
        let addr = answered.ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                format!(
                    "{address}: the node that answered \
                disconnected"
                ),
            )
        })?;
        let peer = Peer { addr, expect: Expect::Key(key) };
        stoq.reach(&peer, timeout).await.map_err(|error| failure_of(&error))?;
        Ok(key)
    })
}

/// Asks whoever is at an address, in a runtime of its own.
fn at_address<T>(
    address: &NodeAddress,
    ask: impl AsyncFnOnce(&Client, &Targets) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let asked = runtime.block_on(async {
        let found = address.resolve().await.map_err(|reason| Failure::new(Exit::Unreachable, reason))?;
        let env = Env::real(Identity::new(SecretKey::generate(&mut SystemEntropy)));
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, any, TransportConfig::default());
        let endpoint = endpoint.map_err(|error| failed(&unbound(&error)))?;
        let stoq = Client::new(&endpoint, ClientConfig::default());
        let anyone = |addr| Peer { addr, expect: Expect::Anyone };
        let target = |addr| Target { name: "node".into(), peer: anyone(addr) };
        let targets = Targets::new(found.into_iter().map(target).collect());
        ask(&stoq, &targets).await
    });
    // A resolver that does not answer must not keep the command.
    runtime.shutdown_background();
    asked
}

/// Genesis from the first node that gives the right one.
pub(super) async fn fetch_genesis(
    stoq: &Client,
    nodes: &Targets,
    expected: Digest,
    timeout: Duration,
) -> Result<Genesis, Failure> {
    let method = GenesisRequest::METHOD;
    let what = (method.service, method.name);
    walk::walk(stoq, nodes, what, &encode(&GenesisRequest {}), timeout, |bytes| {
        let genesis: Genesis = decode(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))?;
        let found = genesis.hash();
        if found != expected {
            let message = format!("it belongs to the mesh with genesis {found}, expected {expected}");
            return Err(Failure::new(Exit::Input, message));
        }
        genesis
            .check()
            .map_err(|fault| Failure::new(Exit::Input, format!("its genesis is invalid: {fault}")))?;
        Ok(genesis)
    })
    .await
    .map(|(answer, _trail)| answer)
}
