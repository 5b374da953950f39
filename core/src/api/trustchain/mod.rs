//! TrustChain's methods: certificates, names, the log. A file for each.

mod issue_certificate;
mod list_certificates;
mod list_records;
mod log_checkpoint;
mod log_entry;
mod log_proofs;
mod name;
mod resolve_dns;
mod revocation_lists;
mod service;
mod trust_bundle;
mod validate_certificate;

pub use issue_certificate::{CertificateRequestBySerial, IssueCertificateRequest, IssuedCertificate};
pub use list_certificates::{
    CertificateList, CertificateListRequest, CertificateStatus, CertificateSummary, LIST_COUNT_MAX,
    LIST_SCAN_COUNT_MAX,
};
pub use list_records::{InvalidRecordKey, RECORD_LIST_BYTES_MAX, RecordList, RecordListRequest};
pub use log_checkpoint::{CheckpointNote, CheckpointRequest};
pub use log_entry::{LogEntry, LogEntryRequest};
pub use log_proofs::{ConsistencyRequest, InclusionRequest, LogProof};
pub use name::{NameRequest, NameState};
pub use resolve_dns::{DnsAnswer, DnsRequest};
pub use revocation_lists::{PublishedList, PublishedLists, RevocationListRequest};
pub use service::{InstanceState, ServiceRequest, ServiceState, SubscribeServiceRequest};
pub use trust_bundle::TrustBundleRequest;
pub use validate_certificate::{CertificateState, ValidateCertificateRequest};
