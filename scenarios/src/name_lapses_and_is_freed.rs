//! A name is not paid for any more. It is not answered, then it is free, and another has it without anything of the old
//! owner's. One that is renewed in its grace is answered again.

use crate::Scenario;
use crate::stage::{Stage, ensure};
use hypermesh_core::base::UnixMillis;
use hypermesh_core::caesar::{NAME_MS_GRACE, NAME_MS_PERIOD};
use hypermesh_core::trustchain::dns::{RecordData, RecordType};
use hypermesh_sim::world::{Owner, RunFault, Start, name};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "name-lapses-and-is-freed",
    shows: "a name that is not paid for is not answered, can be had back in its grace, and is then anybody's, empty",
    start: Start::Ready,
    play,
};

const KEPT: &str = "kept.hypermesh";
const LEFT: &str = "left.hypermesh";
const MINUTE_MS: u64 = 60_000;

fn play(stage: &mut Stage) -> Result<(), RunFault> {
    stage.begin()?;
    let client = stage.client();
    for host in [KEPT, LEFT] {
        register(stage, 0, &client, host)?;
        stage.set_records(1, host, 300, records())?;
    }
    let expires = stage.world.wall().plus(NAME_MS_PERIOD);
    stage.sleep_until(expires.minus(MINUTE_MS))?;
    ensure(is_answered(stage, LEFT)?, "a name that is paid for is not answered")?;
    sleep_past(stage, expires)?;
    for host in [KEPT, LEFT] {
        ensure(!is_answered(stage, host)?, "a name that is not paid for is answered")?;
    }
    let client = stage.client();
    let nonce = stage.nonce();
    let asked = stage.ask(2, client.renew(nonce, name(KEPT)));
    stage.receipt(&asked)?;
    stage.settle()?;
    ensure(is_answered(stage, KEPT)?, "a name that was renewed is not answered")?;
    let other = stage.owner(&stage.world.cast().other);
    let nonce = stage.nonce();
    let asked = stage.ask(3, other.register(nonce, name(LEFT), other.key.public()));
    let refusal = stage.refusal(&asked)?;
    ensure(refusal.message.contains("already registered"), "a name in its grace was given away")?;

    sleep_past(stage, expires.plus(NAME_MS_GRACE))?;
    let other = stage.owner(&stage.world.cast().other);
    register(stage, 3, &other, LEFT)?;
    stage.settle()?;
    ensure(!is_answered(stage, LEFT)?, "a new owner's name has the old owner's records")?;
    ensure(is_answered(stage, KEPT)?, "a name that is paid for is not answered")?;
    let client = stage.client();
    let nonce = stage.nonce();
    let set =
        hypermesh_core::state::SetRecords { name: name(LEFT), record_type: RecordType::Txt, records: None };
    let asked = stage.ask(0, client.set(nonce, set));
    let refusal = stage.refusal(&asked)?;
    ensure(refusal.message.contains("belongs to"), "an old owner still writes to the name")
}

/// Names go by block time: it is only past the moment when a block is.
fn sleep_past(stage: &mut Stage, moment: UnixMillis) -> Result<(), RunFault> {
    stage.sleep_until(moment.plus(MINUTE_MS))?;
    stage.wait("a block past the moment", |world| {
        world.views().all(|view| view.state.time() > moment.plus(MINUTE_MS))
    })
}

fn records() -> Vec<RecordData> {
    vec![RecordData::Txt(vec!["here".into()])]
}

fn register(stage: &mut Stage, place: usize, owner: &Owner, host: &str) -> Result<(), RunFault> {
    let nonce = stage.nonce();
    let asked = stage.ask(place, owner.register(nonce, name(host), owner.key.public()));
    stage.receipt(&asked)?;
    stage.settle()
}

fn is_answered(stage: &mut Stage, host: &str) -> Result<bool, RunFault> {
    let mut answered = Vec::new();
    for place in 0..4 {
        answered.push(stage.look_up(place, host, RecordType::Txt)? == records());
    }
    ensure(answered.windows(2).all(|pair| pair[0] == pair[1]), "nodes answer differently")?;
    Ok(answered.contains(&true))
}
