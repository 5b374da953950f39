//! Byzantine-fault-tolerant ordering of blocks: which block stands at which height, decided by more than two
//! thirds of the validators, whatever up to a third of them do.
//!
//! The protocol is Tendermint (Buchman, Kwon, Milosevic 2018) as Malachite's consensus core carries it out;
//! this module wraps that core as one synchronous step function, [`Engine::step`], and adds what the core
//! leaves to its host: signatures and their cache, wire and log forms, evidence, commit certificates that
//! anyone checks offline, and the buffer that lets a node start a height late.
//!
//! What it does *not* do: it does not know what a block means (the host says whether one is valid), keeps
//! nothing on disk (the host makes [`Output::Wal`] durable), sends nothing, and does not fetch missed blocks
//! (it says who is ahead or behind, and takes a block that the host fetched). It reads no clock; the core notes
//! one at each height's start for a feature that is not used here (`target_time`), and never looks at it.

mod certificate;
mod context;
mod convert;
mod effects;
mod engine;
mod evidence;
mod fault;
mod foreign_decisions;
mod future_messages;
mod host;
mod message;
mod outbox;
mod receive;
mod recovery;
mod roster;
mod signer;
mod timers;
mod validators;
mod values;
mod vote;
mod vote_history;
mod wal;

pub use certificate::{CertificateFault, CommitCertificate, CommitSignature};
pub use engine::{Engine, EngineConfig, Input};
pub use evidence::{Evidence, EvidenceFault};
pub use fault::EngineFault;
pub use future_messages::{FUTURE_PROPOSALS_PER_VALIDATOR_MAX, FUTURE_VOTES_PER_VALIDATOR_MAX};
pub use message::{
    ConsensusMessage, MESSAGE_EXTRA_BYTES_MAX, PolkaCertificate, PolkaSignature, Proposal, RoundCertificate,
    RoundCertificateKind, RoundVote, ValueBytes,
};
pub use outbox::Output;
pub use roster::Roster;
pub use timers::Timeouts;
pub use validators::{InvalidValidatorSet, VALIDATORS_MAX, ValidatorSet};
pub use vote::{ProposalHeader, Round, SignedProposalHeader, SignedVote, Vote, VoteKind};
pub use vote_history::{STATEMENTS_PER_VALIDATOR_MAX, SignedStatement, VoteHistory};
pub use wal::statements_in_log;

#[cfg(hypermesh_fuzzing)]
pub use wal::replay_log;

#[cfg(test)]
mod tests;
