//! A validator's shares of the four keys, and the row that keeps them in the node's store.

use super::KeyPurpose;
use super::keys::{Committee, CommitteeKeys};
use super::secret::{SecretScalar, encode_secret};
use super::suite::keys::{KeyPackage, VerifyingShare};
use crate::base::{Digest, PublicKey, decode, encode};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use zeroize::Zeroizing;

/// One validator's shares of the four keys. Secret: wiped when dropped, printed as nothing.
///
/// Less than a quorum of these is worth nothing; a quorum is worth everything.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub struct KeyShares {
    /// Of which [`super::CommitteeKeys`].
    committee: Digest,
    shares: BTreeMap<KeyPurpose, SecretScalar>,
}

/// Shares that are not those of this validator in this committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidShares {
    /// The stored bytes are not an encoding of key shares.
    #[error("the stored key shares are corrupted: restore them from a backup")]
    Malformed,
    /// They belong to the keys of another committee.
    #[error("the key shares belong to other committee keys than the current ones")]
    OtherCommittee,
    /// This node is not in the committee.
    #[error("{validator} holds no share of these committee keys")]
    NotAValidator {
        /// The node.
        validator: PublicKey,
    },
    /// A share is missing, or is not the secret half of the public share that the committee confirmed.
    #[error("the share of the key for {purpose} does not match its public half")]
    Mismatch {
        /// Of which key.
        purpose: KeyPurpose,
    },
}

impl KeyShares {
    /// The most bytes that [`KeyShares::to_bytes`] gives.
    pub const BYTES_MAX: usize = 32 + 4 + KeyPurpose::ALL.len() * (1 + 32);

    pub(super) fn new(committee: Digest, packages: &BTreeMap<KeyPurpose, KeyPackage>) -> Self {
        let share = |(purpose, package): (&KeyPurpose, &KeyPackage)| {
            (*purpose, SecretScalar::of(package.signing_share()))
        };
        Self { committee, shares: packages.iter().map(share).collect() }
    }

    /// The shares in the form that [`KeyShares::from_bytes`] reads. Secret: for the node's own store and
    /// for encrypted backups.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        encode_secret(self, Self::BYTES_MAX)
    }

    /// The shares that [`KeyShares::to_bytes`] wrote. That they are the right ones is seen when a
    /// [`super::Signer`] is made of them.
    ///
    /// # Errors
    /// If the bytes are not the one encoding of key shares.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidShares> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(InvalidShares::Malformed);
        }
        let shares = Self::try_from_slice(bytes).map_err(|_| InvalidShares::Malformed)?;
        match *shares.to_bytes() == bytes {
            true => Ok(shares),
            false => Err(InvalidShares::Malformed),
        }
    }

    /// The digest of the [`super::CommitteeKeys`] that these are shares of.
    #[must_use]
    pub const fn committee(&self) -> Digest {
        self.committee
    }

    /// Checks that these are the shares of `me` in this committee: each against its public half.
    ///
    /// # Errors
    /// If they are not; see [`InvalidShares`].
    pub fn check(&self, committee: &Committee, me: &PublicKey) -> Result<(), InvalidShares> {
        self.packages(committee, me).map(|_| ())
    }

    /// The shares as FROST wants them, each checked against the public share that the committee confirmed.
    pub(super) fn packages(
        &self,
        committee: &Committee,
        me: &PublicKey,
    ) -> Result<BTreeMap<KeyPurpose, KeyPackage>, InvalidShares> {
        if self.committee != committee.digest() {
            return Err(InvalidShares::OtherCommittee);
        }
        if !committee.has(me) {
            return Err(InvalidShares::NotAValidator { validator: *me });
        }
        KeyPurpose::ALL
            .into_iter()
            .map(|purpose| {
                let package = self.package(committee, purpose, me);
                Ok((purpose, package.ok_or(InvalidShares::Mismatch { purpose })?))
            })
            .collect()
    }

    fn package(&self, committee: &Committee, purpose: KeyPurpose, me: &PublicKey) -> Option<KeyPackage> {
        let group = committee.group(purpose);
        let identifier = group.identifiers.get(me)?;
        let confirmed = group.package.verifying_shares().get(identifier)?;
        let share = self.shares.get(&purpose)?.signing_share()?;
        (VerifyingShare::from(share) == *confirmed).then(|| {
            let public = *group.package.verifying_key();
            KeyPackage::new(*identifier, share, *confirmed, public, committee.keys().threshold)
        })
    }
}

/// The row that a node keeps of an attempt at key generation: what is public of it, and its own shares.
#[derive(Clone, Debug)]
pub struct StoredShares {
    /// The public outcome, so that the shares can be checked without the chain.
    pub keys: CommitteeKeys,
    /// The shares. Secret.
    pub shares: KeyShares,
}

impl StoredShares {
    /// More bytes than any row takes: a bound for decoding.
    pub const BYTES_MAX: usize = 4 + CommitteeKeys::BYTES_MAX + 4 + KeyShares::BYTES_MAX;

    /// The row. Secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let row = (encode(&self.keys), Zeroizing::new(self.shares.to_bytes().to_vec()));
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + row.0.len() + 4 + row.1.len()));
        bytes.extend_from_slice(&encode(&row.0));
        bytes.extend_from_slice(&Zeroizing::new(encode(&*row.1)));
        bytes
    }

    /// The row that [`StoredShares::to_bytes`] wrote. Whose shares they are, [`KeyShares::check`] tells.
    ///
    /// # Errors
    /// If the bytes are no such row.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidShares> {
        let malformed = |_| InvalidShares::Malformed;
        let (keys, shares): (Vec<u8>, Vec<u8>) = decode(bytes, Self::BYTES_MAX).map_err(malformed)?;
        let shares = Zeroizing::new(shares);
        let keys = decode(&keys, CommitteeKeys::BYTES_MAX).map_err(malformed)?;
        Ok(Self { keys, shares: KeyShares::from_bytes(&shares)? })
    }
}

impl fmt::Debug for KeyShares {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyShares(of {:?})", self.committee)
    }
}
