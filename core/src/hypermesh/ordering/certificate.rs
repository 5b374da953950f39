//! Certificates: the signed votes of enough validators, checked offline from the validator set alone.
//!
//! A certificate says that a quorum voted. That the value is what its id says, and that the validator set is
//! the right one for the height, is for the caller to know.

use super::validators::ValidatorSet;
use super::vote::{Round, SignedVote, Vote, VoteKind};
use crate::base::{Digest, Height, PublicKey, Signature};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// One validator's part in a [`CommitCertificate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CommitSignature {
    /// Who signed.
    pub validator: PublicKey,
    /// Over the digest of its precommit for the certificate's value.
    pub signature: Signature,
}

/// The precommits of a quorum for one value: proof that it is decided.
///
/// Two valid certificates of one height name the same value, but may name other signers or another round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CommitCertificate {
    /// The height decided.
    pub height: Height,
    /// The round in which it was decided.
    pub round: Round,
    /// The value decided.
    pub value_id: Digest,
    /// The signatures, sorted by validator, each validator at most once.
    pub signatures: Vec<CommitSignature>,
}

/// Why a certificate proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// A signer who is not in the validator set.
    #[error(
        "signer {validator} is not a validator at this height: check against the validator set of that \
        height"
    )]
    UnknownValidator {
        /// The signer.
        validator: PublicKey,
    },
    /// A signer who stands there twice.
    #[error("signer {validator} is in the certificate twice")]
    DuplicateValidator {
        /// The signer.
        validator: PublicKey,
    },
    /// Signers who are not in the order of their keys.
    #[error("signer {validator} is out of order: the certificate is not in its canonical form")]
    NotSorted {
        /// The first signer out of order.
        validator: PublicKey,
    },
    /// Too few signatures.
    #[error("{signatures} signatures: expected at least {needed}")]
    NoQuorum {
        /// How many there are.
        signatures: usize,
        /// How many it takes.
        needed: usize,
    },
    /// A signature that does not hold.
    #[error("the signature of {validator} does not verify")]
    BadSignature {
        /// Whose it claims to be.
        validator: PublicKey,
    },
    /// A prevote in a certificate of precommits.
    #[error("the vote of {validator} is a prevote in a certificate of precommits")]
    WrongVoteKind {
        /// Whose vote it is.
        validator: PublicKey,
    },
}

impl CommitCertificate {
    /// Checks that a quorum of these validators signed.
    ///
    /// # Errors
    /// If not; the fault says which signer or what is missing.
    pub fn verify(&self, genesis: &Digest, validators: &ValidatorSet) -> Result<(), CertificateFault> {
        let votes: Vec<SignedVote> = self.votes().collect();
        check_votes(&votes, validators, validators.quorum(), |vote| vote.verify(genesis).is_ok())
    }

    /// The precommits that the certificate is made of.
    pub fn votes(&self) -> impl Iterator<Item = SignedVote> + '_ {
        self.signatures.iter().map(|signed| SignedVote {
            vote: Vote {
                kind: VoteKind::Precommit,
                height: self.height,
                round: self.round,
                value_id: Some(self.value_id),
                validator: signed.validator,
            },
            signature: signed.signature,
        })
    }
}

