//! HyperMesh's methods: what consensus thinks of batches and proofs, and what it decided. A file for each.

mod addresses;
mod batch;
mod genesis;
mod header;
mod member;
mod proofs;
mod prove;
mod status;

pub use addresses::{AddressBook, AddressRecord, AddressesRequest, check_dialable};
pub use batch::{
    ConsensusRequirements, ConsensusValidationResult, Receipts, ValidateBatchRequest, check_batch, refused,
};
pub use genesis::GenesisRequest;
pub use header::{BlockProof, HeaderRequest};
pub use member::{BeaconState, MemberRequest, MemberState};
pub use proofs::ValidateProofsRequest;
pub use prove::ProveRequest;
pub use status::{NodeStatus, StatusRequest};
