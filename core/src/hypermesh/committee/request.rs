//! What passes between coordinator and signer: a request that names commitments and never carries the bytes
//! to sign, and a share that its signer put its name to.

use super::KeyPurpose;
use super::commitments::{Commitment, NonceId, SignerIncarnation};
use super::keys::VALIDATOR_COUNT_MAX;
use crate::base::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureError};
use alloc::collections::BTreeMap;
use borsh::{BorshDeserialize, BorshSerialize};

const MESSAGE: Domain = Domain::new("hypermesh v1 committee message");
const REQUEST: Domain = Domain::new("hypermesh v1 committee share request");
const SHARE: Domain = Domain::new("hypermesh v1 committee signature share");

/// The digest by which requests name the bytes to sign.
#[must_use]
pub fn message_digest(message: &[u8]) -> Digest {
    MESSAGE.hash(&[message])
}

/// A coordinator's request for signature shares. The same goes to every signer it names.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShareRequest {
    /// The committee keys in force: [`super::CommitteeKeys::digest`]. They fix genesis and attempt.
    pub committee: Digest,
    /// Under which key to sign.
    pub purpose: KeyPurpose,
    /// The bytes to sign, by their [`message_digest`]. Each signer derives the bytes itself.
    pub message: Digest,
    /// As many signers as the threshold, and the commitment of each that is to be spent.
    pub commitments: BTreeMap<PublicKey, NamedCommitment>,
}

/// A commitment, and which incarnation of its signer made it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NamedCommitment {
    /// The signer's life that the nonce belongs to.
    pub incarnation: SignerIncarnation,
    /// The nonce's number in that life.
    pub id: NonceId,
    /// The hiding point and the binding point, compressed.
    pub points: [u8; Commitment::POINT_BYTES],
}

/// A signature share, signed by its signer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedShare {
    /// Answers which request: [`ShareRequest::session`].
    pub session: Digest,
    /// Whose share.
    pub signer: PublicKey,
    /// The share: a scalar (RFC 9591 §5.2).
    pub share: [u8; 32],
    /// The signer's, over all of the request and the share. It makes a bad share evidence.
    pub signature: Signature,
}

impl ShareRequest {
    /// The most bytes that the encoding of a request takes: a bound for decoding.
    pub const BYTES_MAX: usize =
        32 + 1 + 32 + 4 + VALIDATOR_COUNT_MAX * (32 + 16 + 8 + Commitment::POINT_BYTES);

    /// The digest of all of the request, which names the signing session. No two sessions share one, since
    /// no commitment serves twice.
    #[must_use]
    pub fn session(&self) -> Digest {
        REQUEST.hash_of(self)
    }
}

impl SignedShare {
    /// How many bytes the encoding of a share takes.
    pub const BYTES_MAX: usize = 32 + 32 + 32 + 64;

    pub(crate) fn sign(session: Digest, share: [u8; 32], identity: &SecretKey) -> Self {
        let signer = identity.public();
        let signature = identity.sign(&share_digest(&session, &signer, &share));
        Self { session, signer, share, signature }
    }

    /// Checks that the signer put its name to this share. Whether the share is good is another question.
    ///
    /// # Errors
    /// If the signature does not hold.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.signer.verify(&share_digest(&self.session, &self.signer, &self.share), &self.signature)
    }
}

fn share_digest(session: &Digest, signer: &PublicKey, share: &[u8; 32]) -> Digest {
    SHARE.hash(&[session.as_bytes(), signer.as_bytes(), share])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{decode, encode};

    fn request() -> ShareRequest {
        let points = [7; Commitment::POINT_BYTES];
        let named = NamedCommitment { incarnation: SignerIncarnation([5; 16]), id: NonceId(6), points };
        ShareRequest {
            committee: Digest([1; 32]),
            purpose: KeyPurpose::Issuing,
            message: message_digest(b"to be signed"),
            commitments: BTreeMap::from([(PublicKey([4; 32]), named)]),
        }
    }

    #[test]
    fn digests_are_what_other_versions_make() {
        let session = request().session();
        assert_eq!(
            hex::encode(session.0),
            "3517ba14e18fd3ed7a34be0c966d260ef1cc0579f9b3fe55f337daeb5842b588"
        );
        let digest = share_digest(&session, &PublicKey([8; 32]), &[9; 32]);
        assert_eq!(hex::encode(digest.0), "5eee99158982bffe82322087b494519cb90c1cf5274112cf80e0e87686f7f0a8");
    }

    #[test]
    fn a_share_is_signed_for_its_request_and_value_alone() {
        let identity = SecretKey::from_seed([2; 32]);
        let share = SignedShare::sign(request().session(), [3; 32], &identity);
        assert_eq!(share.verify(), Ok(()));
        let mut other = request();
        other.purpose = KeyPurpose::Root;
        assert!(SignedShare { session: other.session(), ..share.clone() }.verify().is_err());
        assert!(SignedShare { share: [4; 32], ..share.clone() }.verify().is_err());
        let encoded = encode(&share);
        assert_eq!(decode::<SignedShare>(&encoded, SignedShare::BYTES_MAX), Ok(share));
    }
}
