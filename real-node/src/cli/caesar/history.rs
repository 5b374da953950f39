//! `hypermesh caesar history`: what moved, with its reason.
//!
//! A page is a chain of hashes from one digest to the next; that it is whole is checked here, so a node can leave nothing
//! out of the middle. That the newest digest is the state's is proved if that is asked for.

use super::super::proof::tell;
use super::Global;
use crate::amount::Amount;
use crate::client::session;
use crate::failure::{Exit, Failure};
use crate::moment;
use crate::output::Output;
use clap::Args;
use hypermesh_core::api::{
    HISTORY_COUNT_MAX, History, HistoryCursor, HistoryRequest, Movements, MovementsRequest,
};
use hypermesh_core::base::{Height, PublicKey};
use hypermesh_core::caesar::{Holder, LedgerAccount, Movement};
use std::fmt::Write as _;

/// Which movements.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Whose, as a public key; the context's own if none is given
    #[arg(value_name = "KEY", conflicts_with_all = ["reserve", "block"])]
    pub owner: Option<PublicKey>,
    /// Those of the reserve
    #[arg(long, conflicts_with = "block")]
    pub reserve: bool,
    /// Those of one block
    #[arg(long, value_name = "HEIGHT", conflicts_with_all = ["limit", "before"])]
    pub block: Option<u64>,
    /// How many at most, the newest
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_COUNT_MAX)))]
    pub limit: u32,
    /// Only those before this place, as the last line of a page names it
    #[arg(long, value_name = "HEIGHT/NUMBER", value_parser = parse_cursor)]
    pub before: Option<HistoryCursor>,
    /// Have it proved that these are the newest: by rows of the state under a header that a quorum decided, checked here
    #[arg(long, conflicts_with_all = ["block", "before"])]
    pub prove: bool,
}

pub(super) fn run(args: HistoryArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let HistoryArgs { owner, reserve, block, limit, before, prove } = args;
    if let Some(height) = block {
        let movements = session(global, "asking what moved", async |client| {
            client.call(&MovementsRequest { height: Some(Height(height)) }).await
        })?;
        return output.print(&movements, block_text);
    }
    if prove {
        let (history, answer, holder) =
            session(global, "fetching the history with its proof", async |client| {
                let own = Holder::Owner(owner.unwrap_or(client.secret().public()));
                let holder = if reserve { Holder::Reserve } else { own };
                let (history, answer) = client.prove_history(holder, limit).await?;
                Ok((history, answer, holder))
            })?;
        tell(&answer, output);
        return output.print(&history, |history| {
            format!("{}proved of height {}\n", history_text(history, holder), answer.proved.height)
        });
    }
    let (history, holder) = session(global, "fetching the history", async |client| {
        let own = Holder::Owner(owner.unwrap_or(client.secret().public()));
        let holder = if reserve { Holder::Reserve } else { own };
        let request = HistoryRequest { holder, before: before.clone(), limit };
        Ok((client.call(&request).await?, holder))
    })?;
    check(&history, before.is_none())?;
    output.print(&history, |history| history_text(history, holder))
}

/// Whether the page is what it says: whole, and the newest one the end of the history.
fn check(history: &History, newest: bool) -> Result<(), Failure> {
    let fault = |what: &str| {
        let message = format!("the node returned a history that {what}: retry with another node");
        Err(Failure::new(Exit::Failed, message))
    };
    match history.page.after() {
        None => fault("has gaps"),
        Some(digest) if newest && digest != history.head.digest => {
            fault("does not end where it says that it does")
        }
        Some(_) => Ok(()),
    }
}

fn history_text(history: &History, holder: Holder) -> String {
    let mut text = String::new();
    for entry in &history.page.movements {
        let (sign, other) = seen_from(&entry.movement, holder);
        let amount = format!("{sign}{}", Amount(entry.movement.amount));
        let reason = entry.movement.reason.name();
        let _infallible = write!(
            text,
            "{:>6}  {:>8}  {}  {reason:<9} {amount:>24}  {other}",
            entry.number,
            entry.height,
            moment::text(entry.time)
        );
        text += &operation_text(&entry.movement);
    }
    let _infallible = match &history.next {
        Some(HistoryCursor { height, number }) => {
            writeln!(
                text,
                "{} movements in all; those before: --before {height}/{number}",
                history.head.count
            )
        }
        None => writeln!(text, "{} movements in all", history.head.count),
    };
    text
}

