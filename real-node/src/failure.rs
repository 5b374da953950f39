//! How commands fail: a sentence for people, an exit code for scripts.

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use std::fmt;
use std::process::ExitCode;

/// The table of exit codes. Part of the command line's interface: a number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exit {
    /// The command line itself is wrong (clap uses the same).
    Usage = 2,
    /// A file is missing, malformed or of another mesh.
    Input = 3,
    /// No node could be reached, or it did not answer in time.
    Unreachable = 4,
    /// The mesh refused: policy, funds, names.
    Refused = 5,
    /// What was asked for is not there.
    NotFound = 6,
    /// A verification was made and did not hold.
    NotValid = 7,
    /// The node's store failed: a full disk, an error of the device, damage. It promised nothing that is not on disk.
    Storage = 8,
    /// Something else went wrong here: disk, permissions, a port in use.
    Failed = 1,
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For scripts.
    pub exit: Exit,
    /// For people: what happened, to what, and what to do.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Failure", 3)?;
        fields.serialize_field("kind", &self.exit)?;
        fields.serialize_field("exit", &(self.exit as u8))?;
        fields.serialize_field("message", &self.message)?;
        fields.end()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
