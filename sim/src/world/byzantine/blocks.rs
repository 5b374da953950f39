//! What lying proposers do: two blocks in one round, or one that is wrong, in any of the ways in which one can be.

use super::{Liar, LiarContext, Lie, Tampering, consensus};
use hypermesh_core::base::{Digest, MicroCaesar};
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, Proposal, ProposalHeader, ValueBytes};
use hypermesh_core::state::{
    Account, Block, Candidate, CheckedBatch, Header, Member, State, SystemAction, SystemOperation,
};
use std::sync::Arc;

impl Liar {
    /// What it makes of a proposal of the honest code.
    pub(super) fn propose(&mut self, context: &mut LiarContext<'_>, proposal: Proposal) -> Tampering {
        let header = proposal.signed.header;
        if header.proposer != context.identity.public() {
            return Tampering::Honestly;
        }
        if !self.forged.contains_key(&header.value_id) {
            let Some(block) = Block::from_bytes(&proposal.value.0) else { return Tampering::Honestly };
            let Some(forged) = self.forge(context, &block) else { return Tampering::Honestly };
            let id = forged.header.hash();
            if self.lie == Lie::EquivocatingProposer {
                context.agreed.insert(header.value_id, id);
            }
            self.forged.insert(header.value_id, (id, forged.to_bytes().into()));
        }
        let Some((value_id, bytes)) = self.forged.get(&header.value_id) else { return Tampering::Honestly };
        let signed =
            ProposalHeader { value_id: *value_id, ..header }.sign(&context.genesis(), context.identity);
        let other = Proposal { signed, value: ValueBytes(Arc::clone(bytes)) };
        let other = consensus(&ConsensusMessage::Proposal(other));
        match self.lie {
            Lie::EquivocatingProposer => context.split(other),
            _ => Tampering::Instead(other),
        }
    }

    /// Another block than the honest one; `None` where that leaves nothing to forge.
    fn forge(&mut self, context: &LiarContext<'_>, block: &Block) -> Option<Block> {
        let state = &context.view.state;
        if state.height().next() != block.header.height {
            return None;
        }
        let header = &block.header;
        let with = |header: Header| Some(Block { header, body: block.body.clone() });
        match self.lie {
            Lie::EquivocatingProposer => Some(rebuilt(state, block, 1, Vec::new(), |_| false)),
            Lie::WithheldReveals => {
                let reveals =
                    |operation: &SystemOperation| matches!(operation.action, SystemAction::Reveal(_));
                if !block.body.system.iter().any(reveals) {
                    return None;
                }
                let genesis = context.genesis();
                let batches =
                    block.body.batches.iter().filter_map(|batch| batch.clone().check_included(&genesis).ok());
                let batches = batches.map(Arc::new).collect();
                Some(rebuilt(state, block, 0, batches, |operation| !reveals(operation)))
            }
            Lie::ShortenedBatches => {
                let genesis = context.genesis();
                let mut batches = Vec::new();
                for batch in &block.body.batches {
                    let checked = batch.clone().check_included(&genesis).ok()?;
                    let kept: Vec<bool> = (0..checked.operations.len()).map(|place| place == 0).collect();
                    let shortened =
                        if batch.omitted.is_empty() { checked.keeping(&kept) } else { batch.clone() };
                    batches.push(Arc::new(shortened.check_included(&genesis).ok()?));
                }
                let forged = rebuilt(state, block, 0, batches, |_| true);
                (forged.body != block.body).then_some(forged)
            }
            Lie::WrongStateRoot => with(Header { state_root: flipped(header.state_root), ..header.clone() }),
            Lie::WrongLogRoot => with(Header { log_root: flipped(header.log_root), ..header.clone() }),
            Lie::WrongTime => with(Header { time: state.time(), ..header.clone() }),
            Lie::Fraud => with(Header { state_root: richer(context, state), ..header.clone() }),
            Lie::BadPolicy => {
                let reveal = SystemAction::Reveal(Digest([7; 32]));
                let operation = SystemOperation::sign(context.genesis(), reveal, context.identity);
                let mut forged = block.clone();
                forged.body.system.push(operation);
                Some(bound(forged))
            }
            Lie::BadProof => {
                let mut forged = block.clone();
                let batch = forged.body.batches.first_mut()?;
                batch.proofs.work_proof.nonces[0] ^= 1;
                Some(bound(forged))
            }
            Lie::ReplayedBatches => {
                let mut forged = block.clone();
                let old = self.old.clone();
                self.old = block.body.batches.first().cloned().or(self.old.take());
                forged.body.batches.push(old?);
                Some(bound(forged))
            }
            _ => None,
        }
    }
}

/// Another block that is right, so much later.
fn rebuilt(
    state: &State,
    block: &Block,
    later_ms: u64,
    batches: Vec<Arc<CheckedBatch>>,
    keep: impl Fn(&SystemOperation) -> bool,
) -> Block {
    let system = block.body.system.iter().filter(|operation| keep(operation)).cloned().collect();
    let (time, proposer) = (block.header.time.plus(later_ms), block.header.proposer);
    let parent_commit = block.body.parent_commit.clone();
    state.build(Candidate { time, proposer, batches, system, parent_commit }).0
}

/// The block with a header that commits to its body.
fn bound(block: Block) -> Block {
    let header = Header { body_root: block.body.root(), ..block.header };
    Block { header, body: block.body }
}

const fn flipped(digest: Digest) -> Digest {
    let mut bytes = digest.0;
    bytes[0] ^= 1;
    Digest(bytes)
}

/// The root of a state in which the liar has more than it should, and more at stake.
fn richer(context: &LiarContext<'_>, state: &State) -> Digest {
    const MORE: MicroCaesar = MicroCaesar(1_000 * MicroCaesar::ONE.0);
    let me = context.identity.public();
    let mut draft = state.draft();
    draft.put(&me, &Account { balance: MORE, ..Account::default() });
    if let Some(member) = state.get::<Member>(&me) {
        draft.put(&me, &Member { stake: MicroCaesar(member.stake.0.saturating_add(MORE.0)), ..member });
    }
    draft.finish().0.root()
}
