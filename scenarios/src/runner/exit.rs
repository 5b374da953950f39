//! How the runner ends.

use hypermesh_sim::plan::FailureKind;
use std::process::ExitCode;

/// Exit status when something of the catalogue was never tried.
const NOT_COVERED: u8 = 14;

/// How a command ended.
pub(crate) enum Exit {
    /// All is as it should be.
    Passed,
    /// Runs failed; this is the worst of it.
    Failed(FailureKind),
    /// Something of the catalogue was never tried.
    NotCovered,
    /// The command could not be carried out.
    Unable(String),
}

impl Exit {
    pub(crate) fn status(&self) -> ExitCode {
        match self {
            Self::Passed => ExitCode::SUCCESS,
            Self::Failed(kind) => ExitCode::from(kind.exit_status()),
            Self::NotCovered => ExitCode::from(NOT_COVERED),
            Self::Unable(_) => ExitCode::FAILURE,
        }
    }

    /// Passed, or failed as the worst of these.
    pub(crate) fn of(failures: impl IntoIterator<Item = FailureKind>) -> Self {
        failures.into_iter().min().map_or(Self::Passed, Self::Failed)
    }
}
