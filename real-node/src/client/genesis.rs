//! The genesis of a mesh, from any node that has it: its hash says whether it is the one.

use super::malformed;
use super::walk::{self, Target, Targets};
use crate::data::SystemEntropy;
use crate::failure::{Exit, Failure};
use hypermesh_core::api::{Call, GenesisRequest, RESPONSE_BYTES_MAX};
use hypermesh_core::base::{Digest, SecretKey, decode, encode};
use hypermesh_core::state::Genesis;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;
use stoq::{Client, ClientConfig, Endpoint, Env, Expect, Identity, Peer, TransportConfig};

/// The genesis with this hash, from whoever answers at this address. Runs a runtime of its own.
///
/// # Errors
/// If nobody answers in time, or it is another.
pub fn genesis_of(address: SocketAddrV6, expected: Digest, timeout: Duration) -> Result<Genesis, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(&error))?.block_on(async {
        let env = Env::real(Identity::new(SecretKey::generate(&mut SystemEntropy)));
        let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0);
        let endpoint = Endpoint::bind(env, any, TransportConfig::default());
        let endpoint = endpoint.map_err(|error| failed(&format_args!("{error}: is IPv6 enabled?")))?;
        let stoq = Client::new(&endpoint, ClientConfig::default());
        let peer = Peer { addr: address, expect: Expect::Anyone };
        let targets = Targets::new(vec![Target { name: "node".into(), peer }]);
        fetch_genesis(&stoq, &targets, expected, timeout).await
    })
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
            let message = format!("it is of the mesh with genesis {found}, and {expected} was expected");
            return Err(Failure::new(Exit::Input, message));
        }
        genesis
            .check()
            .map_err(|fault| Failure::new(Exit::Input, format!("its genesis is none: {fault}")))?;
        Ok(genesis)
    })
    .await
    .map(|(answer, _trail)| answer)
}
