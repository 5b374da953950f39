//! Builds for simulations leave the transport out, and with it every scenario on the real QUIC.

use crate::Run;
use std::convert::Infallible;

/// Something that nodes are put through, behind the driver that ships: in this build there is no such thing.
#[derive(Clone, Copy)]
pub struct QuicScenario {
    /// What it is called.
    pub name: &'static str,
    /// What it shows, in a sentence.
    pub shows: &'static str,
    never: Infallible,
}

/// Every scenario: none.
pub const QUIC_SCENARIOS: &[QuicScenario] = &[];

impl QuicScenario {
    /// Plays the scenario in a world out of this seed.
    #[must_use]
    pub fn play(&self, _seed: u64, _keep_lines: bool) -> Run {
        match self.never {}
    }
}
