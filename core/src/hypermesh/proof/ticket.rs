//! The ticket: a member's space and time proofs for one beacon, made once in the background.

use super::parameters::ProofParameters;
use super::space::{Plot, SpaceAnswer};
use super::time::{SequentialProof, prove_time, time_challenge};
use crate::base::{Digest, Domain, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};

/// The proofs that depend on nothing but beacon and member.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ticket {
    /// The answer from the member's plot.
    pub space: SpaceAnswer,
    /// The steps since the beacon.
    pub time: SequentialProof,
}

/// Makes a member's ticket for a beacon. Heavy: a job.
#[must_use]
pub fn prove_ticket(
    plot: &Plot,
    beacon: &Digest,
    member: &PublicKey,
    parameters: &ProofParameters,
) -> Ticket {
    Ticket {
        space: plot.answer(beacon, member),
        time: prove_time(&time_challenge(beacon, member), &parameters.time),
    }
}

impl Ticket {
    /// The digest that the state records and that later sets name: of beacon, member and every byte of both
    /// proofs, so whoever knows that it was verified need not verify it again.
    #[must_use]
    pub fn digest(&self, beacon: &Digest, member: &PublicKey) -> Digest {
        digest_of(&self.space, &self.time, beacon, member)
    }
}

/// The digest of the ticket of these two proofs.
pub(super) fn digest_of(
    space: &SpaceAnswer,
    time: &SequentialProof,
    beacon: &Digest,
    member: &PublicKey,
) -> Digest {
    let (space, time) = (SPACE.hash_of(space), TIME.hash_of(time));
    TICKET.hash(&[&beacon.0, &member.0, &space.0, &time.0])
}

const SPACE: Domain = Domain::new("hypermesh v1 space answer");
const TIME: Domain = Domain::new("hypermesh v1 sequential proof");
const TICKET: Domain = Domain::new("hypermesh v1 ticket");
