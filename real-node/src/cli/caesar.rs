//! `hypermesh caesar …`: balances, transfers, stakes, and where every amount came from.

mod history;
mod report;

use super::Global;
use super::proof::{ask_proved, late, unasked};
use crate::amount::{Amount, InvalidAmount};
use crate::client::{LowBalance, done, read_context, session};
use crate::exposition::{MetricKind, Text};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::moment;
use crate::output::{Output, Warning};
use clap::Subcommand;
use history::HistoryArgs;
use hypermesh_core::api::{Balance, BalanceRequest, FeeSchedule, FeesRequest, OperationRequest};
use hypermesh_core::base::{MicroCaesar, PublicKey};
use hypermesh_core::state::{
    Action, Bond, Effect, IssueCertificate, OPERATIONS, OperationKind, Outcome, Receipt, Transfer, Unbond,
};
use hypermesh_core::trust::{Answer, Funds, Question};
use std::path::PathBuf;

/// What `hypermesh caesar` can do.
#[derive(Debug, Subcommand)]
pub enum CaesarCommand {
    /// Show the balance, stake and unbonding amounts of an account
    Balance {
        /// Whose account, as a public key; the context's own if none is given
        #[arg(value_name = "KEY")]
        owner: Option<PublicKey>,
        /// Have the answer proved: rows of the state under a header that a quorum decided, checked here
        #[arg(long, conflicts_with = "metrics_file")]
        prove: bool,
        /// Fail, with exit code 5, if the account holds less than this, in Caesar
        #[arg(long, value_name = "AMOUNT", value_parser = parse_amount)]
        at_least: Option<Amount>,
        /// Write the balance and the present fees into a file that node_exporter's textfile collector reads
        #[arg(long, value_name = "FILE")]
        metrics_file: Option<PathBuf>,
    },
    /// Move an amount to another account
    Transfer {
        /// Whose account, as a public key
        to: PublicKey,
        /// How much, in Caesar, with up to six decimals
        #[arg(value_parser = parse_amount)]
        amount: Amount,
    },
    /// Put an amount of a member's account at stake; the context's key is the member's
    Bond {
        /// How much, in Caesar, with up to six decimals
        #[arg(value_parser = parse_amount)]
        amount: Amount,
    },
    /// Take an amount out of a member's stake; it comes into the account after a delay
    Unbond {
        /// How much, in Caesar, with up to six decimals
        #[arg(value_parser = parse_amount)]
        amount: Amount,
    },
    /// Show the rewards of validators
    Rewards,
    /// List movements: of an account, of the reserve, or in a block
    History(HistoryArgs),
    /// Show where the supply is held, and verify the sum
    Supply,
    /// Show the prices of operations
    Fees,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CaesarCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        CaesarCommand::Balance { owner, prove: true, at_least, .. } => {
            enough(show_proved(owner, global, output)?, at_least)
        }
        CaesarCommand::Balance { owner, prove: false, at_least, metrics_file } => {
            let (balance, fees, network) = session(global, "fetching the balance", async |client| {
                let asked = owner.unwrap_or(client.secret().public());
                let balance = client.call(&BalanceRequest { owner: asked }).await?;
                Ok((balance, client.call(&FeesRequest {}).await?, client.genesis().network.clone()))
            })?;
            output.print(&balance, balance_text)?;
            if let Some(path) = &metrics_file {
                let text = funds_text(&network, &balance, &fees);
                file::write(path, text.as_bytes(), Access::Public)?;
            }
            let own = if owner.is_none() {
                LowBalance::of(balance.owner, balance.balance, fees.of(&IssueCertificate::KIND))
            } else {
                None
            };
            if let Some(low) = own {
                output.warn(Warning::LowBalance, low);
            }
            enough(balance.balance, at_least)
        }
        CaesarCommand::Transfer { to, amount } => {
            let receipt = session(global, "waiting for the transfer to be decided", async |client| {
                let action = Action::Transfer(Transfer { to, amount: amount.0 });
                let operation = client.operation(action).await?;
                done(client.call(&OperationRequest { operation }).await?)
            })?;
            output.print(&receipt, |receipt| format!("transferred {amount} to {to}, {}", settled(receipt)))
        }
        CaesarCommand::Bond { amount } => {
            let receipt = session(global, "waiting for the bond to be decided", async |client| {
                let operation = client.operation(Action::Bond(Bond { amount: amount.0 })).await?;
                done(client.call(&OperationRequest { operation }).await?)
            })?;
            output.print(&receipt, |receipt| {
                format!("bonded {amount}{}, {}", stake_text(receipt), settled(receipt))
            })
        }
        CaesarCommand::Unbond { amount } => {
            let receipt = session(global, "waiting for the unbonding to be decided", async |client| {
                let operation = client.operation(Action::Unbond(Unbond { amount: amount.0 })).await?;
                done(client.call(&OperationRequest { operation }).await?)
            })?;
            output.print(&receipt, |receipt| {
                format!("unbonded {amount}{}, {}", stake_text(receipt), settled(receipt))
            })
        }
        CaesarCommand::Rewards => report::rewards(global, output),
        CaesarCommand::History(args) => history::run(args, global, output),
        CaesarCommand::Supply => report::supply(global, output),
        CaesarCommand::Fees => report::fees(global, output),
    }
}

