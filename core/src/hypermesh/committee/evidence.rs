//! Proof, for anyone and offline, that a validator signed a bad share.
//!
//! A validator that follows the protocol never makes one, whatever a coordinator asks of it: its share is
//! checked against its own commitment, which it compares with its own nonce before it signs, and against its
//! public share, which it checked when it loaded the secret one.
//!
//! Silence is not evidence, nor is a share whose signature does not hold, nor a request in which *other*
//! signers' commitments are malformed.

use super::commitments::Commitment;
use super::coordinator::MESSAGE_BYTES_MAX;
use super::keys::{Committee, Group};
use super::request::{ShareRequest, SignedShare, message_digest};
use super::suite::round1::SigningCommitments;
use super::suite::round2::SignatureShare;
use super::suite::{Error, Identifier, SigningPackage};
use crate::base::PublicKey;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A bad share, signed, and all that is needed to see that it is bad.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShareEvidence {
    /// The request that the share answers.
    pub request: ShareRequest,
    /// The bytes that were to be signed.
    pub message: Vec<u8>,
    /// The share.
    pub share: SignedShare,
}

/// Why something is no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoEvidence {
    /// Request, message and share do not belong together, or not to this committee.
    #[error("the evidence is not of one piece: request, message, share and committee do not match")]
    Unrelated,
    /// The accused did not sign the share.
    #[error("the accused did not sign the share")]
    NotSigned,
    /// The commitments of others in the request are malformed: that is not the accused's doing.
    #[error("the request is malformed, which its signers did not make so")]
    MalformedRequest,
    /// The share is good.
    #[error("the share is good")]
    GoodShare,
    /// The signature that was vouched for holds.
    #[error("the signature that the accused vouched for holds")]
    TrueClaim,
}

impl Serialize for ShareEvidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serde::serialize(crate::base::encode(self), serializer)
    }
}

impl<'de> Deserialize<'de> for ShareEvidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = hex::serde::deserialize(deserializer)?;
        crate::base::decode(&bytes, Self::BYTES_MAX).map_err(serde::de::Error::custom)
    }
}

impl ShareEvidence {
    /// The most bytes that the encoding of evidence takes: a bound for decoding.
    pub const BYTES_MAX: usize = ShareRequest::BYTES_MAX + 4 + MESSAGE_BYTES_MAX + SignedShare::BYTES_MAX;

    /// Who signed a bad share.
    ///
    /// # Errors
    /// If this does not show it; see [`NoEvidence`].
    pub fn verify(&self, committee: &Committee) -> Result<PublicKey, NoEvidence> {
        let culprit = self.share.signer;
        let of_one_piece = self.request.committee == committee.digest()
            && self.request.message == message_digest(&self.message)
            && self.request.session() == self.share.session
            && self.request.commitments.len() == committee.threshold();
        let named = self.request.commitments.get(&culprit).filter(|_| of_one_piece);
        let named = named.ok_or(NoEvidence::Unrelated)?;
        self.share.verify().map_err(|_| NoEvidence::NotSigned)?;
        let group = committee.group(self.request.purpose);
        if !self.request.commitments.keys().all(|signer| group.identifiers.contains_key(signer)) {
            return Err(NoEvidence::Unrelated);
        }
        if Commitment::decode_points(&named.points).is_none() {
            return Ok(culprit);
        }
        let commitments = decode_commitments(group, &self.request, None);
        let commitments = commitments.map_err(|_| NoEvidence::MalformedRequest)?;
        let package = SigningPackage::new(commitments, &self.message);
        match share_is_good(group, &package, &self.share) {
            Some(true) => Err(NoEvidence::GoodShare),
            Some(false) => Ok(culprit),
            None => Err(NoEvidence::MalformedRequest),
        }
    }
}

/// Whether a share is good; `None` if the package does not allow to tell.
pub(super) fn share_is_good(group: &Group, package: &SigningPackage, share: &SignedShare) -> Option<bool> {
    let identifier = group.identifiers.get(&share.signer)?;
    let verifying_share = group.package.verifying_shares().get(identifier)?;
    let Ok(scalar) = SignatureShare::deserialize(&share.share) else {
        return Some(false);
    };
    let public = group.package.verifying_key();
    match frost_core::verify_signature_share(*identifier, verifying_share, &scalar, package, public) {
        Ok(()) => Some(true),
        Err(Error::InvalidSignatureShare { .. }) => Some(false),
        Err(_) => None,
    }
}

/// A request's commitments as FROST wants them. `known` is one that needs no decoding.
///
/// # Errors
/// The first signer whose commitment is malformed or who is not in the group.
pub(super) fn decode_commitments(
    group: &Group,
    request: &ShareRequest,
    known: Option<(PublicKey, SigningCommitments)>,
) -> Result<BTreeMap<Identifier, SigningCommitments>, PublicKey> {
    let mut commitments = BTreeMap::new();
    for (signer, named) in &request.commitments {
        let identifier = group.identifiers.get(signer).ok_or(*signer)?;
        let decoded = match known {
            Some((me, commitment)) if me == *signer => commitment,
            Some(_) | None => Commitment::decode_points(&named.points).ok_or(*signer)?,
        };
        commitments.insert(*identifier, decoded);
    }
    Ok(commitments)
}
