//! Messages between validators, over links that prove who the sender is.

use super::context::Context;
use super::output::Output;
use super::output::PersistToken;
use super::task::Task;
use super::trace::MessageTraces;
use crate::api::AddressRecord;
use crate::base::Signature;
use crate::base::{DecodeError, Height, LeafIndex, PublicKey, decode, encode};
use crate::hypermesh::committee::{
    BlindedShares, CommitmentOffer, KeyPurpose, Round2, ShareRequest, SignatureClaim, SignedShare,
};
use crate::hypermesh::ordering::{
    CommitCertificate, ConsensusMessage, MESSAGE_EXTRA_BYTES_MAX, SignedStatement,
};
use crate::state::{BLOCK_BYTES_MAX, Batch, CheckedBatch, SystemOperation};
use alloc::sync::Arc;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// The most bytes in one message.
pub const MESSAGE_BYTES_MAX: usize = BLOCK_BYTES_MAX + MESSAGE_EXTRA_BYTES_MAX;
/// The most signing tasks in one message.
pub(super) const TASK_COUNT_MAX: usize = 256;

/// How urgent a message is: votes never wait behind blocks that are being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageClass {
    /// Votes, proposals, signing.
    Consensus,
    /// Batches, key generation, blocks for a node that is behind.
    Bulk,
}

impl MessageClass {
    /// The class of an encoded message, by its first byte: what a peer says of its class decides nothing.
    #[must_use]
    pub const fn of(message: &[u8]) -> Self {
        match message.first() {
            Some(0 | 7..=10 | 12 | 13) => Self::Consensus,
            _ => Self::Bulk,
        }
    }
}

/// A message between validators.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) enum Message {
    /// Ordering.
    Consensus(ConsensusMessage),
    /// A batch to be ordered.
    Batch(BatchSent),
    /// A system operation to be ordered.
    System(SystemOperation),
    /// The height that the sender has decided, on connecting.
    Height(Height),
    /// Asks for decided blocks.
    Fetch(Fetch),
    /// Decided blocks: the answer, or one that the receiver is stuck at.
    Blocks(Blocks),
    /// Second round of key generation: shares for the receiver alone.
    Round2(Round2),
    /// Asks for commitments of the receiver's.
    FetchCommitments(CommitmentsRequest),
    /// Commitments for the receiver to use as coordinator.
    Commitments(CommitmentsOffered),
    /// Asks for signature shares.
    Shares(ShareRequests),
    /// Signature shares.
    SignedShares(SharesSigned),
    /// A signature that the whole mesh shares: on the root, an issuing certificate, or a revocation list.
    Signature(TaskSignature),
    /// Asks for the sender's own last vote and proposal, as far as the receiver holds them.
    FetchVoteHistory(RecallNumber),
    /// The receiver's own last vote and proposal, as far as the sender holds them: the answer.
    VoteHistory(VoteHistoryAnswer),
    /// Asks for an entry of the certificate log.
    FetchEntry(LeafIndex),
    /// An entry of the certificate log.
    Entry(IndexedLogEntry),
    /// A helper's summands for another helper of a repair, for the receiver alone.
    RepairDeltas(BlindedShares),
    /// A helper's sum for the validator whose shares are repaired, for the receiver alone.
    RepairSum(BlindedShares),
    /// Addresses of validators, each signed by its own.
    Addresses(Vec<AddressRecord>),
}

/// Binds an answer to its request, so that an answer to an earlier request does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct RecallNumber(pub(super) [u8; 8]);

/// The receiver's own signed messages that a validator holds.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct VoteHistoryAnswer {
    /// That of the request.
    pub(super) number: RecallNumber,
    pub(super) statements: Vec<SignedStatement>,
}

/// A batch, and the trace ids of its operations.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct BatchSent {
    pub(super) batch: Batch,
    pub(super) traces: MessageTraces,
}

/// Asks for decided blocks.
#[derive(Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) struct Fetch {
    pub(super) first: Height,
    /// At most so many; the answer has fewer if they are too long, or not there.
    pub(super) count: u64,
}

/// Decided blocks.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct Blocks {
    /// The height that was asked for.
    pub(super) first: Height,
    /// From there on, without a gap; none if the sender has not even the first.
    pub(super) blocks: Vec<SyncedBlock>,
}

