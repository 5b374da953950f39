//! A validator's word that a finished signature holds, and proof, for anyone and offline, that the word was false.
//!
//! A validator hands on a finished signature with its own word for it: these are the bytes, by their digest, this is the
//! key, and the signature holds by the rule that other implementations use. Whether that is so does not depend on what
//! anybody else did or meant: key, bytes and signature decide it. So a word for a signature that does not hold is an offence
//! whatever the bytes are.
//!
//! A validator that follows the protocol never gives a false one: [`SignatureClaim::sign`] takes a [`StrictSignature`],
//! which is made by that very check alone.

use super::coordinator::MESSAGE_BYTES_MAX;
use super::keys::Committee;
use super::{KeyPurpose, NoEvidence};
use crate::base::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureError, StrictSignature};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const CLAIM: Domain = Domain::new("hypermesh v1 committee signature claim");

/// A finished signature, and a validator's word that it holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignatureClaim {
    /// The committee keys in force: [`super::CommitteeKeys::digest`].
    pub committee: Digest,
    /// Under which key it holds.
    pub purpose: KeyPurpose,
    /// Over which bytes: [`StrictSignature::message_digest`].
    pub message: Digest,
    /// The signature.
    pub signature: Signature,
    /// Who says so.
    pub validator: PublicKey,
    /// The validator's, over all before.
    pub word: Signature,
}

/// A claim that is false, and the bytes that show it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FalseClaim {
    /// The claim.
    pub claim: SignatureClaim,
    /// The bytes that the signature is said to be over.
    pub message: Vec<u8>,
}

impl SignatureClaim {
    /// How many bytes the encoding of a claim takes.
    pub const BYTES_MAX: usize = 32 + 1 + 32 + 64 + 32 + 64;

    /// A validator's word for a signature that it has verified. `None` if that is not by the committee's key for this
    /// purpose.
    #[must_use]
    pub fn sign(
        committee: &Committee,
        purpose: KeyPurpose,
        verified: &StrictSignature,
        validator: &SecretKey,
    ) -> Option<Self> {
        if committee.keys().public(purpose) != Some(verified.key()) {
            return None;
        }
        let mut claim = Self {
            committee: committee.digest(),
            purpose,
            message: verified.message(),
            signature: verified.signature(),
            validator: validator.public(),
            word: Signature([0; 64]),
        };
        claim.word = validator.sign(&claim.digest());
        Some(claim)
    }

    /// Checks that the validator gave its word. Whether the word is true is another question.
    ///
    /// # Errors
    /// If the validator's signature does not hold.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.validator.verify(&self.digest(), &self.word)
    }

    /// What names it, and what the validator signs: all of it but the word.
    #[must_use]
    pub fn digest(&self) -> Digest {
        CLAIM.hash_of(&(&self.committee, self.purpose, &self.message, &self.signature, &self.validator))
    }
}

impl FalseClaim {
    /// The most bytes that the encoding takes: a bound for decoding.
    pub const BYTES_MAX: usize = SignatureClaim::BYTES_MAX + 4 + MESSAGE_BYTES_MAX;

    /// Who gave a false word.
    ///
    /// # Errors
    /// If this does not show it; see [`NoEvidence`].
    pub fn verify(&self, committee: &Committee) -> Result<PublicKey, NoEvidence> {
        let Self { claim, message } = self;
        let of_one_piece = claim.committee == committee.digest()
            && claim.message == StrictSignature::message_digest(message)
            && committee.has(&claim.validator);
        let key = committee.keys().public(claim.purpose).filter(|_| of_one_piece);
        let key = key.ok_or(NoEvidence::Unrelated)?;
        claim.verify().map_err(|_| NoEvidence::NotSigned)?;
        match key.verify_strict(message, &claim.signature) {
            Ok(_) => Err(NoEvidence::TrueClaim),
            Err(SignatureError) => Ok(claim.validator),
        }
    }
}

impl Serialize for FalseClaim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serde::serialize(crate::base::encode(self), serializer)
    }
}

impl<'de> Deserialize<'de> for FalseClaim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = hex::serde::deserialize(deserializer)?;
        crate::base::decode(&bytes, Self::BYTES_MAX).map_err(serde::de::Error::custom)
    }
}
