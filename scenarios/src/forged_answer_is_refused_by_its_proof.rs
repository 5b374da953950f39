//! A node that lies to clients: it changes what it proves, leaves out what it rests on, or shows what was so long ago. Whoever
//! asks with proof is not deceived, and gets the truth from another node; that there is no such name is proved too.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::api::{ProveRequest, Request, Response};
use hypermesh_core::trust::{Answer, Proved, Question};
use hypermesh_core::trustchain::dns::{RecordData, RecordType, ResolutionOutcome};
use hypermesh_sim::world::{Lie, Place, RunFault, Start, name};
use std::net::Ipv6Addr;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "forged-answer-is-refused-by-its-proof",
    shows: "what a lying node answers with proof is refused or tells its age; another node's answer is proved, absence too",
    start: Start::Ready,
    play,
};

const HOST: &str = "api.demo.hypermesh";
const TTL_SECONDS: u32 = 30;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let [old, new] = [1, 2].map(|number| RecordData::Aaaa(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 4, number)));
    stage.set_records(0, HOST, TTL_SECONDS, vec![old.clone()])?;
    let liar = stage.any_place();
    let honest = (liar + 1) % 4;
    let there = records(HOST);
    let nowhere = records("nobody.demo.hypermesh");
    stage.world.run_for(Duration::from_secs(1))?;
    let truth = proved(stage, honest, &there)?;
    ensure(data(&truth.answer) == [old.clone()], "the truth is not proved")?;
    ensure(
        outcome(&proved(stage, honest, &nowhere)?.answer) == Some(ResolutionOutcome::NoSuchName),
        "absence is not proved",
    )?;
    stage.world.corrupt(liar, Lie::ForgedAnswers);
    for question in [&there, &nowhere, &Question::Balance { owner: stage.world.cast().client.public() }] {
        ensure(proved(stage, liar, question).is_err(), "a lie is proved")?;
        proved(stage, honest, question)?;
    }
    stage.world.corrupt(liar, Lie::StaleAnswers);
    let first = proved(stage, liar, &there)?;
    stage.set_records(honest, HOST, TTL_SECONDS, vec![new.clone()])?;
    stage.world.run_for(Duration::from_secs(10))?;
    let (late, fresh) = (proved(stage, liar, &there)?, proved(stage, honest, &there)?);
    ensure(data(&fresh.answer) == [new], "the change is not proved")?;
    ensure(data(&late.answer) == [old] && late.time == first.time, "the node does not lie")?;
    ensure(stage.world.wall().since(late.time) >= 10_000, "an old answer does not tell its age")
}

fn records(host: &str) -> Question {
    Question::Records { name: name(host), record_type: RecordType::Aaaa }
}

/// What a node proves; an error if it proves nothing.
fn proved(stage: &mut Stage, place: Place, question: &Question) -> Result<Proved, RunFault> {
    let asked = stage.ask(place, Request::Prove(ProveRequest { question: question.clone() }));
    match stage.answer(&asked)? {
        Ok(Response::Prove(proof)) => question
            .check(&proof, &stage.world.cast().genesis)
            .map_err(|fault| RunFault::Unexpected(format!("node-{}: {fault}", place + 1))),
        other => Err(RunFault::Unexpected(format!("another answer than a proof: {other:?}"))),
    }
}

fn data(answer: &Answer) -> Vec<RecordData> {
    match answer {
        Answer::Records(found) => found.answers.iter().flat_map(|named| named.set.data.clone()).collect(),
        _ => Vec::new(),
    }
}

const fn outcome(answer: &Answer) -> Option<ResolutionOutcome> {
    match answer {
        Answer::Records(found) => Some(found.outcome),
        _ => None,
    }
}
