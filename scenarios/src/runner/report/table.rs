//! A run as a table: a line for each thing that happened, in columns.

use super::entries::{OutputRow, rows, who};
use super::{ReportSubject, seconds};
use std::fmt::Write as _;

/// The table: when, at which node, what kind of thing, and what.
pub(super) fn table(subject: &ReportSubject) -> String {
    let rows = rows(subject);
    let widest = |width: fn(&OutputRow) -> usize| rows.iter().map(width).max().unwrap_or_default();
    let at = widest(|row| seconds(row.at).len());
    let place = widest(|row| who(row).chars().count());
    let kind = widest(|row| row.kind.chars().count());
    let mut text = String::new();
    for row in &rows {
        let words = one_line(&row.words);
        let written =
            writeln!(text, "{:>at$}  {:<place$}  {:<kind$}  {words}", seconds(row.at), who(row), row.kind);
        written.expect("writing to a string does not fail");
    }
    text
}

/// Text without characters that break a line or reach a terminal as commands.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
