//! The state, tried by behaviour. `kit` has the mesh that they run on.

mod actions;
mod aliases;
mod attendance;
mod audits;
mod blocks;
mod certificates;
pub(crate) mod encoding;
mod fees;
mod fields;
mod genesis;
mod grants;
pub(crate) mod kit;
mod ledger;
mod names;
mod offences;
mod operations;
mod rent;
mod repairs;
mod running;
mod services;
mod standstill;
mod unpaid;
mod zone;
