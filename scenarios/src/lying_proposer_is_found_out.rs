//! A proposer signs two blocks for one round, one of them with a wrong outcome, and shows each to another. No honest node
//! votes for the wrong one, all of them can prove the lie, and the mesh goes on.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::base::Signature;
use hypermesh_core::hypermesh::ordering::{
    ConsensusMessage, Proposal, ProposalHeader, Round, SignedVote, ValueBytes, Vote, VoteKind,
};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World, forged_block, serve_block};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "lying-proposer-is-found-out",
    shows: "a proposer that signs two blocks for one round, one of them wrong, decides nothing wrong and is convicted",
    reaches: &[
        "a block is found invalid",
        "a validator contradicts itself",
        "an ordering message of a peer is refused",
        "a peer that sent no good blocks is dropped",
    ],
    start: Start::Ready,
    play,
};

/// How long a message is on its way, at most.
const LONGEST_DELIVERY: Duration = Duration::from_millis(5);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    run.settle()?;
    let Some(view) = run.world.view(0) else { return ensure(false, "node-1 is down") };
    let height = view.state.height().next();
    let proposer = view.state.roster().proposer(height, Round(0));
    let liar = run.world.participants().keys().position(|key| key == proposer).unwrap_or_default();
    run.world.corrupt(liar, Lie::NoPrivateShares);
    run.world.expect_evidence(liar);
    let all: Vec<NodeIndex> = (0..4).collect();
    let (wrong, mut certificate) =
        forged_block(run.world.participants(), &all, &view.state, view.commit.clone());
    let header = ProposalHeader {
        height,
        round: Round(0),
        value_id: certificate.value_id,
        valid_round: None,
        proposer,
    };
    let participants = run.world.participants();
    let Some(validator) = participants.validators.get(liar) else {
        return ensure(false, "the proposer is no validator");
    };
    let signed = header.sign(&participants.genesis_hash(), &validator.member.identity);
    let message =
        ConsensusMessage::Proposal(Proposal { signed, value: ValueBytes(Arc::from(wrong.clone())) });
    let message = [&[0], message.encode().as_slice()].concat();
    let nothing =
        Vote { kind: VoteKind::Prevote, height, round: Round(0), value_id: None, validator: proposer };
    let unsigned = ConsensusMessage::Vote(SignedVote { vote: nothing, signature: Signature([0; 64]) });
    let unsigned = [&[0], unsigned.encode().as_slice()].concat();
    // Nor can it pass its block off as decided.
    certificate.signatures.truncate(1);
    let uncertified = serve_block(height, wrong, certificate);
    // It comes first: the honest code's own proposal is then the second.
    for target in all.iter().copied().filter(|place| *place != liar) {
        run.world.inject(liar, target, message.clone());
        run.world.inject(liar, target, unsigned.clone());
        run.world.inject(liar, target, uncertified.clone());
    }
    run.world.run_for(LONGEST_DELIVERY)?;
    let asked = run.ask_certificate((liar + 1) % 4);
    run.certificate(&asked)?;
    // Although the block names another as its proposer.
    let names_the_liar =
        |event: &Event| matches!(event, Event::InvalidBlock { proposer: named, .. } if *named == proposer);
    let refused = |world: &World| {
        let mut honest = all.iter().filter(|place| **place != liar);
        honest.all(|place| tells(world, *place, names_the_liar))
    };
    run.wait("every honest node finds the block wrong", refused)?;
    for place in all.iter().copied().filter(|place| *place != liar) {
        run.issue(place)?;
    }
    Ok(())
}