/// The balance of an account in the state.
fn show_proved(owner: Option<PublicKey>, global: &Global, output: Output) -> Result<MicroCaesar, Failure> {
    let owner = match owner {
        Some(owner) => owner,
        None => read_context(global)?.key()?.public(),
    };
    let answer = ask_proved(&Question::Balance { owner }, global, output)?;
    if answer.stale {
        output.tell(late(&answer));
    }
    let height = answer.proved.height;
    let Answer::Balance(funds) = answer.proved.answer else { return Err(unasked()) };
    let Funds { balance, stake, unbonding } = funds;
    let balance = Balance { owner, balance, stake, unbonding, height };
    output.print(&balance, |balance| format!("{}, proved", balance_text(balance)))?;
    Ok(balance.balance)
}

/// Fails if an account holds less than it should.
fn enough(balance: MicroCaesar, at_least: Option<Amount>) -> Result<(), Failure> {
    match at_least {
        Some(least) if balance < least.0 => {
            let message =
                format!("the account holds {}, less than {least}: transfer Caesar to it", Amount(balance));
            Err(Failure::new(Exit::Refused, message))
        }
        _ => Ok(()),
    }
}

/// What an account can pay, for Prometheus.
fn funds_text(network: &str, balance: &Balance, fees: &FeeSchedule) -> String {
    let mut text = Text::default();
    let network = ("network".to_owned(), network.to_owned());
    let name = "hypermesh_account_balance_microcaesar";
    text.family(name, MetricKind::Gauge, "the balance of the account that a client pays from");
    let owner = ("owner".to_owned(), balance.owner.to_string());
    text.sample(name, &[network.clone(), owner], balance.balance.0);
    let name = "hypermesh_account_fee_microcaesar";
    text.family(name, MetricKind::Gauge, "the cost of an operation at the present load, by `operation`");
    // By the kinds that are known here: what a node makes up beside them, or lists twice, would spoil the whole file.
    let is_listed =
        |kind: &&OperationKind| fees.operations.iter().any(|listed| listed.operation == kind.name);
    for kind in OPERATIONS.iter().filter(is_listed) {
        text.sample(
            name,
            &[network.clone(), ("operation".to_owned(), kind.name.to_owned())],
            fees.of(kind).0,
        );
    }
    text.into_string()
}

/// Where a receipt's operation was decided, and its fee, for the end of a line.
pub(super) fn settled(receipt: &Receipt) -> String {
    format!("at height {}, fee {}", receipt.height, Amount(receipt.fee))
}

/// The stake in a receipt.
fn stake_text(receipt: &Receipt) -> String {
    match &receipt.outcome {
        Outcome::Done(Effect::Bonded { stake }) => format!(": {} at stake", Amount(*stake)),
        Outcome::Done(Effect::Unbonding { stake, release }) => {
            format!(": {} at stake, released after {}", Amount(*stake), moment::text(*release))
        }
        _ => String::new(),
    }
}

fn balance_text(balance: &Balance) -> String {
    let mut text = Amount(balance.balance).to_string();
    if balance.stake.get() != 0 {
        text += &format!(", and {} at stake", Amount(balance.stake));
    }
    for release in &balance.unbonding {
        text += &format!(", and {} released after {}", Amount(release.amount), moment::text(release.time));
    }
    text + &format!(", at height {}", balance.height)
}

fn parse_amount(text: &str) -> Result<Amount, InvalidAmount> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::api::OperationFee;
    use hypermesh_core::base::Height;

    #[test]
    fn a_node_can_add_no_series_to_what_prometheus_reads() {
        let owner = PublicKey([7; 32]);
        let zero = MicroCaesar::ZERO;
        let balance =
            Balance { owner, balance: MicroCaesar(5), stake: zero, unbonding: Vec::new(), height: Height(1) };
        let listed =
            |operation: &str, fee| OperationFee { operation: operation.to_owned(), fee: MicroCaesar(fee) };
        let fees = FeeSchedule {
            rate: 1000,
            rate_floor: 1000,
            rate_ceiling: 1000,
            target_operations: 1,
            height: Height(1),
            operations: vec![
                listed("bond", 2),
                listed("bond", 3),
                listed("bribe", 4),
                listed("issue_certificate", 1),
            ],
            byte: zero,
            bytes_included: 0,
            rent: zero,
            rent_ms_period: 0,
            reserve: zero,
            supply: zero,
        };
        let text = funds_text("demo", &balance, &fees);
        let series: Vec<&str> =
            text.lines().filter(|line| line.contains("_fee_") && !line.starts_with('#')).collect();
        let name = "hypermesh_account_fee_microcaesar{network=\"demo\",operation=";
        assert_eq!(series, [format!("{name}\"issue_certificate\"}} 1"), format!("{name}\"bond\"}} 2")]);
    }
}
