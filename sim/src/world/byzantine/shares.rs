//! Lies about keys: bad dealing, bad, late and framed shares, shares for other bytes, another view of the log; and
//! what a thief does who has a member's key.

use super::{BATCH, Liar, LiarContext, Lie, Tampering, message};
use crate::world::OPERATION_MS_LIFE;
use hypermesh_core::base::{Digest, Domain, MicroCaesar, Profile, PublicKey, SecretKey, Signature, decode};
use hypermesh_core::hypermesh::committee::SignedShare;
use hypermesh_core::hypermesh::proof::{Statement, prove_set, prove_ticket};
use hypermesh_core::node::MESSAGE_BYTES_MAX;
use hypermesh_core::state::{Action, Batch, Member, OperationBody, Transfer, batch_root};
use std::time::Duration;

/// What a coordinator gets from a signer: shares, and cosignatures by size of the log.
type SharesSigned = (Vec<SignedShare>, Vec<(u64, Signature)>);

/// The first bytes of messages.
const ROUND2: u8 = 6;
const SHARES: u8 = 9;
const SIGNED_SHARES: u8 = 10;
const REPAIR_DELTAS: u8 = 16;
const REPAIR_SUM: u8 = 17;
const SHARE: Domain = Domain::new("hypermesh v1 committee signature share");
/// How late shares are at most.
const LATE_MS_MAX: u64 = 3_000;
/// How many batches a thief submits.
const THEFT_COUNT_MAX: u32 = 4;

impl Liar {
    /// What it makes of what has to do with keys.
    pub(super) fn sign(&mut self, context: &mut LiarContext<'_>, bytes: &[u8]) -> Tampering {
        let Some((kind, rest)) = bytes.split_first() else { return Tampering::Honestly };
        match (self.lie, *kind) {
            (Lie::NoPrivateShares, ROUND2) => Tampering::Nothing,
            (Lie::BadDealing, ROUND2) if context.view.state.generation().attempt == 0 => spoil_last(bytes),
            (Lie::BadRepairDeltas, REPAIR_DELTAS) | (Lie::BadRepairSums, REPAIR_SUM) => spoil_last(bytes),
            (Lie::LateShares, SIGNED_SHARES) => {
                Tampering::Late(Duration::from_millis(1 + context.random.below(LATE_MS_MAX)))
            }
            (Lie::BadShares | Lie::FramedShares | Lie::SplitView, SIGNED_SHARES) => {
                signed_shares(self.lie, context.identity, context.another, rest)
            }
            (Lie::OtherBytes, SHARES) => other_bytes(context, bytes),
            _ => Tampering::Honestly,
        }
    }

    /// Submits a batch under a key that it has stolen, with a ticket of its own plot.
    pub(super) fn steal(&mut self, context: &LiarContext<'_>) -> Tampering {
        if self.done >= THEFT_COUNT_MAX {
            return Tampering::Honestly;
        }
        self.done += 1;
        let state = &context.view.state;
        let Some(row) = state.get::<Member>(&context.stolen.public()) else { return Tampering::Honestly };
        let (beacon, parameters) = (state.beacon(), Profile::Sim.proofs());
        let transfer = Transfer { to: context.identity.public(), amount: MicroCaesar(1) };
        let operation = OperationBody {
            genesis: context.genesis(),
            owner: context.stolen.public(),
            nonce: u64::from(self.done),
            expires: state.time().plus(OPERATION_MS_LIFE),
            fee_max: MicroCaesar(u64::MAX),
            action: Action::Transfer(transfer),
        }
        .sign(context.stolen);
        let statement = Statement {
            genesis: context.genesis(),
            member: context.stolen.public(),
            sequence: row.next_sequence,
            batch_root: batch_root([operation.id()]),
            beacon_index: beacon.index,
        };
        let ticket = prove_ticket(context.plot, &beacon.value, &context.stolen.public(), &parameters);
        let batch = Batch {
            genesis: statement.genesis,
            member: statement.member,
            sequence: statement.sequence,
            beacon_index: statement.beacon_index,
            operations: vec![operation],
            omitted: Vec::new(),
            proofs: prove_set(&ticket, true, &statement, &beacon.value, beacon.difficulty, context.stolen),
        };
        let no_traces: Vec<(u16, [u8; 16])> = Vec::new();
        Tampering::Both(message(BATCH, &(batch, no_traces)))
    }
}

