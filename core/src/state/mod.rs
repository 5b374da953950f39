//! What the nodes agree on: a pure function of the blocks.
//!
//! [`State::execute`] takes a state and what a block says, and gives the state after it, receipts, and log
//! entries. Three levels of failure are kept apart: a block whose form, roots, signatures or proofs are
//! wrong is invalid ([`BlockFault`]); a batch with malformed content or a bad proof may not be in a block
//! ([`BatchFault`], [`Inadmissible`]), and neither may an operation that pays for nothing ([`Unpaid`]); a well-formed
//! operation that pays its fee and fails policy gets a receipt that says so ([`Refusal`]).
//!
//! No clock is read here. Validity is a function of the parent state and the block alone.

mod block;
mod certificates;
mod chain;
mod names;
mod operations;
mod services;
mod stake;
mod system;

#[cfg(test)]
pub(crate) mod tests;

pub use block::batch::{BATCH_BYTES_MAX, BATCH_OPERATION_COUNT_MAX, Batch, BatchFault, CheckedBatch};
pub use block::batch_tree::{BATCH_TREE_HEIGHT_MAX, Omitted, batch_root};
pub use block::execute::{BlockFault, Candidate, Executed, Inadmissible};
pub use block::format::{
    BLOCK_BATCH_COUNT_MAX, BLOCK_BYTES_MAX, BLOCK_OPERATION_COUNT_MAX, BLOCK_TIME_MAX, BLOCK_VERSION, Block,
    Body, Header,
};
pub use block::payable::Unpaid;
pub use block::receipt::{Effect, Outcome, Receipt, Refusal};
pub use certificates::authority::{ConsensusProof, PUBLISHED_TTL_SECONDS, cosigner_name};
pub use certificates::compromise::{CompromisedKey, LEFT_STANDING_MAX, REVOKED_TOGETHER_MAX, SameKey};
pub use chain::genesis::{
    GENESIS_BYTES_MAX, Genesis, GenesisAccount, GenesisFault, GenesisMember, GenesisName, GenesisValidator,
    LABEL_BYTES_MAX, REVERSE_ZONE_COUNT_MAX, VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN, ZONE_BYTES_MAX,
};
pub use chain::row::{
    Account, ActiveCommittee, Attendance, Beacon, Certificate, Due, Earnings, EvidenceHorizon, FeeRate,
    Generation, Instance, IssuingCertificate, Member, NameCount, NameOwner, Offences, Published, RecordKey,
    Release, Reserve, Revocation, RevocationListHead, Revoked, RootRevocationList, Row, Unbonding, Validator,
};
pub use chain::state::{Changes, State, StateDraft};
pub use chain::totals::{Holdings, Totals};
pub use chain::tree::TreeHasher;
pub(crate) use chain::witness::get;
pub use chain::witness::{
    PROVED_ROW_BYTES_MAX, PROVED_ROW_COUNT_MAX, ProvedRow, ProvedState, ROW_PROOF_BYTES_MAX, RowBytes,
    RowSource, StateProof, StateProofFault, TooMuch, Unproved, Witness,
};
pub use names::alias::ALIAS_SCAN_SETS_MAX;
pub use names::grant::{CertifiedName, ENDED_ROW_COUNT_MAX, Grant, GrantLimits};
pub(crate) use names::grant::{RegisteredName, holding_of};
pub(crate) use names::rent::term_of;
pub use names::rent::{FREED_ROW_COUNT_MAX, NameTerm};
pub use names::zone::{SERVICES, ZoneChange, validator_by_name};
pub use operations::{
    Action, AnnounceService, Attest, Bond, CertificateProfile, CheckedOperation, ENDED_NAME_COUNT_MAX,
    IssueCertificate, LEAF_SECONDS_DEFAULT, LEAF_SECONDS_MAX, LEAF_SECONDS_MIN, OPERATION_BYTES_MAX,
    OPERATION_MS_LIFE_MAX, OPERATIONS, Operation, OperationBody, OperationFault, OperationId, OperationKind,
    RECLAIM_LOOKED_AT_MAX, ReclaimName, RegisterName, RenewName, RevokeCertificate, SERVICE_PORT_COUNT_MAX,
    SetRecords, TLSA_COUNT_MAX, Transfer, Unbond, WithdrawService, listed_fee,
};
pub use services::announce::{
    AnnouncementFault, INSTANCE_ADDRESS_COUNT_MAX, INSTANCE_PRIORITY_MAX, INSTANCE_TAG_BYTES_MAX,
    INSTANCE_TAG_COUNT_MAX, InstanceHealth, InstanceName, InvalidHealth, InvalidServiceProtocol,
    LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, Location, Offer, PROTOCOL_NAME_BYTES_MAX, STOQ_PROTOCOL,
    ServiceProtocol,
};
pub use services::instances::{ANNOUNCED_TTL_SECONDS, INSTANCE_COUNT_MAX};
pub use services::port::{InvalidServicePort, Protocol, ServicePort};
pub use system::attendance::{ABSENT_AFTER_TURNS, PLAIN_TURN_PERIOD};
pub use system::audit::AUDIT_MISSES_MAX;
pub use system::offence::{Offence, SIGNING_OFFENCE_COUNT_MAX};
pub use system::operation::{
    ABORT_REASON_BYTES_MAX, SYSTEM_BYTES_MAX, SYSTEM_OPERATION_BYTES_MAX, SYSTEM_OPERATION_COUNT_MAX,
    SystemAction, SystemOperation,
};
pub use system::share_repair::{
    OpenShareRepair, REPAIR_BUDGET_MAX, REPAIR_MS_MAX, REPAIR_MS_PAUSE_MAX, REPAIR_MS_PAUSE_MIN,
    REPAIR_MS_REFILL, RepairAction, RepairBudget, RepairOutcome, ShareRepairs,
};
