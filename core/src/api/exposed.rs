//! Which services a node exposes, and what every node answers even so.
//!
//! A whole node holds all of the state and takes part in all that is decided, whatever it exposes: roles say what
//! clients find it for. They stand in genesis, as the services' SRV records, so that what is found and what is answered
//! cannot differ.

use super::{ApiFault, FaultKind};
use crate::base::PublicKey;
use crate::state::Genesis;
use alloc::format;

/// What every node answers, whatever it exposes: whereby a mesh and its nodes are found and looked after, and what is
/// asked of every validator so that none can hide it.
const ALWAYS: [(&str, &str); 6] = [
    ("hypermesh", "consensus/addresses"),
    ("hypermesh", "consensus/genesis"),
    ("hypermesh", "consensus/status"),
    ("hypermesh", "trace"),
    ("trustchain", "resolve_dns"),
    ("trustchain", "get_crl"),
];
/// What each service has for those who look after it.
const OF_EACH: [&str; 3] = ["health", "metrics", "methods"];

/// Refuses a call of a service that a node does not expose, and says where to find it.
///
/// # Errors
/// [`FaultKind::Unimplemented`] if the node is not to answer.
pub fn check_exposed(
    genesis: &Genesis,
    node: &PublicKey,
    service: &str,
    method: &str,
) -> Result<(), ApiFault> {
    let always = OF_EACH.contains(&method) || ALWAYS.contains(&(service, method));
    match not_exposed(genesis, node, service) {
        Some(fault) if !always => Err(fault),
        _ => Ok(()),
    }
}

/// That a node does not expose one of the mesh's services, if it does not.
pub(super) fn not_exposed(genesis: &Genesis, node: &PublicKey, service: &str) -> Option<ApiFault> {
    if genesis.exposes(node, service) {
        return None;
    }
    let name = genesis.service_name(service)?;
    let message = format!(
        "this node does not expose {service}: the SRV records of {name} list the nodes \
        that do"
    );
    Some(ApiFault::new(FaultKind::Unimplemented, message))
}
