//! What commands print: data on standard output, everything else on standard error.
//!
//! A reader that has enough (`| head`) is no failure: what is left is dropped, and the command goes on. This module alone
//! writes to the two; `println!` and its kin, which panic where nobody reads, are refused by `clippy`.

use crate::failure::{Exit, Failure};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As JSON, for scripts.
    pub json: bool,
}

/// What is warned of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// This machine's clock is wrong.
    Clock,
    /// The account that pays is about to run out.
    LowBalance,
}

impl Output {
    /// Prints a result: as JSON, or as `text` says for people.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        let line = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|error| unwritten(&error))?,
            false => text(value),
        };
        self.next_line(line.trim_end()).map(|_read_on| ())
    }

    /// Prints one of many results as a line of JSON. `false` if nobody reads any more.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn line<T: Serialize>(self, value: &T) -> Result<bool, Failure> {
        self.next_line(&serde_json::to_string(value).map_err(|error| unwritten(&error))?)
    }

    /// Prints one of many results: as a line of JSON, or as `text` says for people. `false` if nobody reads any more.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn print_next<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<bool, Failure> {
        if self.json { self.line(value) } else { self.next_line(text(value).trim_end()) }
    }

    fn next_line(self, line: &str) -> Result<bool, Failure> {
        self.write(format!("{line}\n").as_bytes())
    }

    /// Writes data as it is. `false` if nobody reads any more.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    #[expect(clippy::disallowed_methods, reason = "the one place where data is written")]
    pub fn write(self, data: &[u8]) -> Result<bool, Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(data).and_then(|()| stdout.flush()) {
            // Whoever reads has what it wanted, as with `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).map_err(|error| unwritten(&error)),
        }
    }

    /// Whether standard output is a terminal, on which can be drawn.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that has standard output")]
    pub fn is_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Tells on standard error why a command failed.
    pub fn fail(self, failure: &Failure) {
        #[derive(Serialize)]
        struct ErrorReport<'a> {
            error: &'a Failure,
        }
        match serde_json::to_string(&ErrorReport { error: failure }) {
            Ok(line) if self.json => self.tell(line),
            _ => self.tell(format_args!("error: {failure}")),
        }
    }

    /// Warns on standard error of something that is not this command's failure, and may soon be another's.
    pub fn warn(self, kind: Warning, message: impl std::fmt::Display) {
        #[derive(Serialize)]
        struct WarningReport {
            warning: WarningText,
        }
        #[derive(Serialize)]
        struct WarningText {
            kind: Warning,
            message: String,
        }
        let message = message.to_string();
        let report = WarningReport { warning: WarningText { kind, message } };
        match serde_json::to_string(&report) {
            Ok(line) if self.json => self.tell(line),
            _ => self.tell(format_args!("warning: {}", report.warning.message)),
        }
    }

    /// Tells something on standard error.
    pub fn tell(self, line: impl std::fmt::Display) {
        // Where standard error cannot be written to, there is nobody to tell that.
        writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("standard output: {error}"))
}
