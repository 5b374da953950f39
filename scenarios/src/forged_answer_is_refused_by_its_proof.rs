//! A node that lies to clients: it changes what it proves, leaves out what it rests on, or shows what was so long ago. Whoever
//! asks with proof is not deceived, and gets the truth from another node; that there is no such name is proved too.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::api::{ProveRequest, Request, Response};
use hypermesh_core::trust::{Answer, Proved, Question};
use hypermesh_core::trustchain::dns::{RecordData, RecordType, ResolutionOutcome};
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, name};
use std::net::Ipv6Addr;
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "forged-answer-is-refused-by-its-proof",
    shows: "what a lying node answers with proof is refused or tells its age; another node's answer is proved, absence too",
    reaches: &[],
    start: Start::Ready,
    play,
};

const HOST: &str = "api.demo.hypermesh";
const TTL_SECONDS: u32 = 30;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let [old, new] = [1, 2].map(|number| RecordData::Aaaa(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 4, number)));
    run.set_records(0, HOST, TTL_SECONDS, vec![old.clone()])?;
    let liar = run.any_place();
    let honest = (liar + 1) % 4;
    let there = records(HOST);
    let nowhere = records("nobody.demo.hypermesh");
    run.world.run_for(Duration::from_secs(1))?;
    let truth = proved(run, honest, &there)?;
    ensure(data(&truth.answer) == [old.clone()], "the truth is not proved")?;
    ensure(
        outcome(&proved(run, honest, &nowhere)?.answer) == Some(ResolutionOutcome::NoSuchName),
        "absence is not proved",
    )?;
    run.world.corrupt(liar, Lie::ForgedAnswers);
    for question in [&there, &nowhere, &Question::Balance { owner: run.world.participants().client.public() }]
    {
        ensure(proved(run, liar, question).is_err(), "a lie is proved")?;
        proved(run, honest, question)?;
    }
    run.world.corrupt(liar, Lie::StaleAnswers);
    let first = proved(run, liar, &there)?;
    run.set_records(honest, HOST, TTL_SECONDS, vec![new.clone()])?;
    run.world.run_for(Duration::from_secs(10))?;
    let (late, fresh) = (proved(run, liar, &there)?, proved(run, honest, &there)?);
    ensure(data(&fresh.answer) == [new], "the change is not proved")?;
    ensure(data(&late.answer) == [old] && late.time == first.time, "the node does not lie")?;
    ensure(run.world.wall().since(late.time) >= 10_000, "an old answer does not tell its age")
}

fn records(host: &str) -> Question {
    Question::Records { name: name(host), record_type: RecordType::Aaaa }
}

/// What a node proves; an error if it proves nothing.
fn proved(run: &mut ScenarioRun, place: NodeIndex, question: &Question) -> Result<Proved, RunFault> {
    let asked = run.ask(place, Request::Prove(ProveRequest { question: question.clone() }));
    match run.answer(&asked)? {
        Ok(Response::Prove(proof)) => question
            .check(&proof, &run.world.participants().genesis)
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
