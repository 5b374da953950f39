//! What a validator might send that wants to break the others rather than to win: all of it well encoded.

use super::super::*;
use super::world::{GENESIS, block as make_block, identify};
use crate::base::{Digest, Height, SecretKey};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    usize::try_from(rng.next_u64() % bound as u64).unwrap()
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| &items[below(rng, items.len())])
}

fn height(rng: &mut ChaCha8Rng, top: u64) -> Height {
    match below(rng, 16) {
        0 => Height(rng.next_u64()),
        1 => Height(top.saturating_sub(1)),
        near => Height(top + near as u64 % 3),
    }
}

fn round(rng: &mut ChaCha8Rng) -> Round {
    match below(rng, 12) {
        0 => Round(u32::MAX),
        1 => Round(rng.next_u32()),
        near => Round(u32::try_from(near).unwrap() - 2),
    }
}

fn value_id(rng: &mut ChaCha8Rng, votes: &[SignedVote]) -> Option<Digest> {
    match below(rng, 3) {
        0 => None,
        1 => pick(rng, votes).and_then(|vote| vote.vote.value_id),
        _ => Some(Digest([7; 32])),
    }
}

/// A message signed by `key`, put together from `heard`, or forged.
pub(super) fn message(
    rng: &mut ChaCha8Rng,
    key: &SecretKey,
    heard: &[ConsensusMessage],
    top: u64,
) -> Option<ConsensusMessage> {
    let votes: Vec<SignedVote> = heard
        .iter()
        .filter_map(|message| match message {
            ConsensusMessage::Vote(vote) | ConsensusMessage::RepeatedVote(vote) => Some(*vote),
            _ => None,
        })
        .collect();
    Some(match below(rng, 8) {
        0 | 1 => {
            let kind = if below(rng, 2) == 0 { VoteKind::Prevote } else { VoteKind::Precommit };
            let (height, round) = (height(rng, top), round(rng));
            let vote = Vote { kind, height, round, value_id: value_id(rng, &votes), validator: key.public() };
            ConsensusMessage::Vote(vote.sign(&GENESIS, key))
        }
        2 => ConsensusMessage::Proposal(proposal(rng, key, top)),
        3 => ConsensusMessage::PolkaCertificate(polka(rng, &votes)?),
        4 => ConsensusMessage::RoundCertificate(round_certificate(rng, &votes)?),
        5 => {
            let mut forged = *pick(rng, &votes)?;
            forged.vote.value_id = value_id(rng, &votes);
            ConsensusMessage::RepeatedVote(forged)
        }
        _ => pick(rng, heard)?.clone(),
    })
}

/// A proposal in or out of turn, valid or not, perhaps with a valid round that cannot be.
fn proposal(rng: &mut ChaCha8Rng, key: &SecretKey, top: u64) -> Proposal {
    let (height, round_now) = (height(rng, top), round(rng));
    let value = make_block(height.0, 3, below(rng, 2) == 0, rng.next_u64());
    let valid_round = match below(rng, 3) {
        0 => None,
        1 => Some(round_now),
        _ => Some(round(rng)),
    };
    let value_id = identify(&value).unwrap();
    let header = ProposalHeader { height, round: round_now, valid_round, value_id, proposer: key.public() };
    Proposal { signed: header.sign(&GENESIS, key), value: ValueBytes(value) }
}

/// A certificate of votes picked at random, for the value of one of them.
fn polka(rng: &mut ChaCha8Rng, votes: &[SignedVote]) -> Option<PolkaCertificate> {
    let named = *pick(rng, votes)?;
    let mut signatures: Vec<PolkaSignature> = Vec::new();
    for _ in 0..below(rng, 6) {
        let vote = pick(rng, votes)?;
        signatures.push(PolkaSignature { validator: vote.vote.validator, signature: vote.signature });
    }
    signatures.sort_by_key(|signed| signed.validator);
    Some(PolkaCertificate {
        height: named.vote.height,
        round: named.vote.round,
        value_id: named.vote.value_id?,
        signatures,
    })
}

/// A certificate of the votes of one round, of a kind chosen at random.
fn round_certificate(rng: &mut ChaCha8Rng, votes: &[SignedVote]) -> Option<RoundCertificate> {
    let named = *pick(rng, votes)?;
    let mut of_round: Vec<RoundVote> = Vec::new();
    for SignedVote { vote, signature } in votes {
        let same = (vote.height, vote.round) == (named.vote.height, named.vote.round);
        if same || below(rng, 8) == 0 {
            let Vote { kind, value_id, validator, .. } = *vote;
            of_round.push(RoundVote { kind, value_id, validator, signature: *signature });
        }
    }
    of_round.sort_by_key(|vote| vote.validator);
    if below(rng, 2) == 0 {
        of_round.dedup_by_key(|vote| vote.validator);
    }
    let kind = if below(rng, 2) == 0 { RoundCertificateKind::Skip } else { RoundCertificateKind::Precommit };
    Some(RoundCertificate { height: named.vote.height, round: named.vote.round, kind, votes: of_round })
}

/// A decided block with its certificate, one of them spoiled.
pub(super) fn block(
    rng: &mut ChaCha8Rng,
    value: Arc<[u8]>,
    mut certificate: CommitCertificate,
    top: u64,
) -> (Arc<[u8]>, CommitCertificate) {
    match below(rng, 6) {
        0 => certificate.height = Height(top),
        1 => certificate.signatures.truncate(2),
        2 => certificate.signatures.extend(certificate.signatures.clone()),
        3 => certificate.value_id = Digest([7; 32]),
        4 => certificate.round = round(rng),
        _ => return ([9_u8; 64].into(), certificate),
    }
    (value, certificate)
}
