//! Wire and log forms: what goes in comes out, and nothing makes them panic.

use super::super::wal::{Journal, TimeoutStep, WalEntry, WalRecord};
use super::super::*;
use super::world::{VALUE_BYTES_MAX, block, identify};
use crate::base::{DecodeError, Digest, Height, PublicKey, Signature, encode};
use alloc::vec::Vec;
use core::slice;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(low, high)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&low);
        bytes[32..].copy_from_slice(&high);
        Signature(bytes)
    })
}

fn kind() -> impl Strategy<Value = VoteKind> {
    prop_oneof![Just(VoteKind::Prevote), Just(VoteKind::Precommit)]
}

fn vote(height: impl Strategy<Value = u64>) -> impl Strategy<Value = SignedVote> {
    (kind(), height, any::<u32>(), option::of(digest()), key(), signature()).prop_map(
        |(kind, height, round, value_id, validator, signature)| SignedVote {
            vote: Vote { kind, height: Height(height), round: Round(round), value_id, validator },
            signature,
        },
    )
}

fn proposal(height: impl Strategy<Value = u64>) -> impl Strategy<Value = Proposal> {
    (height, any::<u32>(), option::of(any::<u32>()), key(), signature(), any::<u64>()).prop_map(
        |(height, round, valid_round, proposer, signature, salt)| {
            let value = block(height, 0, true, salt);
            let header = ProposalHeader {
                height: Height(height),
                round: Round(round),
                valid_round: valid_round.map(Round),
                value_id: identify(&value).unwrap(),
                proposer,
            };
            Proposal { signed: SignedProposalHeader { header, signature }, value: ValueBytes(value) }
        },
    )
}

fn polka(height: impl Strategy<Value = u64>) -> impl Strategy<Value = PolkaCertificate> {
    (height, any::<u32>(), digest(), vec((key(), signature()), 0..5)).prop_map(
        |(height, round, value_id, signed)| {
            let mut signatures: Vec<_> = signed
                .into_iter()
                .map(|(validator, signature)| PolkaSignature { validator, signature })
                .collect();
            signatures.sort_by_key(|signed| signed.validator);
            PolkaCertificate { height: Height(height), round: Round(round), value_id, signatures }
        },
    )
}

fn round_certificate() -> impl Strategy<Value = RoundCertificate> {
    let votes = vec((kind(), option::of(digest()), key(), signature()), 0..5);
    (any::<u64>(), any::<u32>(), any::<bool>(), votes).prop_map(|(height, round, skip, votes)| {
        let mut votes: Vec<_> = votes
            .into_iter()
            .map(|(kind, value_id, validator, signature)| RoundVote { kind, value_id, validator, signature })
            .collect();
        votes.sort_by_key(|vote| vote.validator);
        let kind = if skip { RoundCertificateKind::Skip } else { RoundCertificateKind::Precommit };
        RoundCertificate { height: Height(height), round: Round(round), kind, votes }
    })
}

fn message() -> impl Strategy<Value = ConsensusMessage> {
    prop_oneof![
        proposal(any::<u64>()).prop_map(ConsensusMessage::Proposal),
        vote(any::<u64>()).prop_map(ConsensusMessage::Vote),
        vote(any::<u64>()).prop_map(ConsensusMessage::RepeatedVote),
        polka(any::<u64>()).prop_map(ConsensusMessage::PolkaCertificate),
        round_certificate().prop_map(ConsensusMessage::RoundCertificate),
    ]
}

const LOGGED: u64 = 7;

/// Entries of one height, each with its block, as a log of one entry has it.
fn entry() -> impl Strategy<Value = WalEntry> {
    let verdict = (proposal(Just(LOGGED)), any::<bool>()).prop_map(|(proposal, valid)| {
        let header = proposal.signed.header;
        WalEntry::Verdict {
            round: header.round,
            valid_round: header.valid_round,
            proposer: header.proposer,
            value_id: header.value_id,
            value: Some(proposal.value),
            valid,
        }
    });
    let step =
        prop_oneof![Just(TimeoutStep::Propose), Just(TimeoutStep::Prevote), Just(TimeoutStep::Precommit)];
    prop_oneof![
        vote(Just(LOGGED)).prop_map(WalEntry::Vote),
        proposal(Just(LOGGED))
            .prop_map(|proposal| WalEntry::Proposal { signed: proposal.signed, value: Some(proposal.value) }),
        verdict,
        polka(Just(LOGGED)).prop_map(WalEntry::Polka),
        (step, any::<u32>()).prop_map(|(step, round)| WalEntry::TimedOut { step, round: Round(round) }),
    ]
}

fn record(entry: WalEntry) -> Vec<u8> {
    encode(&WalRecord { height: Height(LOGGED), entry })
}

