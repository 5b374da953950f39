//! What the nodes agree on: a pure function of the blocks.
//!
//! [`State::execute`] takes a state and what a block says, and gives the state after it, receipts, and log
//! entries. Three levels of failure are kept apart: a block whose form, roots, signatures or proofs are
//! wrong is invalid ([`BlockFault`]); a batch with malformed content or a bad proof may not be in a block
//! ([`BatchFault`], [`Inadmissible`]), and neither may an operation that pays for nothing ([`Unpaid`]); a well-formed
//! operation that pays its fee and fails policy gets a receipt that says so ([`Refusal`]).
//!
//! No clock is read here. Validity is a function of the parent state and the block alone.

mod alias;
mod announce;
mod attendance;
mod audit;
mod authority;
mod batch;
mod batch_tree;
mod block;
mod bond;
mod chain;
mod compromise;
mod execute;
mod fee;
mod genesis;
mod grant;
mod history;
mod include;
mod offence;
mod operations;
mod overdue;
mod payable;
mod perform;
mod receipt;
mod rent;
mod repair;
mod revocation;
mod row;
mod service;
mod service_port;
mod system;
mod system_apply;
mod totals;
mod tree;
mod witness;
mod zone;

#[cfg(test)]
pub(crate) mod tests;

pub use alias::ALIAS_SCAN_SETS_MAX;
pub use announce::{
    AnnouncementFault, INSTANCE_ADDRESS_COUNT_MAX, INSTANCE_PRIORITY_MAX, INSTANCE_TAG_BYTES_MAX,
    INSTANCE_TAG_COUNT_MAX, InstanceHealth, InstanceName, InvalidHealth, InvalidServiceProtocol,
    LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, Location, Offer, PROTOCOL_NAME_BYTES_MAX, STOQ_PROTOCOL,
    ServiceProtocol,
};
pub use attendance::{ABSENT_AFTER_TURNS, PLAIN_TURN_PERIOD};
pub use audit::AUDIT_MISSES_MAX;
pub use authority::{ConsensusProof, PUBLISHED_TTL_SECONDS, cosigner_name};
pub use batch::{BATCH_BYTES_MAX, BATCH_OPERATION_COUNT_MAX, Batch, BatchFault, CheckedBatch};
pub use batch_tree::{BATCH_TREE_HEIGHT_MAX, Omitted, batch_root};
pub use block::{
    BLOCK_BATCH_COUNT_MAX, BLOCK_BYTES_MAX, BLOCK_OPERATION_COUNT_MAX, BLOCK_TIME_MAX, BLOCK_VERSION, Block,
    Body, Header,
};
pub use chain::{Changes, Draft, State};
pub use compromise::{CompromisedKey, LEFT_STANDING_MAX, REVOKED_TOGETHER_MAX, SameKey};
pub use execute::{BlockFault, Candidate, Executed, Inadmissible};
pub use genesis::{
    GENESIS_BYTES_MAX, Genesis, GenesisAccount, GenesisFault, GenesisMember, GenesisName, GenesisValidator,
    LABEL_BYTES_MAX, REVERSE_ZONE_COUNT_MAX, VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN, ZONE_BYTES_MAX,
};
pub use grant::{CertifiedName, Grant, GrantLimits};
pub(crate) use grant::{RegisteredName, holding_of};
pub use offence::{Offence, SIGNING_OFFENCE_COUNT_MAX};
pub use operations::{
    Action, AnnounceService, Attest, Bond, CertificateProfile, CheckedOperation, ENDED_NAME_COUNT_MAX,
    IssueCertificate, LEAF_SECONDS_DEFAULT, LEAF_SECONDS_MAX, LEAF_SECONDS_MIN, OPERATION_BYTES_MAX,
    OPERATION_MS_LIFE_MAX, OPERATIONS, Operation, OperationBody, OperationFault, OperationId, OperationKind,
    RECLAIM_LOOKED_AT_MAX, ReclaimName, RegisterName, RenewName, RevokeCertificate, SERVICE_PORT_COUNT_MAX,
    SetRecords, TLSA_COUNT_MAX, Transfer, Unbond, WithdrawService, listed_fee,
};
pub use payable::Unpaid;
pub use receipt::{Effect, Outcome, Receipt, Refusal};
pub(crate) use rent::term_of;
pub use rent::{FREED_ROW_COUNT_MAX, NameTerm};
pub use repair::{
    OpenRepair, REPAIR_BUDGET_MAX, REPAIR_MS_MAX, REPAIR_MS_PAUSE_MAX, REPAIR_MS_PAUSE_MIN, REPAIR_MS_REFILL,
    RepairAction, RepairBudget, RepairOutcome, Repairs,
};
pub use row::{
    Account, ActiveCommittee, Attendance, Beacon, Certificate, Due, Earnings, FeeRate, Generation, Horizon,
    Instance, IssuingCertificate, Member, NameCount, NameOwner, Offences, Published, RecordKey, Release,
    Reserve, Revocation, RevocationListHead, Revoked, RootRevocationList, Row, Unbonding, Validator,
};
pub use service::{ANNOUNCED_TTL_SECONDS, INSTANCE_COUNT_MAX};
pub use service_port::{InvalidServicePort, Protocol, ServicePort};
pub use system::{
    ABORT_REASON_BYTES_MAX, SYSTEM_BYTES_MAX, SYSTEM_OPERATION_BYTES_MAX, SYSTEM_OPERATION_COUNT_MAX,
    SystemAction, SystemOperation,
};
pub use totals::{Holdings, Totals};
pub use tree::TreeHasher;
pub(crate) use witness::get;
pub use witness::{
    PROVED_ROW_BYTES_MAX, PROVED_ROW_COUNT_MAX, ProvedRow, ProvedState, ROW_PROOF_BYTES_MAX, RowBytes,
    RowSource, StateProof, StateProofFault, TooMuch, Unproved, Witness,
};
pub use zone::{SERVICES, ZoneChange, validator_by_name};
