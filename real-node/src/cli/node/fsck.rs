//! `hypermesh node fsck`: checks a whole store.

use crate::data::{NodeFolder, PidFile};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::store::{CheckReport, StoreError, check_store};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Write;
use std::path::PathBuf;

/// Which store to check.
#[derive(Debug, Args)]
pub struct FsckArgs {
    /// The node's folder; the node must not run
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

/// Checks a store, prints its faults, and fails if there is one.
///
/// # Errors
/// If the node runs, there is no store, or it is damaged.
pub(super) fn run(args: &FsckArgs, output: Output) -> Result<(), Failure> {
    let folder = NodeFolder::new(&args.data_dir);
    if !folder.store().exists() {
        let message = format!("{}: no store: the node has not run in this folder", folder.store().display());
        return Err(Failure::new(Exit::Input, message));
    }
    // Held while it is checked, so that no node starts meanwhile.
    let _mark = PidFile::create(&folder.pid())?;
    let bar = progress_bar();
    let report = check_store(&folder.store(), &mut |per_mille| bar.set_position(per_mille));
    bar.finish_and_clear();
    let report = report.map_err(|error| {
        let exit = if matches!(error, StoreError::Locked { .. }) { Exit::Failed } else { Exit::Storage };
        Failure::new(exit, error)
    })?;
    output.print(&report, described)?;
    if report.is_sound() {
        return Ok(());
    }
    Err(Failure::new(Exit::Storage, format!("{} is damaged: {}", report.store.display(), damage(&report))))
}

/// What is damaged, in a few words.
fn damage(report: &CheckReport) -> String {
    let rows = match report.corrupted.len() as u64 + report.not_listed {
        0 => None,
        1 => Some("1 corrupted row".to_owned()),
        rows => Some(format!("{rows} corrupted rows")),
    };
    match (&report.pages, rows) {
        (None, rows) => rows.unwrap_or_default(),
        (Some(_), None) => "damaged pages".to_owned(),
        (Some(_), Some(rows)) => format!("damaged pages, and {rows}"),
    }
}

/// A bar on standard error; hidden by itself where that is no terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(1000);
    if let Ok(style) =
        ProgressStyle::with_template("checking the store [{wide_bar:.cyan}] {percent:>3}% {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn described(report: &CheckReport) -> String {
    let CheckReport { store, bytes, rows, closed_cleanly, pages, corrupted, not_listed } = report;
    let closed = if *closed_cleanly { "closed" } else { "not closed: the next start recovers it" };
    let mut text = format!("{}: {bytes} bytes, {rows} rows, {closed}\n", store.display());
    if let Some(reason) = pages {
        writeln!(text, "pages: {reason}").expect(WRITES);
    }
    for row in corrupted {
        let key = match (row.number, row.key.is_empty()) {
            (Some(number), _) => format!(" row {number}"),
            (None, true) => String::new(),
            (None, false) => format!(" row 0x{}", row.key),
        };
        let (table, damage, remedy) = (row.table.name(), &row.damage, row.remedy);
        writeln!(text, "{table}{key}: {damage}\n  {remedy}").expect(WRITES);
    }
    if *not_listed > 0 {
        writeln!(text, "and {not_listed} more").expect(WRITES);
    }
    if report.is_sound() {
        text.push_str("sound\n");
    } else if corrupted.is_empty() {
        text.push_str(
            "no row is damaged: remove store.redb and start the node, which fetches the blocks again\n",
        );
    } else if pages.is_some() {
        text.push_str(
            "if the node then stops because the store cannot be written: remove store.redb and start the node, which fetches \
             the blocks again (its key shares are in other files and stay)\n",
        );
    }
    text
}

const WRITES: &str = "writing into a string does not fail";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CorruptedRow;
    use hypermesh_core::base::Table;

    fn report(pages: Option<&str>, rows: usize) -> CheckReport {
        let row = CorruptedRow {
            table: Table::Blocks,
            key: String::new(),
            number: Some(2),
            damage: "changed".to_owned(),
            remedy: "start the node",
        };
        CheckReport {
            store: "store.redb".into(),
            bytes: 4096,
            rows: 9,
            closed_cleanly: true,
            pages: pages.map(str::to_owned),
            corrupted: vec![row; rows],
            not_listed: 0,
        }
    }

    #[test]
    fn damaged_pages_are_named_beside_damaged_rows() {
        assert_eq!(damage(&report(None, 1)), "1 corrupted row");
        assert_eq!(damage(&CheckReport { not_listed: 3, ..report(None, 2) }), "5 corrupted rows");
        assert_eq!(damage(&report(Some("torn"), 0)), "damaged pages");
        assert_eq!(damage(&report(Some("torn"), 2)), "damaged pages, and 2 corrupted rows");
    }

    #[test]
    fn it_is_said_what_to_do_if_damaged_pages_then_cannot_be_written() {
        let remedy = "if the node then stops because the store cannot be written";
        assert!(described(&report(Some("torn"), 1)).contains(remedy));
        assert!(!described(&report(None, 1)).contains(remedy));
        let pages = described(&report(Some("torn"), 0));
        assert!(pages.contains("no row is damaged: remove store.redb") && !pages.contains(remedy), "{pages}");
        assert!(described(&report(None, 0)).ends_with("sound\n"));
    }
}
