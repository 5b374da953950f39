//! Nothing is made and nothing is lost: all that exists is what genesis fixed, after every block.

use super::Violation;
use crate::world::Place;
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
    /// If there is more or less than genesis fixed.
    pub fn on_state(&self, place: Place, state: &State) -> Result<(), Violation> {
        self.on_supply(place, state, state.supply())
    }

    fn on_supply(&self, place: Place, state: &State, supply: u128) -> Result<(), Violation> {
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
    use crate::world::Cast;
    use hypermesh_core::base::MicroCaesar;
    use hypermesh_core::state::Account;

    #[test]
    fn it_fires_when_a_millionth_comes_out_of_nothing() {
        let cast = Cast::new(4);
        let check = SupplyCheck::new(&cast.genesis);
        let (state, _) = State::genesis(cast.genesis.clone());
        assert_eq!(check.on_state(0, &state), Ok(()));
        let mut draft = state.draft();
        draft.put(&cast.poor.public(), &Account { balance: MicroCaesar(1), ..Account::default() });
        let (state, _, _) = draft.finish();
        assert_eq!(check.on_state(0, &state).unwrap_err().check, "supply");
    }
}
