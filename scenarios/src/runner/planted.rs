//! Bugs planted on purpose, in a build that ships nowhere.

use super::exit::Exit;
use hypermesh_core::planted::{Bug, plant as put};
use hypermesh_sim::world::{Options, World};

/// How many nodes the plans of seeds have, and what they are cut down to.
const NODE_COUNTS: core::ops::RangeInclusive<usize> = 4..=7;

/// Lists them.
pub(crate) fn list() -> Exit {
    Bug::ALL.iter().for_each(|bug| println!("{}", bug.name()));
    Exit::Passed
}

/// Plants the one with this name. The disks that runs begin with are made first, by the code as it is.
pub(crate) fn plant(name: &str) -> Result<(), String> {
    let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
    let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    let bug =
        bug.ok_or_else(|| format!("there is no bug {name:?} to plant: there are {}", known.join(", ")))?;
    for nodes in NODE_COUNTS {
        drop(World::new(0, Options { nodes, ..Options::default() }));
    }
    put(*bug);
    Ok(())
}
