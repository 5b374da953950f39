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
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("standard output: {error}"));
        let line = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|error| failed(&error))?,
            false => text(value),
        };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", line.trim_end()).and_then(|()| stdout.flush()) {
            // Whoever reads has what it wanted, as with `| head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| failed(&error)),
        }
    }

    /// Prints one of many results as a line of JSON. `false` if nobody reads any more.
    ///
    /// # Errors
    /// If standard output cannot be written to.
    pub fn line<T: Serialize>(self, value: &T) -> Result<bool, Failure> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("standard output: {error}"));
        let line = serde_json::to_string(value).map_err(|error| failed(&error))?;
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            written => written.map(|()| true).map_err(|error| failed(&error)),
        }
    }

    /// Tells something on standard error.
    pub fn tell(self, line: impl std::fmt::Display) {
        // Where standard error cannot be written to, there is nobody to tell that.
        writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
    }
}
