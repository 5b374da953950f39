//! Proof that a validator signed two things of which it may sign only one.
//!
//! The proof is the two signatures: it names the offender and is checked offline. Nothing else is proof; that
//! a validator was silent, late or wrong is not.

use super::validators::ValidatorSet;
use super::vote::{ProposalHeader, SignedProposalHeader, SignedVote, Vote};
use crate::base::{Digest, Domain, Height, PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

const EVIDENCE: Domain = Domain::new("hypermesh v1 ordering evidence");

/// Two conflicting messages that one validator signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Two votes of one kind in one round, for different values.
    Votes {
        /// One of them: the one with the smaller encoding.
        first: SignedVote,
        /// The other.
        second: SignedVote,
    },
    /// Two proposals in one round that differ.
    Proposals {
        /// One of them: the one with the smaller encoding.
        first: SignedProposalHeader,
        /// The other.
        second: SignedProposalHeader,
    },
}

/// Why evidence shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceFault {
    /// The accused was not a validator at that height.
    #[error("{validator} is not in the validator set: check against the set of its height")]
    UnknownValidator {
        /// The accused.
        validator: PublicKey,
    },
    /// The two messages may stand side by side: another signer, height, round or kind, or the same message.
    #[error("the two messages do not conflict")]
    NoConflict,
    /// The two messages are in the wrong order, so the same evidence would have two encodings.
    #[error("the two messages are not in their canonical order")]
    NotSorted,
    /// A signature that does not hold.
    #[error("a signature does not verify: the accused did not sign this")]
    BadSignature,
}

impl Evidence {
    /// Evidence of two votes, in canonical order.
    #[must_use]
    pub fn from_votes(one: SignedVote, other: SignedVote) -> Self {
        let (first, second) = in_order(one, other);
        Self::Votes { first, second }
    }

    /// Evidence of two proposals, in canonical order.
    #[must_use]
    pub fn from_proposals(one: SignedProposalHeader, other: SignedProposalHeader) -> Self {
        let (first, second) = in_order(one, other);
        Self::Proposals { first, second }
    }

    /// Who is accused.
    #[must_use]
    pub const fn offender(&self) -> PublicKey {
        match self {
            Self::Votes { first, .. } => first.vote.validator,
            Self::Proposals { first, .. } => first.header.proposer,
        }
    }

    /// The height at which it happened, whose validator set the evidence is checked against.
    #[must_use]
    pub const fn height(&self) -> Height {
        match self {
            Self::Votes { first, .. } => first.vote.height,
            Self::Proposals { first, .. } => first.header.height,
        }
    }

    /// The evidence's identity.
    #[must_use]
    pub fn id(&self) -> Digest {
        EVIDENCE.hash_of(self)
    }

    /// Checks that the accused was a validator and signed two conflicting messages.
    ///
    /// # Errors
    /// If it shows nothing against anyone.
    pub fn verify(&self, genesis: &Digest, validators: &ValidatorSet) -> Result<(), EvidenceFault> {
        let validator = self.offender();
        if !validators.contains(&validator) {
            return Err(EvidenceFault::UnknownValidator { validator });
        }
        if !self.conflicts() {
            return Err(EvidenceFault::NoConflict);
        }
        if !self.is_sorted() {
            return Err(EvidenceFault::NotSorted);
        }
        let signed = match self {
            Self::Votes { first, second } => first.verify(genesis).and_then(|()| second.verify(genesis)),
            Self::Proposals { first, second } => first.verify(genesis).and_then(|()| second.verify(genesis)),
        };
        signed.map_err(|_| EvidenceFault::BadSignature)
    }

    /// Whether one validator may not sign both.
    fn conflicts(&self) -> bool {
        match self {
            Self::Votes {
                first: SignedVote { vote: first, .. },
                second: SignedVote { vote: second, .. },
            } => {
                let slot = |vote: &Vote| (vote.kind, vote.height, vote.round, vote.validator);
                slot(first) == slot(second) && first.value_id != second.value_id
            }
            Self::Proposals { first, second } => {
                let slot = |header: &ProposalHeader| (header.height, header.round, header.proposer);
                slot(&first.header) == slot(&second.header) && first.header != second.header
            }
        }
    }

