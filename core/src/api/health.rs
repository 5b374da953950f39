//! Whether a service can do its work.

use crate::api::exposed::not_exposed;
use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, UnixMillis};
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks whether TrustChain can do its work.
    TrustchainHealthRequest {}
}

impl ReadMethod for TrustchainHealthRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<Health, ApiFault> {
        Ok(health(view, "trustchain", wall))
    }
}

message! {
    /// Asks whether HyperMesh can do its work.
    HypermeshHealthRequest {}
}

impl ReadMethod for HypermeshHealthRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<Health, ApiFault> {
        Ok(health(view, "hypermesh", wall))
    }
}

message! {
    /// Asks whether Caesar can do its work.
    CaesarHealthRequest {}
}

impl ReadMethod for CaesarHealthRequest {
    fn answer(&self, view: &View, wall: UnixMillis) -> Result<Health, ApiFault> {
        Ok(health(view, "caesar", wall))
    }
}

/// Whether a service can do its work.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Health {
    /// Whether it can.
    pub serving: bool,
    /// If not, why; if so, in a word.
    pub detail: String,
    /// The last block.
    pub height: Height,
}

fn health(view: &View, service: &str, wall: UnixMillis) -> Health {
    let status = view.status_at(wall);
    let elsewhere = not_exposed(view.state.genesis_document(), &status.node, service);
    let lacks = status.lacks_for(service);
    let (serving, detail) = match (elsewhere, &status.standstill) {
        (Some(elsewhere), _) => (false, elsewhere.message),
        (None, Some(standstill)) => (false, standstill.clone()),
        (None, None) if !lacks.is_empty() => (false, lacks),
        (None, None) => (true, "ok".to_string()),
    };
    Health { serving, detail, height: status.height }
}
