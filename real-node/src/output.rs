//! What commands print: data on standard output, everything else on standard error.

use crate::failure::{Exit, Failure};
use serde::Serialize;
use std::io::{ErrorKind, Write};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// As JSON, for scripts.
    pub json: bool,
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
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", line.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever reads has what it wanted, as with `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| unwritten(&error)),
        }
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
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).map_err(|error| unwritten(&error)),
        }
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

    /// Tells something on standard error.
    pub fn tell(self, line: impl std::fmt::Display) {
        // Where standard error cannot be written to, there is nobody to tell that.
        writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("standard output: {error}"))
}