/// Checks that `votes` come from at least `needed` different validators, in the order of their keys. What
/// costs nothing is checked before the signatures.
pub(super) fn check_votes(
    votes: &[SignedVote],
    validators: &ValidatorSet,
    needed: usize,
    mut verify: impl FnMut(&SignedVote) -> bool,
) -> Result<(), CertificateFault> {
    let mut seen = BTreeSet::new();
    for SignedVote { vote: Vote { validator, .. }, .. } in votes {
        let validator = *validator;
        if !validators.contains(&validator) {
            return Err(CertificateFault::UnknownValidator { validator });
        }
        let in_order = seen.last().is_none_or(|last| *last < validator);
        if !seen.insert(validator) {
            return Err(CertificateFault::DuplicateValidator { validator });
        }
        if !in_order {
            return Err(CertificateFault::NotSorted { validator });
        }
    }
    if votes.len() < needed {
        return Err(CertificateFault::NoQuorum { signatures: votes.len(), needed });
    }
    match votes.iter().find(|vote| !verify(vote)) {
        Some(vote) => Err(CertificateFault::BadSignature { validator: vote.vote.validator }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{SecretKey, decode, encode};

    const GENESIS: Digest = Digest([9; 32]);

    fn keys() -> Vec<SecretKey> {
        let mut keys: Vec<_> = (1..=4).map(|seed| SecretKey::from_seed([seed; 32])).collect();
        keys.sort_by_key(SecretKey::public);
        keys
    }

    fn certificate(signers: &[SecretKey]) -> (CommitCertificate, ValidatorSet) {
        let blank = CommitCertificate {
            height: Height(7),
            round: Round(1),
            value_id: Digest([5; 32]),
            signatures: Vec::new(),
        };
        let sign = |key: &SecretKey| {
            let vote = Vote {
                kind: VoteKind::Precommit,
                height: blank.height,
                round: blank.round,
                value_id: Some(blank.value_id),
                validator: key.public(),
            };
            CommitSignature { validator: key.public(), signature: vote.sign(&GENESIS, key).signature }
        };
        let signatures = signers.iter().map(sign).collect();
        let set = ValidatorSet::new(keys().iter().map(SecretKey::public)).unwrap();
        (CommitCertificate { signatures, ..blank }, set)
    }

    #[test]
    fn a_quorum_suffices_and_one_less_does_not() {
        let (full, set) = certificate(&keys()[..3]);
        assert_eq!(full.verify(&GENESIS, &set), Ok(()));
        let (short, set) = certificate(&keys()[..2]);
        let fault = CertificateFault::NoQuorum { signatures: 2, needed: 3 };
        assert_eq!(short.verify(&GENESIS, &set), Err(fault));
    }

    #[test]
    fn each_fault_is_named() {
        let stranger = SecretKey::from_seed([77; 32]);
        let mut signers = keys();
        signers[3] = stranger.clone();
        let (unknown, set) = certificate(&signers);
        let fault = CertificateFault::UnknownValidator { validator: stranger.public() };
        assert_eq!(unknown.verify(&GENESIS, &set), Err(fault));

        let key = |at: usize| keys()[at].public();
        let (twice, set) = certificate(&[&keys()[..2], &keys()[..1]].concat());
        assert_eq!(
            twice.verify(&GENESIS, &set),
            Err(CertificateFault::DuplicateValidator { validator: key(0) })
        );

        let (mut shuffled, set) = certificate(&keys());
        shuffled.signatures.swap(0, 1);
        assert_eq!(shuffled.verify(&GENESIS, &set), Err(CertificateFault::NotSorted { validator: key(0) }));

        let (mut forged, set) = certificate(&keys());
        forged.signatures[2].signature = forged.signatures[1].signature;
        assert_eq!(forged.verify(&GENESIS, &set), Err(CertificateFault::BadSignature { validator: key(2) }));
    }

    #[test]
    fn a_certificate_holds_for_its_genesis_height_round_and_value_alone() {
        let (good, set) = certificate(&keys());
        let first = CertificateFault::BadSignature { validator: keys()[0].public() };
        assert_eq!(good.verify(&Digest([8; 32]), &set), Err(first));
        let others = [
            CommitCertificate { height: Height(8), ..good.clone() },
            CommitCertificate { round: Round(2), ..good.clone() },
            CommitCertificate { value_id: Digest([6; 32]), ..good.clone() },
        ];
        for other in others {
            assert_eq!(other.verify(&GENESIS, &set), Err(first));
        }
    }

    #[test]
    fn the_encoding_and_the_signed_digest_are_pinned() {
        let (good, _) = certificate(&keys()[..3]);
        let bytes = encode(&good);
        assert_eq!(decode::<CommitCertificate>(&bytes, bytes.len()), Ok(good.clone()));
        assert_eq!(bytes.len(), 8 + 4 + 32 + 4 + 3 * 96);
        let vote = good.votes().next().unwrap();
        assert_eq!(
            alloc::format!("{}", vote.vote.digest(&GENESIS)),
            "f73641e9a51c4953ef43a72a75c681f455a1772fa39485307030d7078eb50899"
        );
        assert_eq!(
            alloc::format!("{}", crate::base::Domain::new("hypermesh v1 test").hash(&[&bytes])),
            "64d7223727856900ac5a61357bd1f40752cf083e98582f07e2cfff1613698106"
        );
    }
}
