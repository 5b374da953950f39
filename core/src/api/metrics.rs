//! A service's counters.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::UnixMillis;
use alloc::collections::BTreeMap;
use alloc::string::String;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for TrustChain's counters.
    TrustchainMetricsRequest {}
}

impl ReadMethod for TrustchainMetricsRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Metrics, ApiFault> {
        Ok(metrics(view, "trustchain"))
    }
}

message! {
    /// Asks for HyperMesh's counters.
    HypermeshMetricsRequest {}
}

impl ReadMethod for HypermeshMetricsRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Metrics, ApiFault> {
        Ok(metrics(view, "hypermesh"))
    }
}

message! {
    /// Asks for Caesar's counters.
    CaesarMetricsRequest {}
}

impl ReadMethod for CaesarMetricsRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<Metrics, ApiFault> {
        Ok(metrics(view, "caesar"))
    }
}

/// A service's counters.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Metrics {
    /// By name.
    pub counters: Counters,
}

/// Counters by name, each with its unit at the end of its name.
pub type Counters = BTreeMap<String, u64>;

fn metrics(view: &View, service: &'static str) -> Metrics {
    Metrics { counters: view.counters.get(service).cloned().unwrap_or_default() }
}
