//! A name is not paid for any more. It is not answered, then it is free, and another has it without anything of the old
//! owner's. One that is renewed in its grace is answered again.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure};
use hypermesh_core::base::UnixMillis;
use hypermesh_core::caesar::{NAME_MS_GRACE, NAME_MS_PERIOD};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use hypermesh_sim::world::{Owner, RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "name-lapses-and-is-freed",
    shows: "a name that is not paid for is not answered, can be had back in its grace, and is then anybody's, empty",
    reaches: &[],
    start: Start::Ready,
    play,
};

const KEPT: &str = "kept.hypermesh";
const LEFT: &str = "left.hypermesh";
const MINUTE_MS: u64 = 60_000;

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    let client = run.client();
    for host in [KEPT, LEFT] {
        register(run, 0, &client, host)?;
        run.set_records(1, host, 300, records())?;
    }
    let expires = run.world.wall().plus(NAME_MS_PERIOD);
    run.sleep_until(expires.minus(MINUTE_MS))?;
    ensure(is_answered(run, LEFT)?, "a name that is paid for is not answered")?;
    sleep_past(run, expires)?;
    for host in [KEPT, LEFT] {
        ensure(!is_answered(run, host)?, "a name that is not paid for is answered")?;
    }
    let client = run.client();
    let nonce = run.nonce();
    let asked = run.ask(2, client.renew(nonce, name(KEPT)));
    run.receipt(&asked)?;
    run.settle()?;
    ensure(is_answered(run, KEPT)?, "a name that was renewed is not answered")?;
    let other = run.owner(&run.world.participants().other);
    let nonce = run.nonce();
    let asked = run.ask(3, other.register(nonce, name(LEFT), other.key.public()));
    let refusal = run.refusal(&asked)?;
    ensure(refusal.message.contains("already registered"), "a name in its grace was given away")?;

    sleep_past(run, expires.plus(NAME_MS_GRACE))?;
    let other = run.owner(&run.world.participants().other);
    register(run, 3, &other, LEFT)?;
    run.settle()?;
    ensure(!is_answered(run, LEFT)?, "a new owner's name has the old owner's records")?;
    ensure(is_answered(run, KEPT)?, "a name that is paid for is not answered")?;
    let client = run.client();
    let nonce = run.nonce();
    let set =
        hypermesh_core::state::SetRecords { name: name(LEFT), record_type: RecordType::Txt, records: None };
    let asked = run.ask(0, client.set(nonce, set));
    let refusal = run.refusal(&asked)?;
    ensure(refusal.message.contains("belongs to"), "an old owner still writes to the name")
}

/// Names go by block time: it is only past the moment when a block is.
fn sleep_past(run: &mut ScenarioRun, moment: UnixMillis) -> Result<(), RunFault> {
    run.sleep_until(moment.plus(MINUTE_MS))?;
    run.wait("a block past the moment", |world| {
        world.views().all(|view| view.state.time() > moment.plus(MINUTE_MS))
    })
}

fn records() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["here".into()])]
}

fn register(run: &mut ScenarioRun, place: usize, owner: &Owner, host: &str) -> Result<(), RunFault> {
    let nonce = run.nonce();
    let asked = run.ask(place, owner.register(nonce, name(host), owner.key.public()));
    run.receipt(&asked)?;
    run.settle()
}

fn is_answered(run: &mut ScenarioRun, host: &str) -> Result<bool, RunFault> {
    let mut answered = Vec::new();
    for place in 0..4 {
        answered.push(run.look_up(place, host, RecordType::Txt)? == records());
    }
    ensure(answered.windows(2).all(|pair| pair[0] == pair[1]), "nodes answer differently")?;
    Ok(answered.contains(&true))
}
