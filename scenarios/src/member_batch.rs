//! A member that does not validate makes its own batches, with its own four proofs, and has them ordered.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
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
    reaches: &[],
    start: Start::Ready,
    play,
};

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    // The beacon of the disks that the world began with is too old for new tickets.
    let old = run.world.view(0).map(|view| view.state.beacon().index);
    run.wait("a new beacon", |world| world.views().all(|view| Some(view.state.beacon().index) > old))?;
    let member = run.world.participants().member.clone();
    let state = ask_state(run)?;
    let parameters = Profile::Sim.proofs();
    let ticket = prove_ticket(&member.plot, &state.beacon.value, &member.identity.public(), &parameters);
    let first = batch(run, &state, &ticket, true);
    ensure(is_valid(&submit(run, 0, first)?), "a member's first batch was refused")?;
    run.wait("its next number everywhere", |world| {
        let next = |view: &hypermesh_core::api::View| {
            let key = world.participants().member.identity.public();
            view.state.get::<hypermesh_core::state::Member>(&key).map(|row| row.next_sequence)
        };
        world.views().all(|view| next(&view) == Some(state.next_sequence.next()))
    })?;

    // The second names the ticket that now stands, and is the same at two members at once.
    let state = ask_state(run)?;
    let second = batch(run, &state, &ticket, false);
    ensure(is_valid(&submit(run, 1, second)?), "a member's second batch was refused")?;

    // A ticket of another's plot.
    let state = ask_state(run)?;
    let other = run.world.participants().validators.first().map(|validator| validator.member.plot.clone());
    let Some(plot) = other else { return Ok(()) };
    let stolen = prove_ticket(&plot, &state.beacon.value, &member.identity.public(), &parameters);
    let third = batch(run, &state, &stolen, true);
    match submit(run, 2, third)? {
        ConsensusValidationResult::Invalid { failed_proofs, .. } if !failed_proofs.is_empty() => Ok(()),
        other => Err(RunFault::Unexpected(format!("a stolen plot was taken: {other:?}"))),
    }
}

fn ask_state(run: &mut ScenarioRun) -> Result<MemberState, RunFault> {
    let place = run.any_place();
    let key = run.world.participants().member.identity.public();
    let asked = run.ask(place, Request::Member(MemberRequest { member: key }));
    match run.answer(&asked)? {
        Ok(Response::Member(state)) => Ok(state),
        other => Err(RunFault::Unexpected(format!("no state of the member: {:?}", other.err()))),
    }
}

fn batch(run: &mut ScenarioRun, state: &MemberState, ticket: &Ticket, full: bool) -> Batch {
    let member = run.world.participants().member.identity.clone();
    let client = run.client();
    let transfer = Transfer { to: run.world.participants().poor.public(), amount: MicroCaesar(1) };
    let nonce = run.nonce();
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

fn submit(run: &mut ScenarioRun, place: usize, batch: Batch) -> Result<ConsensusValidationResult, RunFault> {
    let request = ValidateBatchRequest { batch, requirements: ConsensusRequirements::Committed };
    let asked = run.ask(place, Request::ValidateBatch(request));
    match run.answer(&asked)? {
        Ok(Response::ValidateBatch(result)) => Ok(result),
        other => Err(RunFault::Unexpected(format!("no verdict on a batch: {:?}", other.err()))),
    }
}

const fn is_valid(result: &ConsensusValidationResult) -> bool {
    matches!(result, ConsensusValidationResult::Valid { height: Some(_), .. })
}
