//! What operations cost now, and how that follows the load.

use crate::base::MicroCaesar;
use crate::caesar::{at_rate, next_fee_rate};
use crate::state::chain::row::FeeRate;
use crate::state::{Action, State, StateDraft, listed_fee};

impl State {
    /// What the listed prices are multiplied by in the next block.
    #[must_use]
    pub fn fee_rate(&self) -> FeeRate {
        self.get::<FeeRate>(&()).unwrap_or_default()
    }

    /// What an operation of so many bytes costs its owner in the next block, rent apart.
    #[must_use]
    pub fn fee(&self, action: &Action, bytes: usize) -> MicroCaesar {
        at_rate(listed_fee(action, bytes), self.fee_rate().thousandths)
    }
}

impl StateDraft {
    /// Sets the rate for the next block, after one with so many operations that paid.
    pub(in crate::state) fn follow_load(&mut self, operations: usize) {
        let before = self.state().fee_rate();
        let target = self.state().genesis_document().profile.fee_target_operations();
        let thousandths = next_fee_rate(before.thousandths, operations as u64, target);
        if thousandths != before.thousandths {
            self.put(&(), &FeeRate { thousandths });
        }
    }
}
