//! `hypermesh caesar …`: balances and transfers.

use super::Global;
use super::proof::{ask_proved, late, unasked};
use crate::amount::{Amount, InvalidAmount};
use crate::client::{done, read_context, session};
use crate::failure::Failure;
use crate::output::Output;
use clap::Subcommand;
use hypermesh_core::api::{Balance, BalanceRequest, TransferRequest};
use hypermesh_core::base::PublicKey;
use hypermesh_core::state::{Action, Receipt, Transfer};
use hypermesh_core::trust::{Answer, Holdings, Question};

/// What `hypermesh caesar` can do.
#[derive(Debug, Subcommand)]
pub enum CaesarCommand {
    /// Show what an account holds
    Balance {
        /// Whose account, as a public key; the context's own if none is given
        #[arg(value_name = "KEY")]
        owner: Option<PublicKey>,
        /// Have the answer proved: rows of the state under a header that a quorum decided, checked here
        #[arg(long)]
        prove: bool,
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
        CaesarCommand::Balance { owner, prove: true } => show_proved(owner, global, output),
        CaesarCommand::Balance { owner, prove: false } => {
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

/// What the state says that an account holds.
fn show_proved(owner: Option<PublicKey>, global: &Global, output: Output) -> Result<(), Failure> {
    let owner = match owner {
        Some(owner) => owner,
        None => read_context(global)?.key()?.public(),
    };
    let answer = ask_proved(&Question::Balance { owner }, global, output)?;
    let Answer::Balance(Holdings { balance, stake }) = answer.proved.answer else { return Err(unasked()) };
    if answer.stale {
        output.tell(late(&answer));
    }
    let balance = Balance { owner, balance, stake, height: answer.proved.height };
    output.print(&balance, |balance| format!("{}, proved", balance_text(balance)))
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
