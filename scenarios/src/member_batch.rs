//! A member that does not validate makes its own batches, with its own four proofs, and has them ordered.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::api::{
    ConsensusRequirements, ConsensusValidationResult, MemberRequest, MemberState, Request, Response,
    ValidateBatchRequest,
};
use hypermesh_core::base::{MicroCaesar, Profile};
use hypermesh_core::hypermesh::proof::{Statement, Ticket, prove_set, prove_ticket};
use hypermesh_core::state::{Action, Batch, Transfer, batch_root};
use hypermesh_sim::world::{RunFault, Start};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "member-batch",
    shows: "a member's batch with four proofs is committed; one with a proof of another's is refused by its name",
    start: Start::Ready,
    play,
};

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    // The beacon of the disks that the world began with is too old for new tickets.
    let old = stage.world.view(0).map(|view| view.state.beacon().index);
    stage.wait("a new beacon", |world| world.views().all(|view| Some(view.state.beacon().index) > old))?;
    let member = stage.world.cast().member.clone();
    let state = ask_state(stage)?;
    let parameters = Profile::Sim.proofs();
    let ticket = prove_ticket(&member.plot, &state.beacon.value, &member.identity.public(), &parameters);
    let first = batch(stage, &state, &ticket, true);
    ensure(is_valid(&submit(stage, 0, first)?), "a member's first batch was refused")?;
    stage.wait("its next number everywhere", |world| {
        let next = |view: &hypermesh_core::api::View| {
            let key = world.cast().member.identity.public();
            view.state.get::<hypermesh_core::state::Member>(&key).map(|row| row.next_sequence)
        };
        world.views().all(|view| next(&view) == Some(state.next_sequence.next()))
    })?;

    // The second names the ticket that now stands, and is the same at two members at once.
    let state = ask_state(stage)?;
    let second = batch(stage, &state, &ticket, false);
    ensure(is_valid(&submit(stage, 1, second)?), "a member's second batch was refused")?;

    // A ticket of another's plot.
    let state = ask_state(stage)?;
    let other = stage.world.cast().validators.first().map(|validator| validator.member.plot.clone());
    let Some(plot) = other else { return Ok(()) };
    let stolen = prove_ticket(&plot, &state.beacon.value, &member.identity.public(), &parameters);
    let third = batch(stage, &state, &stolen, true);
    match submit(stage, 2, third)? {
        ConsensusValidationResult::Invalid { failed_proofs, .. } if !failed_proofs.is_empty() => Ok(()),
        other => Err(RunFault::Unexpected(format!("a stolen plot was taken: {other:?}"))),
    }
}

fn ask_state(stage: &mut Stage) -> Result<MemberState, RunFault> {
    let place = stage.any_place();
    let key = stage.world.cast().member.identity.public();
    let asked = stage.ask(place, Request::Member(MemberRequest { member: key }));
    match stage.answer(&asked)? {
        Ok(Response::Member(state)) => Ok(state),
        other => Err(RunFault::Unexpected(format!("no state of the member: {:?}", other.err()))),
    }
}

fn batch(stage: &mut Stage, state: &MemberState, ticket: &Ticket, full: bool) -> Batch {
    let member = stage.world.cast().member.identity.clone();
    let client = stage.client();
    let transfer = Transfer { to: stage.world.cast().poor.public(), amount: MicroCaesar(1) };
    let nonce = stage.nonce();
    let operation = client.body(nonce, Action::Transfer(transfer)).sign(&client.key);
    let statement = Statement {
        genesis: client.genesis,
        member: member.public(),
        sequence: state.next_sequence,
        batch_root: batch_root([operation.id()]),
        beacon_index: state.beacon.index,
    };
    let (beacon, difficulty) = (&state.beacon.value, state.beacon.difficulty);
    Batch {
        genesis: client.genesis,
        member: member.public(),
        sequence: state.next_sequence,
        beacon_index: state.beacon.index,
        operations: vec![operation],
        omitted: Vec::new(),
        proofs: prove_set(ticket, full, &statement, beacon, difficulty, &member),
    }
}

fn submit(stage: &mut Stage, place: usize, batch: Batch) -> Result<ConsensusValidationResult, RunFault> {
    let request = ValidateBatchRequest { batch, requirements: ConsensusRequirements::Committed };
    let asked = stage.ask(place, Request::ValidateBatch(request));
    match stage.answer(&asked)? {
        Ok(Response::ValidateBatch(result)) => Ok(result),
        other => Err(RunFault::Unexpected(format!("no verdict on a batch: {:?}", other.err()))),
    }
}

const fn is_valid(result: &ConsensusValidationResult) -> bool {
    matches!(result, ConsensusValidationResult::Valid { height: Some(_), .. })
}
