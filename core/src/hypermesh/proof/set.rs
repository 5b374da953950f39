//! The set of all four proofs, and the transcript that binds them to one another.
//!
//! ```text
//! statement, beacon ─ H ─> + ticket (space, time) ─ H ─> solve work ─> + nonces ─ H ─> sign with the stake
//! ```
//!
//! The ticket enters by its digest, so a set is the same whether it carries the ticket or names it.

use super::space::SpaceAnswer;
use super::stake::StakeProof;
use super::ticket::{Ticket, digest_of};
use super::time::SequentialProof;
use super::work::WorkProof;
use crate::base::{Digest, Domain, PublicKey, SecretKey, Sequence};
use alloc::boxed::Box;
use borsh::{BorshDeserialize, BorshSerialize};

/// All four proofs for one batch. There is no set with one missing.
///
/// Decode it with at most [`set_bytes_max`](super::ProofParameters::set_bytes_max) bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct FourProofSet {
    /// Where.
    pub space_proof: SpaceProof,
    /// Who.
    pub stake_proof: StakeProof,
    /// What.
    pub work_proof: WorkProof,
    /// When.
    pub time_proof: TimeProof,
}

/// The space proof, carried or named.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub enum SpaceProof {
    /// The answer itself.
    Full(Box<SpaceAnswer>),
    /// The digest of the ticket that has it and that stands in the state.
    Ticket(Digest),
}

/// The time proof, carried or named.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub enum TimeProof {
    /// The steps themselves.
    Full(Box<SequentialProof>),
    /// The digest of the ticket that has them and that stands in the state.
    Ticket(Digest),
}

/// What a set of proofs is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct Statement {
    /// The hash of the chain's genesis.
    pub genesis: Digest,
    /// Who submits the batch.
    pub member: PublicKey,
    /// The member's number for it.
    pub sequence: Sequence,
    /// The root over the batch's operations.
    pub batch_root: Digest,
    /// The beacon that the ticket is for.
    pub beacon_index: u64,
}

/// Makes the set for a statement: solves the work and signs. A job.
///
/// With `full` the set carries the ticket, as a member's first under a beacon must; without, it names it.
#[must_use]
pub fn prove_set(
    ticket: &Ticket,
    full: bool,
    statement: &Statement,
    beacon: &Digest,
    difficulty: u64,
    secret: &SecretKey,
) -> FourProofSet {
    let named = ticket.digest(beacon, &statement.member);
    let subject = work_subject(statement, beacon, &named);
    let work_proof = WorkProof::solve(&subject, difficulty);
    let stake_proof = StakeProof::sign(secret, &transcript_end(&subject, &work_proof));
    let (space_proof, time_proof) = if full {
        let (space, time) = (ticket.space.clone(), ticket.time.clone());
        (SpaceProof::Full(Box::new(space)), TimeProof::Full(Box::new(time)))
    } else {
        (SpaceProof::Ticket(named), TimeProof::Ticket(named))
    };
    FourProofSet { space_proof, stake_proof, work_proof, time_proof }
}

impl FourProofSet {
    /// Whether the set carries its ticket in full.
    #[must_use]
    pub const fn carries_ticket(&self) -> bool {
        matches!((&self.space_proof, &self.time_proof), (SpaceProof::Full(_), TimeProof::Full(_)))
    }

    /// The digest of the ticket that the set carries in full: what the state records when it applies a batch
    /// whose set was verified. `None` if the set names its ticket.
    #[must_use]
    pub fn ticket(&self, beacon: &Digest, member: &PublicKey) -> Option<Digest> {
        match (&self.space_proof, &self.time_proof) {
            (SpaceProof::Full(space), TimeProof::Full(time)) => Some(digest_of(space, time, beacon, member)),
            _ => None,
        }
    }
}

/// What the work is done over.
pub(super) fn work_subject(statement: &Statement, beacon: &Digest, ticket: &Digest) -> Digest {
    let start = STATEMENT.hash(&[&crate::base::encode(statement), &beacon.0]);
    WORK_SUBJECT.hash(&[&start.0, &ticket.0])
}

/// What is signed, and the hash that the set is known by.
pub(super) fn transcript_end(work_subject: &Digest, work: &WorkProof) -> Digest {
    let nonces = work.nonces.map(u64::to_le_bytes);
    TRANSCRIPT.hash(&[&work_subject.0, nonces.as_flattened()])
}

const STATEMENT: Domain = Domain::new("hypermesh v1 proof statement");
const WORK_SUBJECT: Domain = Domain::new("hypermesh v1 proof work subject");
const TRANSCRIPT: Domain = Domain::new("hypermesh v1 proof transcript");
