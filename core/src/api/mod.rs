//! The request and response of every STOQ method, and the table that names them.
//!
//! A method is a service and a name: `trustchain` and `issue_certificate`, `hypermesh` and
//! `consensus/validate_certificate`. Requests and responses travel in the canonical encoding; people and
//! scripts see the same types as JSON.

#[macro_use]
mod message;

mod caesar;
mod exposed;
mod fault;
mod health;
mod hypermesh;
mod method;
mod methods;
mod metrics;
mod operation;
mod quorum;
mod read;
mod readiness;
mod subscribe;
mod trace;
mod trustchain;

#[cfg(test)]
mod tests;

pub use caesar::*;
pub use exposed::check_exposed;
pub use fault::{ApiFault, FaultKind};
pub use health::{CaesarHealthRequest, Health, HypermeshHealthRequest, TrustchainHealthRequest};
pub use hypermesh::*;
pub use method::{Call, Described, METHODS, Method, Request, Response, Settlement, Shape, read};
pub use methods::{
    CaesarMethodsRequest, HypermeshMethodsRequest, MethodDescription, MethodList, TrustchainMethodsRequest,
};
pub use metrics::{
    CaesarMetricsRequest, Counters, HypermeshMetricsRequest, Metrics, TrustchainMetricsRequest,
};
pub use operation::OperationRequest;
pub use quorum::STALE_HEARTBEATS;
use read::ReadMethod;
pub use read::{POSITION_NOT_ATTESTED, View};
pub(crate) use readiness::clock_behind;
pub use readiness::{Condition, READY_CLOCK_MS_MAX, Unmet};
pub use subscribe::{
    LOG_NEWS_ENTRIES_MAX, LOG_NEWS_SCAN_MAX, LogNews, RECENT_COUNT_MAX, SubscribeBlocksRequest,
    SubscribeLogRequest, Subscription, SubscriptionStep, WATCHED_NAMES_MAX,
};
pub use trace::{InvalidTraceId, NodeTrace, Signed, TraceEvent, TraceId, TraceRequest, TraceStep};
pub use trustchain::*;

/// The most bytes in an encoded request: a batch and its surroundings.
pub const REQUEST_BYTES_MAX: usize = crate::state::BATCH_BYTES_MAX + 4096;
/// The most bytes in an encoded response.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
