//! The request and response of every STOQ method, and the table that names them.
//!
//! A method is a service and a name: `trustchain` and `issue_certificate`, `hypermesh` and
//! `consensus/validate_certificate`. Requests and responses travel in the canonical encoding; people and
//! scripts see the same types as JSON.

mod address;
mod caesar;
mod consensus;
mod exposed;
mod fault;
mod method;
mod operation;
mod quorum;
mod read;
mod readiness;
mod records;
mod service;
mod status;
mod subscribe;
mod trace;
mod trustchain;

#[cfg(test)]
mod tests;

pub use address::{AddressBook, AddressRecord, AddressesRequest, check_dialable};
pub use caesar::{
    Balance, BalanceRequest, FeeSchedule, FeesRequest, HISTORY_COUNT_MAX, History, HistoryCursor,
    HistoryRequest, Movements, MovementsRequest, OperationFee, Rewards, RewardsRequest, Supply,
    SupplyRequest, ValidatorRewards,
};
pub use consensus::{
    BeaconState, BlockProof, ConsensusRequirements, ConsensusValidationResult, GenesisRequest, HeaderRequest,
    MemberRequest, MemberState, ProveRequest, Receipts, StatusRequest, ValidateBatchRequest,
    ValidateProofsRequest,
};
pub use exposed::check_exposed;
pub use fault::{ApiFault, FaultKind};
pub use method::{Call, Described, METHODS, Method, Request, Response, Settlement, Shape};
pub use operation::OperationRequest;
pub use quorum::STALE_HEARTBEATS;
pub use read::{POSITION_NOT_ATTESTED, View, check_batch, read, refused};
pub(crate) use readiness::clock_behind;
pub use readiness::{Condition, READY_CLOCK_MS_MAX, Unmet};
pub use records::{InvalidRecordKey, RECORD_LIST_BYTES_MAX, RecordList, RecordListRequest};
pub use service::{InstanceState, ServiceRequest, ServiceState, SubscribeServiceRequest};
pub use status::{
    CaesarHealthRequest, CaesarMethodsRequest, CaesarMetricsRequest, Counters, Health,
    HypermeshHealthRequest, HypermeshMethodsRequest, HypermeshMetricsRequest, MethodDescription, MethodList,
    Metrics, NodeStatus, TrustchainHealthRequest, TrustchainMethodsRequest, TrustchainMetricsRequest,
};
pub use subscribe::{
    LOG_NEWS_ENTRIES_MAX, LOG_NEWS_SCAN_MAX, LogNews, RECENT_COUNT_MAX, SubscribeBlocksRequest,
    SubscribeLogRequest, Subscription, SubscriptionStep, WATCHED_NAMES_MAX,
};
pub use trace::{InvalidTraceId, NodeTrace, Signed, TraceEvent, TraceId, TraceRequest, TraceStep};
pub use trustchain::{
    CertificateList, CertificateListRequest, CertificateRequestBySerial, CertificateState, CertificateStatus,
    CertificateSummary, CheckpointNote, CheckpointRequest, ConsistencyRequest, DnsAnswer, DnsRequest,
    InclusionRequest, IssueCertificateRequest, IssuedCertificate, LIST_COUNT_MAX, LIST_SCAN_COUNT_MAX,
    LogEntry, LogEntryRequest, LogProof, NameRequest, NameState, PublishedList, PublishedLists,
    RevocationListRequest, TrustBundleRequest, ValidateCertificateRequest,
};

/// The most bytes in an encoded request: a batch and its surroundings.
pub const REQUEST_BYTES_MAX: usize = crate::state::BATCH_BYTES_MAX + 4096;
/// The most bytes in an encoded response.
pub const RESPONSE_BYTES_MAX: usize = 4 * 1024 * 1024;
