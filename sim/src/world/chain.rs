//! Long chains, made without a mesh: blocks that the validators' own keys decided, put on disks as nodes put them.

use crate::base::{Disk, NodeIndex, Participants};
use hypermesh_core::base::{Digest, Height, PublicKey, Reader as _, Table, WriteBatch, decode, encode};
use hypermesh_core::hypermesh::ordering::{CommitCertificate, CommitSignature, Round, Vote, VoteKind};
use hypermesh_core::node::PersistToken;
use hypermesh_core::state::{BLOCK_BYTES_MAX, Block, Candidate, Header, State};
use hypermesh_core::trustchain::ct::{MerkleTree, leaf_hash};

/// The row of the last block's height.
const HEAD_KEY: &[u8] = b"head";
/// Block time between two blocks of a grown chain.
pub(super) const BLOCK_MS: u64 = 3;
/// The number of the write that puts a chain on a disk: before any that a node makes.
const TOKEN: PersistToken = PersistToken(0);

/// The empty blocks that go on from what a disk holds, and what becomes of its tables.
pub(super) fn grow(
    participants: &Participants,
    signers: &[NodeIndex],
    disk: &Disk,
    count: u64,
) -> WriteBatch {
    let (mut state, mut commit) = stored(participants, disk);
    let mut writes = WriteBatch::default();
    writes.clear(Table::Wal);
    for _ in 0..count {
        let proposer = state.roster().proposer(state.height().next(), Round(0));
        let candidate = Candidate {
            time: state.time().plus(BLOCK_MS),
            proposer,
            batches: Vec::new(),
            system: Vec::new(),
            parent_commit: commit,
        };
        let (block, executed) = state.build(candidate);
        let decided = decide(participants, signers, &block.header);
        let key = block.header.height.0.to_be_bytes();
        writes.put(Table::Blocks, key, block.to_bytes());
        writes.put(Table::Commits, key, encode(&(&block.header, &decided)));
        writes.put(Table::Movements, key, encode(&executed.movements));
        for (key, value) in executed.changes {
            match value {
                Some(value) => writes.put(Table::State, key, value.to_vec()),
                None => writes.delete(Table::State, key),
            }
        }
        (state, commit) = (executed.state, Some(decided));
    }
    writes.put(Table::Meta, HEAD_KEY, state.height().0.to_be_bytes());
    writes
}

/// Puts writes on a disk, durably.
pub(super) fn put(disk: &Disk, writes: &WriteBatch) {
    disk.write(TOKEN, writes.clone());
    disk.sync(TOKEN);
}

/// A block that goes on from a state and that these validators decided, although its state root is wrong. It names
/// another than the one whose turn it is as its proposer, to lay the blame on them.
#[must_use]
pub fn forged_block(
    participants: &Participants,
    signers: &[NodeIndex],
    state: &State,
    commit: Option<CommitCertificate>,
) -> (Vec<u8>, CommitCertificate) {
    let candidate = Candidate {
        time: state.time().plus(BLOCK_MS),
        proposer: state.roster().proposer(state.height().next(), Round(0)),
        batches: Vec::new(),
        system: Vec::new(),
        parent_commit: commit,
    };
    let (block, _) = state.build(candidate);
    let proposer = state.roster().proposer(state.height().next(), Round(1));
    let header = Header { state_root: Digest([0xbb; 32]), proposer, ..block.header };
    let decided = decide(participants, signers, &header);
    (Block { header, body: block.body }.to_bytes(), decided)
}

fn decide(participants: &Participants, signers: &[NodeIndex], header: &Header) -> CommitCertificate {
    let vote = |validator: PublicKey| Vote {
        kind: VoteKind::Precommit,
        height: header.height,
        round: Round(0),
        value_id: Some(header.hash()),
        validator,
    };
    let mut signers = signers.to_vec();
    signers.sort_unstable();
    let keys = signers.iter().filter_map(|place| participants.validators.get(*place));
    let keys = keys.map(|validator| &validator.member.identity);
    let sign = |key: &hypermesh_core::base::SecretKey| CommitSignature {
        validator: key.public(),
        signature: vote(key.public()).sign(&participants.genesis_hash(), key).signature,
    };
    let signatures = keys.map(sign).collect();
    CommitCertificate { height: header.height, round: Round(0), value_id: header.hash(), signatures }
}

/// The state that a disk in order holds.
fn stored(participants: &Participants, disk: &Disk) -> (State, Option<CommitCertificate>) {
    let head = disk.durable(Table::Meta, HEAD_KEY).expect("a node that ran has a last block");
    let proof = disk.durable(Table::Commits, &head).expect("a last block has its certificate");
    let proof: (Header, CommitCertificate) =
        decode(&proof, BLOCK_BYTES_MAX).expect("a disk in order holds what was written");
    let all = |table| disk.range(table, &[], usize::MAX).expect("a disk in order can be read");
    let log: MerkleTree = all(Table::LogEntries).iter().map(|(_, entry)| leaf_hash(entry)).collect();
    let (header, commit) = proof;
    let state = State::restore(participants.genesis.clone(), Some(header), all(Table::State), log);
    assert_ne!(state.height(), Height::GENESIS, "a chain is grown from a mesh that has begun");
    (state, Some(commit))
}
