//! Nodes that lie: they run the honest code, and what they send is changed on its way out, signed anew with
//! their own key.

use crate::plan::FaultClass;
use hypermesh_core::base::{Digest, Domain, Height, SecretKey, Signature, decode, encode};
use hypermesh_core::hypermesh::committee::SignedShare;
use hypermesh_core::hypermesh::ordering::CommitCertificate;
use hypermesh_core::node::MESSAGE_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// How a node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Lie {
    /// It sends signature shares that do not hold, and puts its name to them.
    BadShares,
    /// It sends no private shares in key generation.
    NoPrivateShares,
    /// It sends sums that do not hold to whoever asks for repair of its key shares.
    BadRepairSums,
    /// It sends summands that do not hold to the other helpers of a repair.
    BadRepairDeltas,
    /// It answers questions for blocks with blocks that no quorum decided.
    RubbishBlocks,
    /// It claims to have the highest block that there can be.
    FalseHeights,
    /// It does not answer questions for blocks.
    NoBlocks,
}

impl Lie {
    /// The lies that a plan may choose from.
    pub const ALL: &'static [Self] =
        &[Self::BadShares, Self::RubbishBlocks, Self::FalseHeights, Self::NoBlocks];

    /// The class of faults that it is one of, once it is told; `None` for those of repair and key generation.
    pub(super) const fn class(self) -> Option<FaultClass> {
        match self {
            Self::BadShares => Some(FaultClass::BadShares),
            Self::RubbishBlocks => Some(FaultClass::RubbishBlocks),
            Self::FalseHeights => Some(FaultClass::FalseHeights),
            Self::NoBlocks => Some(FaultClass::WithheldBlocks),
            Self::NoPrivateShares | Self::BadRepairSums | Self::BadRepairDeltas => None,
        }
    }
}

/// What becomes of an honest message.
pub(super) enum Told {
    /// It is sent as it is.
    Honestly,
    /// This is sent in its place.
    Instead(Vec<u8>),
    /// Nothing is.
    Nothing,
}

/// What a coordinator gets from a signer: shares, and cosignatures by size of the log.
type SharesSigned = (Vec<SignedShare>, Vec<(u64, Signature)>);

/// Decided blocks with their certificates, from a height on.
type Blocks = (Height, Vec<(Vec<u8>, CommitCertificate)>);

/// The first bytes of messages.
const HEIGHT: u8 = 3;
const BLOCKS: u8 = 5;
const ROUND2: u8 = 6;
const SIGNED_SHARES: u8 = 10;
const REPAIR_DELTAS: u8 = 16;
const REPAIR_SUM: u8 = 17;
const SHARE: Domain = Domain::new("hypermesh v1 committee signature share");

/// What a liar makes of an honest message.
pub(super) fn tell(lie: Lie, identity: &SecretKey, message: &[u8]) -> Told {
    match (lie, message.first()) {
        (Lie::NoBlocks, Some(&BLOCKS)) | (Lie::NoPrivateShares, Some(&ROUND2)) => Told::Nothing,
        _ => instead(lie, identity, message).map_or(Told::Honestly, Told::Instead),
    }
}

/// What a liar sends in place of an honest message; `None` where it leaves that as it is.
fn instead(lie: Lie, identity: &SecretKey, message: &[u8]) -> Option<Vec<u8>> {
    match (lie, message.split_first()?) {
        (Lie::BadShares, (&SIGNED_SHARES, rest)) => {
            let (mut shares, cosignatures): SharesSigned = decode(rest, MESSAGE_BYTES_MAX).ok()?;
            shares.iter_mut().for_each(|share| spoil(share, identity));
            Some([&[SIGNED_SHARES], encode(&(shares, cosignatures)).as_slice()].concat())
        }
        (Lie::BadRepairDeltas, (&REPAIR_DELTAS, _)) | (Lie::BadRepairSums, (&REPAIR_SUM, _)) => {
            // The last scalar's lowest byte: still below the group's order.
            let mut told = message.to_vec();
            let position = told.len().checked_sub(32)?;
            *told.get_mut(position)? ^= 1;
            Some(told)
        }
        (Lie::RubbishBlocks, (&BLOCKS, rest)) => {
            let (first, mut blocks): Blocks = decode(rest, MESSAGE_BYTES_MAX).ok()?;
            // The bad block follows good ones, if there are any.
            let (_, certificate) = blocks.last_mut()?;
            certificate.signatures.pop();
            certificate.signatures.pop();
            Some([&[BLOCKS], encode(&(first, blocks)).as_slice()].concat())
        }
        (Lie::FalseHeights, (&HEIGHT, _)) => Some([&[HEIGHT], encode(&Height(u64::MAX)).as_slice()].concat()),
        _ => None,
    }
}

/// A message that serves this block, as if it had been decided.
#[must_use]
pub fn serve_block(height: Height, block: Vec<u8>, certificate: CommitCertificate) -> Vec<u8> {
    let blocks: Blocks = (height, vec![(block, certificate)]);
    [&[BLOCKS], encode(&blocks).as_slice()].concat()
}

/// Another scalar than the one that was asked for, with a signature that holds.
fn spoil(share: &mut SignedShare, identity: &SecretKey) {
    share.share[0] ^= 1;
    let Digest(session) = share.session;
    share.signature = identity.sign(&SHARE.hash(&[&session, share.signer.as_bytes(), &share.share]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_liar_spoils_the_last_certificate_it_serves_claims_the_highest_height_or_says_nothing() {
        let identity = SecretKey::from_seed([3; 32]);
        let signature = hypermesh_core::hypermesh::ordering::CommitSignature {
            validator: identity.public(),
            signature: Signature([0; 64]),
        };
        let certificate = CommitCertificate {
            height: Height(4),
            round: hypermesh_core::hypermesh::ordering::Round(0),
            value_id: Digest([1; 32]),
            signatures: vec![signature; 3],
        };
        let served = serve_block(Height(4), vec![1, 2], certificate);
        let told = instead(Lie::RubbishBlocks, &identity, &served).unwrap();
        let (first, blocks): Blocks = decode(&told[1..], MESSAGE_BYTES_MAX).unwrap();
        assert_eq!((first, blocks.len(), blocks[0].1.signatures.len()), (Height(4), 1, 1));
        assert!(matches!(tell(Lie::NoBlocks, &identity, &served), Told::Nothing));
        let claim = [&[HEIGHT], encode(&Height(4)).as_slice()].concat();
        let told = instead(Lie::FalseHeights, &identity, &claim).unwrap();
        assert_eq!(decode::<Height>(&told[1..], 8), Ok(Height(u64::MAX)));
        assert!(matches!(tell(Lie::FalseHeights, &identity, &served), Told::Honestly));
    }

    #[test]
    fn a_spoiled_share_still_bears_its_signers_name() {
        let identity = SecretKey::from_seed([3; 32]);
        let share = SignedShare {
            session: Digest([1; 32]),
            signer: identity.public(),
            share: [2; 32],
            signature: Signature([0; 64]),
        };
        let honest: SharesSigned = (vec![share.clone()], Vec::new());
        let message = [&[SIGNED_SHARES], encode(&honest).as_slice()].concat();
        let told = instead(Lie::BadShares, &identity, &message).unwrap();
        let (shares, _): SharesSigned = decode(&told[1..], MESSAGE_BYTES_MAX).unwrap();
        assert_ne!(shares[0].share, share.share);
        assert_eq!(shares[0].verify(), Ok(()));
    }
}
