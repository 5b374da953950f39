//! `hypermesh caesar rewards|supply|fees`: the ledger as a whole.

use super::Global;
use crate::amount::Amount;
use crate::client::session;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use hypermesh_core::api::{FeeSchedule, FeesRequest, Rewards, RewardsRequest, Supply, SupplyRequest};
use hypermesh_core::base::MicroCaesar;
use std::fmt::Write as _;

pub(super) fn rewards(global: &Global, output: Output) -> Result<(), Failure> {
    let rewards =
        session(global, "fetching the rewards", async |client| client.call(&RewardsRequest {}).await)?;
    output.print(&rewards, rewards_text)
}

pub(super) fn supply(global: &Global, output: Output) -> Result<(), Failure> {
    let supply = session(global, "fetching the supply", async |client| client.call(&SupplyRequest {}).await)?;
    output.print(&supply, supply_text)?;
    match supply.conserved {
        true => Ok(()),
        false => {
            let message = "the total supply differs from the supply that genesis fixed: the node that \
                answered is faulty";
            Err(Failure::new(Exit::Failed, message))
        }
    }
}

pub(super) fn fees(global: &Global, output: Output) -> Result<(), Failure> {
    let fees = session(global, "fetching the fees", async |client| client.call(&FeesRequest {}).await)?;
    output.print(&fees, fees_text)
}

fn rewards_text(rewards: &Rewards) -> String {
    let mut text = format!(
        "each validator that signs earns {} a second out of a reserve of {}, at height {}\n",
        Amount(rewards.second),
        Amount(rewards.reserve),
        rewards.height
    );
    for row in &rewards.validators {
        let state = if row.earns { "" } else { "  earns nothing" };
        let _infallible = writeln!(
            text,
            "{:<12} {:>24} earned, {} at stake, last vote on chain at height {}{state}",
            row.name,
            Amount(row.earned).to_string(),
            Amount(row.stake),
            row.last_vote
        );
    }
    text
}

fn rows<T: std::fmt::Display>(rows: &[(T, MicroCaesar)]) -> String {
    rows.iter().map(|(what, amount)| format!("{what:<28} {:>28}\n", Amount(*amount).to_string())).collect()
}

fn supply_text(supply: &Supply) -> String {
    let text = rows(&[
        ("in accounts", supply.accounts),
        ("at stake", supply.stakes),
        ("being unbonded", supply.unbonding),
        ("in the reserve", supply.reserve),
        ("fixed by genesis", supply.genesis),
    ]);
    let verdict = if supply.conserved { "it adds up" } else { "IT DOES NOT ADD UP" };
    text + &format!("{verdict}, at height {}\n", supply.height)
}

fn fees_text(fees: &FeeSchedule) -> String {
    let times = |rate: u64| format!("{}.{:03}", rate / 1000, rate % 1000);
    let load = format!(
        "at the present load the prices are {} times the listed ones, of at most {}; blocks of {} operations leave them so\n",
        times(fees.rate),
        times(fees.rate_ceiling),
        fees.target_operations
    );
    let mut lines: Vec<(String, MicroCaesar)> =
        fees.operations.iter().map(|kind| (kind.operation.replace('_', " "), kind.fee)).collect();
    lines.push(("rent of a name, a year".to_owned(), fees.rent));
    lines.push(("each byte past those that these cover".to_owned(), fees.byte));
    load + &rows(&lines)
}
