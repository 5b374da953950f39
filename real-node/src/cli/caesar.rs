//! `hypermesh caesar …`: balances and transfers.

use super::Global;
use crate::amount::{Amount, InvalidAmount};
use crate::client::{done, session};
use crate::failure::Failure;
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::api::{Balance, BalanceRequest, TransferRequest};
use hypermesh_core::base::PublicKey;
use hypermesh_core::state::{Action, Receipt, Transfer};

/// What `hypermesh caesar` can do.
#[derive(Debug, Subcommand)]
pub enum CaesarCommand {
    /// Show what an account holds
    Balance {
        /// Whose account, as a public key; the context's own if none is given
        #[arg(value_name = "KEY")]
        owner: Option<PublicKey>,
    },
    /// Move an amount to another account
    Transfer {
        /// Whose account, as a public key
        to: PublicKey,
        /// How much, in Caesar, with up to six decimals
        #[arg(value_parser = parse_amount)]
        amount: Amount,
    },
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: CaesarCommand, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        CaesarCommand::Balance { owner } => {
            let balance = session(global, "asking for the balance", async |client| {
                let owner = owner.unwrap_or(client.secret().public());
                client.call(&BalanceRequest { owner }).await
            })?;
            output.print(&balance, balance_text)
        }
        CaesarCommand::Transfer { to, amount } => {
            let receipt = session(global, "waiting for the transfer to be decided", async |client| {
                let action = Action::Transfer(Transfer { to, amount: amount.0 });
                let operation = client.operation(action)?;
                done(client.call(&TransferRequest { operation }).await?)
            })?;
            output.print(&receipt, |receipt| format!("transferred {amount} to {to}, {}", settled(receipt)))
        }
    }
}

/// Where a receipt's operation was decided, and its fee, for the end of a line.
pub(super) fn settled(receipt: &Receipt) -> String {
    format!("at height {}, fee {}", receipt.height, Amount(receipt.fee))
}

fn balance_text(balance: &Balance) -> String {
    let (amount, height) = (Amount(balance.balance), balance.height);
    match balance.stake.get() {
        0 => format!("{amount} at height {height}"),
        _ => format!("{amount}, and {} at stake, at height {height}", Amount(balance.stake)),
    }
}

fn parse_amount(text: &str) -> Result<Amount, InvalidAmount> {
    text.parse()
}
