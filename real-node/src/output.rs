//! What commands print: data on standard output, everything else on standard error.
//!
//! A reader that has enough (`| head`) is no failure: what is left is dropped, and the command goes on. This module alone
//! writes to the two; `println!` and its kin, which panic where nobody reads, are refused by `clippy`.
//!
//! Names and messages come from nodes, which may lie. Control characters in them are printed in escaped form, so that no
//! node can send escape sequences to the terminal. Data that is [written](Output::write) as it is goes to files and pipes.

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
        self.write(printed(line).as_bytes())
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
        std::io::stderr().lock().write_all(printed(&line.to_string()).as_bytes()).unwrap_or_default();
    }
}

/// The text as it is printed: with its control characters as `\u001b`, line ends and tabs excepted, and with a line end. JSON
/// stays the same JSON: in it they occur in strings alone, where that is their escape.
fn printed(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c {
            '\n' | '\t' => line.push(c),
            _ if c.is_control() => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => line.push(c),
        }
    }
    line.push('\n');
    line
}

fn unwritten(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a lying node might call a kind of fee: it clears the screen, in two ways, and writes over the line.
    const HOSTILE: &str = "issue\u{1b}[2J\u{9b}2J\u{7f}\rfree";

    #[test]
    fn no_text_of_a_node_sends_escape_sequences_to_the_terminal() {
        assert_eq!(printed(HOSTILE), concat!(r"issue\u001b[2J\u009b2J\u007f\u000dfree", "\n"));
        assert_eq!(printed("two\n\tlines, *ü*"), "two\n\tlines, *ü*\n");
        let json = printed(&serde_json::to_string_pretty(&[HOSTILE]).unwrap());
        assert!(!json.contains(|c: char| c.is_control() && c != '\n'), "{json:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [HOSTILE]);
    }
}
