//! One node of four lies provably: it votes both ways, proposes two blocks in a round, or signs bad shares. The evidence
//! goes on chain, a block takes all that it has at stake, and its own batches are not taken any more. The others go on.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::base::{MicroCaesar, PublicKey};
use hypermesh_core::caesar::LedgerAccount;
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World};

pub(crate) const VOTER: Scenario = Scenario {
    name: "equivocating-voter-loses-its-bond",
    shows: "a validator that votes both ways loses all that it has at stake, once, and with it the admission of its batches",
    reaches: &["a validator is slashed", "an operation is refused for want of a stake"],
    start: Start::Ready,
    play: |run| play(run, Lie::EquivocatingVoter),
};

pub(crate) const PROPOSER: Scenario = Scenario {
    name: "equivocating-proposer-loses-its-bond",
    shows: "a validator that proposes two blocks in a round loses all that it has at stake, once",
    reaches: &[],
    start: Start::Ready,
    play: |run| play(run, Lie::EquivocatingProposer),
};

pub(crate) const SIGNER: Scenario = Scenario {
    name: "bad-shares-cost-the-bond",
    shows: "a validator that puts its name to bad signature shares loses all that it has at stake, once",
    reaches: &[],
    start: Start::Ready,
    play: |run| play(run, Lie::BadShares),
};

fn play(run: &mut ScenarioRun, lie: Lie) -> Result<(), RunFault> {
    run.begin()?;
    let liar = run.any_place();
    let honest: Vec<NodeIndex> = (0..4).filter(|place| *place != liar).collect();
    let Some(key) = run.world.participants().keys().nth(liar) else {
        return ensure(false, "no such validator");
    };
    let stake = purse(&run.world, honest[0], LedgerAccount::Stake(key));
    ensure(stake > MicroCaesar::ZERO, "it has nothing to lose")?;
    run.world.corrupt(liar, lie);
    run.world.expect_evidence(liar);
    for turn in 0..TURNS {
        // Whoever coordinates asks in turn with the height, so each comes to ask the liar.
        let asked = run.ask_certificate(honest[turn % honest.len()]);
        run.certificate(&asked)?;
        if is_slashed(&run.world, &honest, key) {
            break;
        }
    }
    run.wait("every honest node has taken the stake", |world| is_slashed(world, &honest, key))?;
    for place in &honest {
        let told =
            run.told(*place, |event| matches!(event, Event::Slashed { validator, .. } if *validator == key));
        ensure(told == 1, "a node tells of the punishment more or less than once")?;
        let lost = |event: &Event| matches!(event, Event::Slashed { amount, .. } if *amount == stake);
        ensure(tells(&run.world, *place, lost), "another amount was taken than was at stake")?;
        run.issue(*place)?;
    }
    run.settle()?;
    let asked = run.ask_certificate(liar);
    let refusal = run.refusal(&asked)?;
    ensure(refusal.message.contains("at stake"), "a node without a stake takes requests")
}

/// So many certificates are asked for at most before the lie comes to light.
const TURNS: usize = 24;

fn purse(world: &World, place: NodeIndex, purse: LedgerAccount) -> MicroCaesar {
    world.view(place).map(|view| view.state.balance(purse)).unwrap_or_default()
}

fn is_slashed(world: &World, honest: &[NodeIndex], liar: PublicKey) -> bool {
    honest.iter().all(|place| purse(world, *place, LedgerAccount::Stake(liar)) == MicroCaesar::ZERO)
}
