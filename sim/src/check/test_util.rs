//! What the tests of the checks stand on: a calm world in which a certificate was issued, and what it left.

use super::{Observation, ObservedAnswer, Violation, answer, certificate};
use crate::world::{Options, World};
use hypermesh_core::api::{ApiFault, Request, Response, read};
use hypermesh_core::base::Height;
use hypermesh_core::state::{Block, State};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// A world in which node-1 has answered these requests of the client's, in order.
pub(super) fn world_with(requests: impl FnOnce(&World) -> Vec<Request>) -> (World, Vec<Response>) {
    let mut world = World::new(1, Options::default());
    world.run_until("all nodes ready", PATIENCE, World::is_ready).unwrap();
    let mut responses = Vec::new();
    for request in requests(&world) {
        let id = world.request(0, request);
        world.run_until("an answer", PATIENCE, |world| world.answer(id).is_some()).unwrap();
        responses.push(world.answer(id).unwrap().response.clone().unwrap());
    }
    (world, responses)
}

/// The client's request for a certificate.
pub(super) fn issue(world: &World, nonce: u64) -> Request {
    world.owner(&world.participants().client).issue(nonce, &["web.demo.hypermesh"])
}

/// A block that approves a certificate, and the state of its parent.
pub(super) fn issued_block() -> (State, Block) {
    let (world, responses) = world_with(|world| vec![issue(world, 1)]);
    let [Response::IssueCertificate(issued)] = responses.as_slice() else { panic!("another response") };
    let chain = world.checks().chain();
    let parent = chain.state(Height(issued.height.0 - 1)).unwrap();
    (parent, chain.at(issued.height).unwrap().block.clone().unwrap())
}

/// A block whose header commits to its body, as a proposer who lies would make it.
pub(super) fn sealed(mut block: Block) -> Block {
    block.header.body_root = block.body.root();
    block.header.parent_commit = block.body.parent_commit_hash();
    block
}

/// What the checks say of node-1 if it answers a request so.
pub(super) fn answered_with(
    world: &World,
    request: Request,
    response: Result<Response, ApiFault>,
) -> Result<(), Violation> {
    let view = world.view(0).unwrap();
    let node = world.participants().validators[0].member.identity.public();
    let observation = Observation { at: world.now(), place: 0, node, disk: world.disk(0).unwrap() };
    let (wall, asked) = (world.wall(), world.now());
    let observed =
        ObservedAnswer { observation, request: &request, asked, response: &response, view: &view, wall };
    let chain = world.checks().chain();
    answer::on_answer(chain, &observed)?;
    certificate::on_answer(chain, &observed)
}

/// What the checks say if node-1 answers a request from its view, but for this change.
pub(super) fn answered(
    world: &World,
    request: Request,
    change: impl FnOnce(&mut Response),
) -> Result<(), Violation> {
    let mut response = read(&world.view(0).unwrap(), &request, world.wall()).unwrap().unwrap();
    change(&mut response);
    answered_with(world, request, Ok(response))
}
