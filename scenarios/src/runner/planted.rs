//! Bugs planted on purpose, in a build that ships nowhere.

use super::exit::Exit;
use hypermesh_core::planted::{Bug, plant as put};

/// Lists them.
pub(crate) fn list() -> Exit {
    Bug::ALL.iter().for_each(|bug| println!("{}", bug.name()));
    Exit::Passed
}

/// Plants the one with this name.
pub(crate) fn plant(name: &str) -> Result<(), String> {
    let bug = Bug::ALL.iter().find(|bug| bug.name() == name);
    let known: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    put(*bug.ok_or_else(|| format!("there is no bug {name:?} to plant: there are {}", known.join(", ")))?);
    Ok(())
}
