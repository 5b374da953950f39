//! Stake: the holder of a staked key said all of this.
//!
//! One signature, over the digest that ends the transcript and so over statement, beacon, ticket and work. It
//! shows control of a key that has something to lose; not who controls it. Keys of small order, for which
//! anyone can sign, are refused where members register ([`PublicKey::check`]).

use super::fault::ProofFault;
use crate::base::{Digest, MicroCaesar, PublicKey, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};

/// The member's signature over the whole transcript.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct StakeProof {
    /// By the key that the stake is recorded under.
    pub signature: Signature,
}

impl StakeProof {
    /// Signs a transcript's last digest.
    pub(super) fn sign(secret: &SecretKey, transcript: &Digest) -> Self {
        Self { signature: secret.sign(transcript) }
    }

    /// Checks the signature over a transcript's last digest.
    pub(super) fn verify(&self, member: &PublicKey, transcript: &Digest) -> Result<(), ProofFault> {
        member.verify(transcript, &self.signature).map_err(|_| ProofFault::BadSignature)
    }
}

/// Refuses a member that has less at stake than the state asks for.
pub(super) fn check_stake(stake: MicroCaesar, minimum: MicroCaesar) -> Result<(), ProofFault> {
    if stake < minimum {
        return Err(ProofFault::StakeTooLow { stake, minimum });
    }
    Ok(())
}
