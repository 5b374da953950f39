//! Nothing is made and nothing is lost: all that exists is what genesis fixed, after every block; and the sums and counts
//! that the state keeps are those of a walk over all its rows.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::state::{Genesis, State};

/// Watches the supply.
pub struct SupplyCheck {
    expected: u128,
}

impl SupplyCheck {
    /// The check for a mesh.
    ///
    /// # Panics
    /// If genesis is none that a mesh can start from.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let supply = genesis.supply().expect("a checked genesis has a supply");
        Self { expected: u128::from(supply.0) }
    }

    /// Looks at a state.
    ///
    /// # Errors
    /// If there is more or less than genesis fixed, or the state's sums are not those of its rows.
    pub fn on_state(&self, place: NodeIndex, state: &State) -> Result<(), Violation> {
        let (kept, counted) = (state.totals(), state.count_totals());
        if kept != counted {
            let (number, height) = (place + 1, state.height());
            let what =
                format!("node-{number} keeps {kept:?} at height {height}, and its rows make {counted:?}");
            return Err(Violation::new("supply", what));
        }
        self.on_supply(place, state, state.supply())
    }

    fn on_supply(&self, place: NodeIndex, state: &State, supply: u128) -> Result<(), Violation> {
        if supply == self.expected {
            return Ok(());
        }
        let (number, height, expected) = (place + 1, state.height(), self.expected);
        let what = format!("node-{number} has {supply} at height {height}, and genesis fixed {expected}");
        Err(Violation::new("supply", what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Participants;
    use hypermesh_core::base::MicroCaesar;
    use hypermesh_core::state::Account;

    #[test]
    fn it_fires_when_the_sums_add_up_to_a_millionth_more_than_genesis_fixed() {
        let participants = Participants::new(4);
        let check = SupplyCheck::new(&participants.genesis);
        let (state, _) = State::genesis(participants.genesis.clone());
        assert_eq!(check.on_supply(0, &state, state.supply()), Ok(()));
        assert_eq!(check.on_supply(0, &state, state.supply() + 1).unwrap_err().check, "supply");
        assert_eq!(check.on_supply(0, &state, state.supply() - 1).unwrap_err().check, "supply");
    }

    #[test]
    fn it_fires_when_a_millionth_comes_out_of_nothing() {
        let participants = Participants::new(4);
        let check = SupplyCheck::new(&participants.genesis);
        let (state, _) = State::genesis(participants.genesis.clone());
        assert_eq!(check.on_state(0, &state), Ok(()));
        let mut draft = state.draft();
        draft.put(&participants.poor.public(), &Account { balance: MicroCaesar(1), ..Account::default() });
        let (state, _, _) = draft.finish();
        let violation = check.on_state(0, &state).unwrap_err();
        assert_eq!(violation.check, "supply");
        assert!(violation.what.contains("its rows make"), "{violation}");
    }
}
