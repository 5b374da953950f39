//! The signals that stop a devnet.

use crate::failure::{Exit, Failure};
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that stop a devnet, from the moment on at which this is made.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// Which of them came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// SIGINT, Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// SIGHUP: the terminal was closed.
    HungUp,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(Exit::Failed, format!("signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Stopped {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Stopped::Terminated,
            _ = self.hang_up.recv() => Stopped::HungUp,
            _ = self.interrupt.recv() => Stopped::Interrupted,
        }
    }
}

impl Stopped {
    /// The signal.
    pub(super) const fn signal(self) -> rustix::process::Signal {
        match self {
            Self::Interrupted => rustix::process::Signal::INT,
            Self::Terminated => rustix::process::Signal::TERM,
            Self::HungUp => rustix::process::Signal::HUP,
        }
    }

    /// What shells make of it: 128 and the signal's number.
    pub(super) fn exit_code(self) -> ExitCode {
        let number = u8::try_from(self.signal().as_raw()).unwrap_or_default();
        ExitCode::from(128 + number)
    }
}