/// An entry of the certificate log, with its index.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct IndexedLogEntry {
    pub(super) index: LeafIndex,
    pub(super) entry: Vec<u8>,
}

/// A decided block, and the proof that it was.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct SyncedBlock {
    pub(super) block: Vec<u8>,
    pub(super) certificate: CommitCertificate,
}

/// Which commitments a coordinator needs.
#[derive(Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) enum CommitmentsRequest {
    /// The link was made anew, and the sender holds none any more.
    Anew,
    /// So many more for a purpose. What the sender holds stays good.
    More { purpose: KeyPurpose, count: u16 },
}

/// Commitments of the sender's.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct CommitmentsOffered {
    pub(super) offers: Vec<CommitmentOffer>,
}

/// Tasks to sign, and for each the commitments to use. The bytes are not sent: each signer derives them.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct ShareRequests {
    /// The signer must have applied this block to derive them.
    pub(super) height: Height,
    pub(super) requests: Vec<(Task, ShareRequest)>,
    /// The trace ids of the tasks.
    pub(super) traces: MessageTraces,
}

/// Shares, and with them the signer's cosignatures on the checkpoints among the tasks.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct SharesSigned {
    pub(super) shares: Vec<SignedShare>,
    /// By the size of the log in the checkpoint.
    pub(super) cosignatures: Vec<(u64, Signature)>,
}

/// A finished signature on a task, and the sender's word that it holds.
#[derive(Clone, BorshSerialize, BorshDeserialize)]
pub(super) struct TaskSignature {
    pub(super) task: Task,
    pub(super) claim: SignatureClaim,
}

impl ShareRequests {
    /// How many bytes it takes, encoded.
    pub(super) fn bytes(&self) -> usize {
        borsh::object_length(self).expect("counting bytes does not fail")
    }
}

impl Message {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, MESSAGE_BYTES_MAX)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    pub(super) const fn class(&self) -> MessageClass {
        match self {
            Self::Consensus(_)
            | Self::Shares(_)
            | Self::SignedShares(_)
            | Self::FetchCommitments(_)
            | Self::FetchVoteHistory(_)
            | Self::VoteHistory(_)
            | Self::Commitments(_) => MessageClass::Consensus,
            _ => MessageClass::Bulk,
        }
    }
}

/// A message between validators decoded and encoded again, for the fuzzer.
#[cfg(hypermesh_fuzzing)]
#[must_use]
pub fn message_again(bytes: &[u8]) -> Option<Vec<u8>> {
    Message::decode(bytes).ok().map(|message| message.encode())
}

impl Context {
    /// A batch as it is sent.
    pub(super) fn batch_message(&self, batch: &CheckedBatch) -> Message {
        Message::Batch(BatchSent { batch: batch.batch.clone(), traces: self.traces_of_batch(batch) })
    }

    pub(super) fn send(&mut self, to: PublicKey, message: &Message) {
        self.outbox.send(to, message.class(), message.encode().into());
    }

    pub(super) fn broadcast(&mut self, message: &Message) {
        let bytes: Arc<[u8]> = message.encode().into();
        for peer in self.peers() {
            self.outbox.send(peer, message.class(), bytes.clone());
        }
    }