proptest! {
    #[test]
    fn messages_round_trip(message in message()) {
        let bytes = message.encode();
        prop_assert_eq!(ConsensusMessage::decode(&bytes, VALUE_BYTES_MAX), Ok(message));
        let mut longer = bytes;
        longer.push(0);
        prop_assert!(ConsensusMessage::decode(&longer, VALUE_BYTES_MAX).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(message) = ConsensusMessage::decode(&bytes, VALUE_BYTES_MAX) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        let replay = Journal::default().read(&[bytes], Height(LOGGED), VALUE_BYTES_MAX, identify);
        prop_assert!(replay.inputs.len() <= 1);
    }

    #[test]
    fn a_message_cut_short_or_changed_never_decodes_to_itself(message in message(), at in any::<usize>()) {
        let bytes = message.encode();
        let at = at % bytes.len();
        prop_assert!(ConsensusMessage::decode(&bytes[..at], VALUE_BYTES_MAX).is_err());
        let mut changed = bytes;
        changed[at] ^= 1;
        prop_assert_ne!(ConsensusMessage::decode(&changed, VALUE_BYTES_MAX), Ok(message));
    }

    #[test]
    fn log_entries_round_trip_through_the_core(entry in entry()) {
        let bytes = record(entry);
        let replay =
            Journal::default().read(slice::from_ref(&bytes), Height(LOGGED), VALUE_BYTES_MAX, identify);
        prop_assert_eq!((replay.inputs.len(), replay.damaged), (1, None));
        prop_assert_eq!(Journal::default().write(Height(LOGGED), &replay.inputs[0]), Some(bytes));
    }

    #[test]
    fn a_block_is_logged_once_and_found_again(made in proposal(Just(LOGGED))) {
        let value = Some(made.value.clone());
        let whole = record(WalEntry::Proposal { signed: made.signed, value });
        let mut journal = Journal::default();
        let read = journal.read(slice::from_ref(&whole), Height(LOGGED), VALUE_BYTES_MAX, identify);
        let again = journal.write(Height(LOGGED), &read.inputs[0]).unwrap();
        prop_assert!(again.len() < whole.len());
        let entries = [whole, again.clone()];
        let read = Journal::default().read(&entries, Height(LOGGED), VALUE_BYTES_MAX, identify);
        prop_assert_eq!(&read.inputs[0], &read.inputs[1]);
        let alone = Journal::default().read(&[again], Height(LOGGED), VALUE_BYTES_MAX, identify);
        prop_assert_eq!(alone.damaged, Some(0), "its block is nowhere");
    }
}

#[test]
fn entries_of_other_heights_are_passed_over_and_reading_stops_at_damage() {
    let timed_out = |height| {
        encode(&WalRecord {
            height: Height(height),
            entry: WalEntry::TimedOut { step: TimeoutStep::Propose, round: Round(0) },
        })
    };
    let entries = [timed_out(6), timed_out(7), Vec::from([9]), timed_out(7)];
    let replay = Journal::default().read(&entries, Height(7), VALUE_BYTES_MAX, identify);
    assert_eq!((replay.inputs.len(), replay.damaged), (1, Some(2)));
}

#[test]
fn messages_are_bounded_at_the_limit_and_one_past_it() {
    let polka = |count: usize| {
        let signed = PolkaSignature { validator: PublicKey([1; 32]), signature: Signature([2; 64]) };
        ConsensusMessage::PolkaCertificate(PolkaCertificate {
            height: Height(1),
            round: Round(0),
            value_id: Digest::ZERO,
            signatures: alloc::vec![signed; count],
        })
    };
    let decode = |message: &ConsensusMessage| ConsensusMessage::decode(&message.encode(), VALUE_BYTES_MAX);
    assert!(decode(&polka(VALIDATORS_MAX)).is_ok());
    assert_eq!(decode(&polka(VALIDATORS_MAX + 1)), Err(DecodeError::Malformed));

    let sized = |bytes: usize| {
        let header = ProposalHeader {
            height: Height(1),
            round: Round(0),
            valid_round: None,
            value_id: Digest::ZERO,
            proposer: PublicKey([1; 32]),
        };
        let signed = SignedProposalHeader { header, signature: Signature([2; 64]) };
        ConsensusMessage::Proposal(Proposal { signed, value: ValueBytes(alloc::vec![0; bytes].into()) })
    };
    assert!(decode(&sized(VALUE_BYTES_MAX)).is_ok());
    let refused = DecodeError::TooLong { bytes: VALUE_BYTES_MAX + 1, bytes_max: VALUE_BYTES_MAX };
    assert_eq!(decode(&sized(VALUE_BYTES_MAX + 1)), Err(refused));
}

#[test]
fn a_vote_on_the_wire_is_pinned() {
    let vote = Vote {
        kind: VoteKind::Precommit,
        height: Height(5),
        round: Round(2),
        value_id: Some(Digest([6; 32])),
        validator: PublicKey([7; 32]),
    };
    let message = ConsensusMessage::Vote(SignedVote { vote, signature: Signature([8; 64]) });
    let (value_id, validator, signature) = ("06".repeat(32), "07".repeat(32), "08".repeat(64));
    // A vote; a precommit; the height; the round; some value.
    let head = concat!("01", "01", "0500000000000000", "02000000", "01");
    let expected = [head, &value_id, &validator, &signature].concat();
    assert_eq!(hex::encode(message.encode()), expected);
}

#[test]
fn a_log_entry_is_pinned() {
    let entry = record(WalEntry::TimedOut { step: TimeoutStep::Prevote, round: Round(2) });
    // The height; a wait that ended; for prevotes; the round.
    assert_eq!(hex::encode(entry), concat!("0700000000000000", "04", "01", "02000000"));
}