/// The last scalar's lowest byte is another: still below the group's order.
fn spoil_last(bytes: &[u8]) -> Tampering {
    let mut told = bytes.to_vec();
    let byte = told.len().checked_sub(32).and_then(|place| told.get_mut(place));
    match byte {
        Some(byte) => {
            *byte ^= 1;
            Tampering::Instead(told)
        }
        None => Tampering::Honestly,
    }
}

fn signed_shares(lie: Lie, identity: &SecretKey, another: PublicKey, rest: &[u8]) -> Tampering {
    let Ok((mut shares, mut cosignatures)) = decode::<SharesSigned>(rest, MESSAGE_BYTES_MAX) else {
        return Tampering::Honestly;
    };
    match lie {
        Lie::SplitView if cosignatures.is_empty() => return Tampering::Honestly,
        Lie::SplitView => {
            for (size, signature) in &mut cosignatures {
                *signature = identity.sign_bytes(format!("another log of {size} entries").as_bytes());
            }
        }
        _ if shares.is_empty() => return Tampering::Honestly,
        Lie::FramedShares => shares.iter_mut().for_each(|share| put_name(share, another, identity)),
        _ => shares.iter_mut().for_each(|share| put_name(share, identity.public(), identity)),
    }
    Tampering::Instead(message(SIGNED_SHARES, &(shares, cosignatures)))
}

/// Another scalar than the one that was asked for, with a name and a signature, which holds if the name is the
/// signer's own.
fn put_name(share: &mut SignedShare, signer: PublicKey, identity: &SecretKey) {
    share.share[0] ^= 1;
    share.signer = signer;
    let Digest(session) = share.session;
    share.signature = identity.sign(&SHARE.hash(&[&session, share.signer.as_bytes(), &share.share]));
}

/// A request for shares in which the bytes to sign are others: they follow the digest of the committee's keys, and the
/// byte that says which key.
fn other_bytes(context: &LiarContext<'_>, bytes: &[u8]) -> Tampering {
    let Some(committee) = context.view.state.committee() else { return Tampering::Honestly };
    let Digest(digest) = committee.keys.digest();
    let mut told = bytes.to_vec();
    let places: Vec<usize> = bytes
        .windows(digest.len())
        .enumerate()
        .filter(|(_, one)| **one == digest)
        .map(|(at, _)| at)
        .collect();
    for place in &places {
        if let Some(byte) = told.get_mut(place + digest.len() + 1) {
            *byte ^= 1;
        }
    }
    if places.is_empty() { Tampering::Honestly } else { Tampering::Instead(told) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lie: Lie, identity: &SecretKey, another: PublicKey) -> SharesSigned {
        let share = SignedShare {
            session: Digest([1; 32]),
            signer: identity.public(),
            share: [2; 32],
            signature: Signature([0; 64]),
        };
        let honest: SharesSigned = (vec![share], vec![(3, Signature([5; 64]))]);
        let bytes = message(SIGNED_SHARES, &honest);
        let Tampering::Instead(told) = signed_shares(lie, identity, another, &bytes[1..]) else {
            panic!("honest")
        };
        decode(&told[1..], MESSAGE_BYTES_MAX).unwrap()
    }

    #[test]
    fn a_spoiled_share_still_bears_its_signers_name_and_a_framed_one_anothers() {
        let (identity, another) = (SecretKey::from_seed([3; 32]), SecretKey::from_seed([4; 32]).public());
        let (shares, _) = told(Lie::BadShares, &identity, another);
        assert_ne!(shares[0].share, [2; 32]);
        assert_eq!(shares[0].verify(), Ok(()));
        let (shares, _) = told(Lie::FramedShares, &identity, another);
        assert_eq!(shares[0].signer, another);
        assert!(shares[0].verify().is_err());
    }

    #[test]
    fn a_split_view_is_a_cosignature_on_another_log() {
        let identity = SecretKey::from_seed([3; 32]);
        let (shares, cosignatures) = told(Lie::SplitView, &identity, identity.public());
        assert_eq!((shares[0].share, cosignatures[0].0), ([2; 32], 3));
        assert_ne!(cosignatures[0].1, Signature([5; 64]));
    }
}
