//! What lying voters do: vote both ways, forget their locks, and stand by the blocks that they have forged.

use super::{Liar, LiarContext, Lie, Tampering, consensus};
use hypermesh_core::base::Digest;
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, SignedVote, Vote, VoteKind};

impl Liar {
    /// What it makes of a vote of the honest code; `again` is the kind of message that it came in.
    pub(super) fn vote(
        &self,
        context: &mut LiarContext<'_>,
        signed: SignedVote,
        again: fn(SignedVote) -> ConsensusMessage,
    ) -> Tampering {
        let vote = signed.vote;
        if vote.validator != context.identity.public() {
            return Tampering::Honestly;
        }
        let say = |context: &LiarContext<'_>, value_id: Option<Digest>| {
            consensus(&again(Vote { value_id, ..vote }.sign(&context.genesis(), context.identity)))
        };
        match (self.lie, vote.value_id) {
            (Lie::EquivocatingVoter, Some(_)) => {
                let other = say(context, None);
                context.split(other)
            }
            (Lie::EquivocatingProposer, Some(id)) => match context.agreed.get(&id).copied() {
                Some(other) => {
                    let other = say(context, Some(other));
                    context.split(other)
                }
                None => Tampering::Honestly,
            },
            (Lie::Amnesia, None) if vote.kind == VoteKind::Prevote => match self.proposed.get(&vote.height) {
                Some(id) => Tampering::Instead(say(context, Some(*id))),
                None => Tampering::Honestly,
            },
            (_, Some(id)) => match self.forged.get(&id) {
                Some((other, _)) => Tampering::Instead(say(context, Some(*other))),
                None => Tampering::Honestly,
            },
            _ => Tampering::Honestly,
        }
    }
}
