//! What lying voters do: vote both ways, forget their locks, and stand by the blocks that they have forged.

use super::{Liar, Lie, Scene, Told, consensus};
use hypermesh_core::base::Digest;
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, SignedVote, Vote, VoteKind};

impl Liar {
    /// What it makes of a vote of the honest code; `again` is the kind of message that it came in.
    pub(super) fn vote(
        &self,
        scene: &mut Scene<'_>,
        signed: SignedVote,
        again: fn(SignedVote) -> ConsensusMessage,
    ) -> Told {
        let vote = signed.vote;
        if vote.validator != scene.identity.public() {
            return Told::Honestly;
        }
        let say = |scene: &Scene<'_>, value_id: Option<Digest>| {
            consensus(&again(Vote { value_id, ..vote }.sign(&scene.genesis(), scene.identity)))
        };
        match (self.lie, vote.value_id) {
            (Lie::EquivocatingVoter, Some(_)) => {
                let other = say(scene, None);
                scene.split(other)
            }
            (Lie::EquivocatingProposer, Some(id)) => match scene.agreed.get(&id).copied() {
                Some(other) => {
                    let other = say(scene, Some(other));
                    scene.split(other)
                }
                None => Told::Honestly,
            },
            (Lie::Amnesia, None) if vote.kind == VoteKind::Prevote => match self.proposed.get(&vote.height) {
                Some(id) => Told::Instead(say(scene, Some(*id))),
                None => Told::Honestly,
            },
            (_, Some(id)) => match self.forged.get(&id) {
                Some((other, _)) => Told::Instead(say(scene, Some(*other))),
                None => Told::Honestly,
            },
            _ => Told::Honestly,
        }
    }
}