    /// Sends to all peers once a write is durable. Gives the bytes that are sent.
    pub(super) fn broadcast_after(&mut self, token: PersistToken, message: &Message) -> Arc<[u8]> {
        let bytes: Arc<[u8]> = message.encode().into();
        for to in self.peers() {
            let output = Output::Send { to, class: message.class(), message: bytes.clone() };
            self.outbox.after(token, output);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TraceId;
    use crate::base::Digest;
    use crate::node::trace::TracedPart;
    use crate::state::tests::test_util::{Mesh, alice, bob, transfer};
    use crate::trustchain::ca::SerialNumber;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    /// A message of each kind that takes no other validator to make.
    fn messages() -> Vec<Message> {
        let mut mesh = Mesh::active();
        let operation = mesh.operation(&alice(), transfer(&bob(), 5));
        let block = mesh.blocks.last().unwrap();
        let certificate = mesh.commit(block.header.height).unwrap();
        let request = ShareRequest {
            committee: Digest([1; 32]),
            purpose: KeyPurpose::Issuing,
            message: Digest([2; 32]),
            commitments: BTreeMap::new(),
        };
        let serial = Task::Leaf(SerialNumber::from_operation(&Digest([3; 32])));
        let share = SignedShare {
            session: Digest([4; 32]),
            signer: alice().public(),
            share: [5; 32],
            signature: Signature([6; 64]),
        };
        let claim = SignatureClaim {
            committee: Digest([1; 32]),
            purpose: KeyPurpose::Root,
            message: Digest([2; 32]),
            signature: Signature([8; 64]),
            validator: alice().public(),
            word: Signature([9; 64]),
        };
        alloc::vec![
            Message::Batch(BatchSent {
                batch: mesh.batch(&mesh.validators[0], alloc::vec![operation]),
                traces: traces(),
            }),
            Message::System(mesh.confirmations[0].clone()),
            Message::Height(Height(3)),
            Message::Fetch(Fetch { first: Height(4), count: 5 }),
            Message::Blocks(Blocks {
                first: Height(2),
                blocks: alloc::vec![SyncedBlock { block: block.to_bytes(), certificate }],
            }),
            Message::FetchVoteHistory(RecallNumber([7; 8])),
            Message::VoteHistory(VoteHistoryAnswer { number: RecallNumber([7; 8]), statements: Vec::new() }),
            Message::FetchEntry(LeafIndex(3)),
            Message::Entry(IndexedLogEntry { index: LeafIndex(3), entry: alloc::vec![1, 2] }),
            Message::FetchCommitments(CommitmentsRequest::Anew),
            Message::FetchCommitments(CommitmentsRequest::More { purpose: KeyPurpose::Log, count: 7 }),
            Message::Commitments(CommitmentsOffered { offers: Vec::new() }),
            Message::Shares(ShareRequests {
                height: Height(1),
                requests: alloc::vec![(serial, request)],
                traces: traces(),
            }),
            Message::SignedShares(SharesSigned {
                shares: alloc::vec![share],
                cosignatures: alloc::vec![(3, Signature([7; 64]))],
            }),
            Message::Signature(TaskSignature { task: Task::Root, claim }),
            Message::Addresses(alloc::vec![AddressRecord::sign(
                &Digest([1; 32]),
                "[2001:db8::7]:7400".parse().unwrap(),
                9,
                &alice(),
            )]),
        ]
    }

    fn traces() -> MessageTraces {
        MessageTraces::new(core::iter::once(TracedPart { index: 0, trace: TraceId([9; 16]) }))
    }

    #[test]
    fn the_first_byte_of_a_message_tells_its_class() {
        for message in messages() {
            let bytes = message.encode();
            assert_eq!(MessageClass::of(&bytes), message.class(), "{}", bytes[0]);
        }
        assert_eq!(
            (MessageClass::of(&[0]), MessageClass::of(&[])),
            (MessageClass::Consensus, MessageClass::Bulk)
        );
    }

    #[test]
    fn a_message_holds_its_length_at_the_limit_and_one_past_it() {
        let bytes = |length: usize| {
            let entry = IndexedLogEntry { index: LeafIndex(3), entry: alloc::vec![7; length] };
            Message::Entry(entry).encode()
        };
        let frame = bytes(0).len();
        assert!(Message::decode(&bytes(MESSAGE_BYTES_MAX - frame)).is_ok());
        let past = Message::decode(&bytes(MESSAGE_BYTES_MAX - frame + 1)).err();
        assert!(matches!(past, Some(DecodeError::TooLong { bytes_max: MESSAGE_BYTES_MAX, .. })));
    }

    proptest! {
        #[test]
        fn messages_come_back_alike_and_changed_ones_never_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in any::<prop::sample::Index>(), junk in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            for message in messages() {
                let good = message.encode();
                let mut changed = good.clone();
                for (place, byte) in &edits {
                    let place = place.index(changed.len());
                    changed[place] = *byte;
                }
                let short = &good[..cut.index(good.len())];
                prop_assert!(Message::decode(short).is_err(), "cut to {}", short.len());
                for bytes in [&good, &changed, &junk] {
                    if let Ok(message) = Message::decode(bytes) {
                        prop_assert_eq!(&message.encode(), bytes);
                    }
                }
                prop_assert!(Message::decode(&good).is_ok());
            }
        }
    }
}