    fn is_sorted(&self) -> bool {
        match self {
            Self::Votes { first, second } => in_order(*first, *second).0 == *first,
            Self::Proposals { first, second } => in_order(*first, *second).0 == *first,
        }
    }
}

/// The two, the one with the smaller encoding first.
fn in_order<T: BorshSerialize>(one: T, other: T) -> (T, T) {
    if crate::base::encode(&one) <= crate::base::encode(&other) { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use super::super::vote::{Round, VoteKind};
    use super::*;
    use crate::base::SecretKey;

    const GENESIS: Digest = Digest([9; 32]);

    fn key() -> SecretKey {
        SecretKey::from_seed([4; 32])
    }

    fn validators() -> ValidatorSet {
        ValidatorSet::new([key().public()]).unwrap()
    }

    fn vote(value: u8) -> Vote {
        Vote {
            kind: VoteKind::Prevote,
            height: Height(3),
            round: Round(0),
            value_id: Some(Digest([value; 32])),
            validator: key().public(),
        }
    }

    fn check(one: Vote, other: Vote) -> Result<(), EvidenceFault> {
        Evidence::from_votes(one.sign(&GENESIS, &key()), other.sign(&GENESIS, &key()))
            .verify(&GENESIS, &validators())
    }

    #[test]
    fn two_votes_for_different_values_convict_and_nothing_less_does() {
        assert_eq!(check(vote(1), vote(2)), Ok(()));
        assert_eq!(check(vote(1), Vote { value_id: None, ..vote(1) }), Ok(()));
        assert_eq!(check(vote(1), vote(1)), Err(EvidenceFault::NoConflict));
        let apart = [
            Vote { round: Round(1), ..vote(2) },
            Vote { height: Height(4), ..vote(2) },
            Vote { kind: VoteKind::Precommit, ..vote(2) },
        ];
        for other in apart {
            assert_eq!(check(vote(1), other), Err(EvidenceFault::NoConflict));
        }
    }

    #[test]
    fn a_forged_signature_and_a_stranger_convict_nobody() {
        let forger = SecretKey::from_seed([5; 32]);
        let forged = Evidence::from_votes(vote(1).sign(&GENESIS, &key()), vote(2).sign(&GENESIS, &forger));
        assert_eq!(forged.verify(&GENESIS, &validators()), Err(EvidenceFault::BadSignature));
        let others = ValidatorSet::new([forger.public()]).unwrap();
        let fault = EvidenceFault::UnknownValidator { validator: key().public() };
        assert_eq!(forged.verify(&GENESIS, &others), Err(fault));
    }

    #[test]
    fn two_proposals_that_differ_convict_and_the_order_is_canonical() {
        let header = ProposalHeader {
            height: Height(3),
            round: Round(2),
            valid_round: None,
            value_id: Digest([1; 32]),
            proposer: key().public(),
        };
        let one = header.sign(&GENESIS, &key());
        let other = ProposalHeader { valid_round: Some(Round(0)), ..header }.sign(&GENESIS, &key());
        let evidence = Evidence::from_proposals(one, other);
        assert_eq!(evidence, Evidence::from_proposals(other, one));
        assert_eq!(evidence.verify(&GENESIS, &validators()), Ok(()));
        assert_eq!(evidence.offender(), key().public());
        assert_eq!(
            alloc::format!("{}", header.digest(&GENESIS)),
            "0ec5c54fa8de64e0d104cc773c7c24fb63b575607695e225d0d7dd6e857db18b"
        );
        assert_eq!(
            alloc::format!("{}", evidence.id()),
            "c1322cd2e4656cdc02c31bf41e8c68769faa9d0b659b97cde384daaac3fdc28c"
        );
        let Evidence::Proposals { first, second } = evidence else { unreachable!("made of proposals") };
        let swapped = Evidence::Proposals { first: second, second: first };
        assert_eq!(swapped.verify(&GENESIS, &validators()), Err(EvidenceFault::NotSorted));
        let same = Evidence::from_proposals(one, one);
        assert_eq!(same.verify(&GENESIS, &validators()), Err(EvidenceFault::NoConflict));
    }
}
