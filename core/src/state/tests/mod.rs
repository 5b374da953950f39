//! The state, tried by behaviour. `test_util` has the mesh that they run on.

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
mod ledger;
mod names;
mod offences;
mod operations;
mod rent;
mod running;
mod services;
mod share_repairs;
mod standstill;
pub(crate) mod test_util;
mod unpaid;
mod zone;
