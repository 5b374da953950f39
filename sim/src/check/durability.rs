//! A vote or a proposal leaves a node only when its own disk holds it, durably: in the log of votes, or because the
//! block of that height is there.

use super::Violation;
use crate::base::{Disk, NodeIndex};
use hypermesh_core::base::{Height, PublicKey, Table};
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, SignedStatement};
use hypermesh_core::state::BLOCK_BYTES_MAX;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The first byte of messages of the ordering.
const CONSENSUS: u8 = 0;
/// The row of the last block's height.
const HEAD_KEY: &[u8] = b"head";

/// Watches what nodes send.
#[derive(Default)]
pub struct DurabilityCheck {
    /// The last message that was looked at: it goes to every peer.
    last: Option<(NodeIndex, Arc<[u8]>)>,
    /// Nodes whose disks lose or overwrite what they held.
    excused: BTreeSet<NodeIndex>,
}

impl DurabilityCheck {
    /// Takes note that a node's disk does not keep what it holds.
    pub fn excuse(&mut self, place: NodeIndex) {
        self.excused.insert(place);
    }

    /// Looks at something that a node sends.
    ///
    /// # Errors
    /// If that is its own vote or proposal, and a crash would make it forget that.
    pub fn on_send(
        &mut self,
        place: NodeIndex,
        sender: PublicKey,
        disk: &Disk,
        message: &Arc<[u8]>,
    ) -> Result<(), Violation> {
        if self.last.as_ref().is_some_and(|(at, last)| *at == place && Arc::ptr_eq(last, message)) {
            return Ok(());
        }
        self.last = Some((place, Arc::clone(message)));
        let Some((&CONSENSUS, rest)) = message.split_first() else { return Ok(()) };
        let Ok(decoded) = ConsensusMessage::decode(rest, BLOCK_BYTES_MAX) else { return Ok(()) };
        let Some(statement) =
            SignedStatement::of(&decoded).filter(|statement| statement.validator() == sender)
        else {
            return Ok(());
        };
        let signature = match statement {
            SignedStatement::Vote(signed) => signed.signature,
            SignedStatement::Proposal(signed) => signed.signature,
        };
        let excused = self.excused.contains(&place);
        if excused
            || durable_height(disk) >= statement.height()
            || disk.holds_durably(Table::Wal, &signature.0)
        {
            return Ok(());
        }
        let what = format!("node-{} sends {statement:?}, which its disk does not hold durably", place + 1);
        Err(Violation::new("durability", what))
    }
}

fn durable_height(disk: &Disk) -> Height {
    let head = disk.durable(Table::Meta, HEAD_KEY).and_then(|head| head.try_into().ok());
    head.map(u64::from_be_bytes).map(Height).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, SecretKey, WriteBatch};
    use hypermesh_core::hypermesh::ordering::{Round, Vote, VoteKind};
    use hypermesh_core::node::PersistToken;

    #[test]
    fn it_fires_when_a_vote_leaves_before_it_is_durable() {
        let key = SecretKey::from_seed([1; 32]);
        let vote = Vote {
            kind: VoteKind::Prevote,
            height: Height(3),
            round: Round(0),
            value_id: None,
            validator: key.public(),
        };
        let signed = vote.sign(&Digest([2; 32]), &key);
        let message: Arc<[u8]> =
            [&[CONSENSUS], ConsensusMessage::Vote(signed).encode().as_slice()].concat().into();
        let (disk, mut entry) = (Disk::default(), WriteBatch::default());
        entry.put(Table::Wal, [0], signed.signature.0);
        disk.write(PersistToken(1), entry);
        let fired = |disk: &Disk| DurabilityCheck::default().on_send(0, key.public(), disk, &message);
        assert_eq!(fired(&disk).unwrap_err().check, "durability");
        disk.sync(PersistToken(1));
        assert_eq!(fired(&disk), Ok(()));
        let decided = Disk::default();
        let mut block = WriteBatch::default();
        block.put(Table::Meta, HEAD_KEY, 3_u64.to_be_bytes());
        decided.write(PersistToken(1), block);
        decided.sync(PersistToken(1));
        assert_eq!(fired(&decided), Ok(()));
    }
}
