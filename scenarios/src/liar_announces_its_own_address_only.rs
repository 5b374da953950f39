//! A validator that lies announces addresses: of another, of its own, old ones, and a flood of them. The others take its own
//! newest alone, no more often than the bound, pass it on and keep it; and the mesh goes on.

use crate::Scenario;
use crate::scenario_run::{ScenarioRun, ensure, tells};
use hypermesh_core::api::AddressRecord;
use hypermesh_core::base::{Digest, PublicKey, SecretKey, encode};
use hypermesh_core::node::Event;
use hypermesh_sim::world::{Lie, NodeIndex, RunFault, Start, World};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "liar-announces-its-own-address-only",
    shows: "a validator can announce no address but its own, so many times and no more, and that is kept",
    reaches: &[],
    start: Start::Ready,
    play,
};

/// What the message between validators that carries addresses begins with.
const ADDRESSES: u8 = 18;
/// How many announcements come at once, and how many of them a node takes at most: a burst, and what a minute adds.
const FLOOD: u16 = 100;
const TAKEN_MAX: usize = 10;
/// How long a message is on its way, at most.
const DELIVERY: Duration = Duration::from_millis(50);

fn play(run: &mut ScenarioRun) -> Result<(), RunFault> {
    run.begin()?;
    run.issue(0)?;
    let liar = run.any_place();
    let (hearer, other) = ((liar + 1) % 4, (liar + 2) % 4);
    run.world.corrupt(liar, Lie::NoPrivateShares);
    let (genesis, identity) = (run.world.participants().genesis_hash(), identity(run, liar)?);
    let key = identity.public();
    let others = run.world.participants().keys().nth(other).unwrap_or(key);
    let now = run.world.view(hearer).map_or(0, |view| view.state.time().0);

    let forged = AddressRecord { validator: others, ..record(&genesis, &identity, 1, now) };
    announce(run, liar, hearer, forged);
    run.wait("the forged address blamed on who sent it", |world| {
        tells(world, hearer, |event| matches!(event, Event::PeerFault { peer, .. } if *peer == key))
    })?;
    ensure(known(&run.world, hearer, &others).is_none(), "a forged address was taken")?;

    announce(run, liar, hearer, record(&genesis, &identity, 2, now + 2));
    let everywhere = |world: &World, port: u16| {
        [hearer, other, (liar + 3) % 4].iter().all(|place| known(world, *place, &key) == Some(port))
    };
    run.wait("its own address known to all", |world| everywhere(world, 2))?;
    announce(run, liar, hearer, record(&genesis, &identity, 3, now + 1));
    run.world.run_for(DELIVERY)?;
    ensure(everywhere(&run.world, 2), "an older address took the place of a newer one")?;

    for port in 0..FLOOD {
        announce(run, liar, hearer, record(&genesis, &identity, 1000 + port, now + 10 + u64::from(port)));
    }
    run.world.run_for(DELIVERY)?;
    let changed =
        |event: &Event| matches!(event, Event::AddressChanged { validator, .. } if *validator == key);
    let taken = run.told(hearer, changed);
    ensure(taken <= TAKEN_MAX, &format!("{taken} of {FLOOD} addresses were taken"))?;
    let kept = known(&run.world, hearer, &key);
    run.world.crash(hearer);
    run.world.start(hearer)?;
    ensure(kept.is_some() && known(&run.world, hearer, &key) == kept, "the address was lost with a restart")?;
    run.wait("all nodes ready again", World::is_ready)?;
    run.issue(hearer).map(|_| ())
}

fn identity(run: &ScenarioRun, place: NodeIndex) -> Result<SecretKey, RunFault> {
    let validator = run.world.participants().validators.get(place);
    ensure(validator.is_some(), "there is no such validator")?;
    Ok(validator.map_or_else(|| SecretKey::from_seed([0; 32]), |validator| validator.member.identity.clone()))
}

fn record(genesis: &Digest, identity: &SecretKey, port: u16, sequence: u64) -> AddressRecord {
    let ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77);
    AddressRecord::sign(genesis, SocketAddrV6::new(ip, port, 0, 0), sequence, identity)
}

fn announce(run: &mut ScenarioRun, liar: NodeIndex, hearer: NodeIndex, record: AddressRecord) {
    let message = [&[ADDRESSES], encode(&vec![record]).as_slice()].concat();
    run.world.inject(liar, hearer, message);
}

/// The port at which a node knows a validator to be, if it has announced one.
fn known(world: &World, place: NodeIndex, validator: &PublicKey) -> Option<u16> {
    Some(world.view(place)?.addresses.get(validator)?.address.port())
}