fn block_text(block: &Movements) -> String {
    let mut text = String::new();
    for movement in &block.movements {
        let Movement { source, target, amount, reason, .. } = movement;
        let (source, target) = (place_text(*source), place_text(*target));
        let _infallible =
            write!(text, "{:<9} {:>24}  {source} -> {target}", reason.name(), Amount(*amount).to_string());
        text += &operation_text(movement);
    }
    let (count, height) = (block.movements.len(), block.height);
    text + &format!("{count} movements in block {height}, of {}\n", moment::text(block.time))
}

fn operation_text(movement: &Movement) -> String {
    movement.operation.map_or_else(|| "\n".to_string(), |operation| format!("  operation {operation}\n"))
}

/// Whether a movement takes from a holder or gives to it, and where the other side is.
fn seen_from(movement: &Movement, holder: Holder) -> (&'static str, String) {
    let Movement { source, target, .. } = *movement;
    match (source.holder() == Some(holder), target.holder() == Some(holder)) {
        (true, true) => ("", format!("{} -> {}", part_text(source), part_text(target))),
        (true, false) => ("-", format!("to {}", place_text(target))),
        _ => ("+", format!("from {}", place_text(source))),
    }
}

const fn part_text(place: LedgerAccount) -> &'static str {
    match place {
        LedgerAccount::Account(_) => "account",
        LedgerAccount::Stake(_) => "stake",
        LedgerAccount::Unbonding(_) => "unbonding",
        LedgerAccount::Reserve => "reserve",
        LedgerAccount::Genesis => "genesis",
    }
}

fn place_text(place: LedgerAccount) -> String {
    match place {
        LedgerAccount::Account(owner) => owner.to_string(),
        LedgerAccount::Stake(owner) => format!("stake of {owner}"),
        LedgerAccount::Unbonding(owner) => format!("unbonding of {owner}"),
        LedgerAccount::Reserve | LedgerAccount::Genesis => part_text(place).to_string(),
    }
}

fn parse_cursor(text: &str) -> Result<HistoryCursor, String> {
    let parts = text.split_once('/').and_then(|(height, number)| {
        Some(HistoryCursor { height: Height(height.parse().ok()?), number: number.parse().ok()? })
    });
    parts.ok_or_else(|| "expected a height and a number, such as 120/7".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, MicroCaesar, UnixMillis};
    use hypermesh_core::caesar::{HistoryHead, HistoryPage, MovementReason, NumberedMovement};

    fn history() -> (History, Holder) {
        let owner = PublicKey([1; 32]);
        let movement = Movement {
            source: LedgerAccount::Account(owner),
            target: LedgerAccount::Reserve,
            amount: MicroCaesar(10_000),
            reason: MovementReason::Fee,
            operation: Some(Digest([7; 32])),
        };
        let time = UnixMillis(1_796_000_000_000);
        let entry = |number| NumberedMovement { number, height: Height(9), time, movement };
        let page = HistoryPage { before: Digest([2; 32]), movements: vec![entry(4), entry(5)] };
        let head = HistoryHead { count: 6, last: Height(9), digest: page.after().unwrap() };
        let next = Some(HistoryCursor { height: Height(9), number: 4 });
        (History { head, page, next, height: Height(12) }, Holder::Owner(owner))
    }

    #[test]
    fn a_history_reads_as_a_statement_of_account() {
        let (history, holder) = history();
        let text = history_text(&history, holder);
        assert!(text.contains("fee") && text.contains("-0.01 Caesar  to reserve"), "{text}");
        assert!(text.ends_with("6 movements in all; those before: --before 9/4\n"), "{text}");
    }

    #[test]
    fn a_history_with_a_movement_left_out_is_not_shown() {
        let (good, _) = history();
        assert!(check(&good, true).is_ok());
        let mut short = good.clone();
        short.page.movements.pop();
        assert!(check(&short, true).is_err());
        assert!(check(&short, false).is_ok(), "an older page is held against the one after it");
        let mut torn = good;
        torn.page.movements[0].number = 3;
        assert!(check(&torn, false).is_err());
    }

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let cursor = parse_cursor("120/7").unwrap();
        assert_eq!((cursor.height, cursor.number), (Height(120), 7));
        for text in ["", "7", "/", "a/1", "1/-1"] {
            assert!(parse_cursor(text).is_err(), "{text}");
        }
    }
}
