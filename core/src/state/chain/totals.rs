//! Sums and counts over all rows, kept as a row of their own, so that no read has to walk the state.
//!
//! The sums follow the movements of the ledger, the counts follow the rows that are set and removed, both in the draft of
//! a block. The simulator compares them with a full walk ([`State::count_totals`]) after every block.

use crate::base::MicroCaesar;
use crate::caesar::LedgerAccount;
use crate::state::chain::row::{Account, Certificate, Instance, Member, NameOwner, Row, Unbonding};
use crate::state::{Genesis, State, StateDraft};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// Sums and counts over all rows of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Totals {
    /// The sum of all accounts' balances.
    pub accounts: MicroCaesar,
    /// The sum of all stakes.
    pub stakes: MicroCaesar,
    /// The sum of all that is being unbonded.
    pub unbonding: MicroCaesar,
    /// How many accounts there are.
    pub account_count: u64,
    /// How many names are registered.
    pub name_count: u64,
    /// How many certificates were approved.
    pub certificate_count: u64,
    /// How many instances of services are announced.
    pub instance_count: u64,
}

impl Row for Totals {
    type Key = ();
    const TAG: u8 = 29;

    fn key_bytes(_key: &()) -> Vec<u8> {
        Vec::new()
    }
}

/// All that exists, by where it stands, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// In accounts.
    pub accounts: u128,
    /// At stake.
    pub stakes: u128,
    /// On its way out of stakes.
    pub unbonding: u128,
    /// In the reserve.
    pub reserve: u128,
}

impl State {
    /// The sums and counts that the state keeps. Costs the look-up of one row.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.get::<Totals>(&()).unwrap_or_default()
    }

    /// All that exists, by where it stands, from the sums that the state keeps.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        let Totals { accounts, stakes, unbonding, .. } = self.totals();
        Holdings {
            accounts: u128::from(accounts.0),
            stakes: u128::from(stakes.0),
            unbonding: u128::from(unbonding.0),
            reserve: u128::from(self.balance(LedgerAccount::Reserve).0),
        }
    }

    /// All that exists, from the sums that the state keeps: what genesis fixed, if nothing is wrong.
    #[must_use]
    pub fn supply(&self) -> u128 {
        let Holdings { accounts, stakes, unbonding, reserve } = self.holdings();
        accounts + stakes + unbonding + reserve
    }

    /// The same sums and counts from a walk over every row: what [`State::totals`] must equal. For checks and tests alone,
    /// since it costs as much as the state is large.
    #[must_use]
    pub fn count_totals(&self) -> Totals {
        let sum = |amounts: &mut dyn Iterator<Item = MicroCaesar>| {
            amounts.fold(MicroCaesar::ZERO, |sum, one| sum.checked_add(one).unwrap_or(MicroCaesar(u64::MAX)))
        };
        Totals {
            accounts: sum(&mut self.rows::<Account>(Vec::new()).map(|(_, account)| account.balance)),
            stakes: sum(&mut self.rows::<Member>(Vec::new()).map(|(_, member)| member.stake)),
            unbonding: sum(&mut self.rows::<Unbonding>(Vec::new()).map(|(_, unbonding)| unbonding.balance)),
            account_count: self.rows::<Account>(Vec::new()).count() as u64,
            name_count: self.rows::<NameOwner>(Vec::new()).count() as u64,
            certificate_count: self.rows::<Certificate>(Vec::new()).count() as u64,
            instance_count: self.rows::<Instance>(Vec::new()).count() as u64,
        }
    }
}

impl Totals {
    /// The sums of what genesis gave.
    pub(in crate::state) fn founding(genesis: &Genesis) -> Self {
        let add =
            |sum: MicroCaesar, one: MicroCaesar| sum.checked_add(one).expect("a checked genesis adds up");
        Self {
            accounts: genesis.accounts.iter().map(|one| one.balance).fold(MicroCaesar::ZERO, add),
            stakes: genesis.all_members().map(|one| one.stake).fold(MicroCaesar::ZERO, add),
            ..Self::default()
        }
    }

    /// The sum that a place of the ledger is part of; the reserve and genesis are no sums.
    const fn sum_of(&mut self, place: LedgerAccount) -> Option<&mut MicroCaesar> {
        match place {
            LedgerAccount::Account(_) => Some(&mut self.accounts),
            LedgerAccount::Stake(_) => Some(&mut self.stakes),
            LedgerAccount::Unbonding(_) => Some(&mut self.unbonding),
            LedgerAccount::Reserve | LedgerAccount::Genesis => None,
        }
    }

    /// Whether rows with keys like this one are counted.
    pub(in crate::state) fn counts(key: &[u8]) -> bool {
        key.first().is_some_and(|tag| Self::default().count_of(*tag).is_some())
    }

    const fn count_of(&mut self, tag: u8) -> Option<&mut u64> {
        match tag {
            Account::TAG => Some(&mut self.account_count),
            NameOwner::TAG => Some(&mut self.name_count),
            Certificate::TAG => Some(&mut self.certificate_count),
            Instance::TAG => Some(&mut self.instance_count),
            _ => None,
        }
    }
}

impl StateDraft {
    /// A balance at a place of the ledger becomes another.
    pub(in crate::state) fn follow_balance(
        &mut self,
        place: LedgerAccount,
        before: MicroCaesar,
        after: MicroCaesar,
    ) {
        if let Some(sum) = self.totals.sum_of(place) {
            // Modular, so that it is exact whenever the sum fits, which the supply does, in whatever order.
            *sum = MicroCaesar(sum.0.wrapping_sub(before.0).wrapping_add(after.0));
        }
    }

    /// There is a row more, or one fewer, with a key of this kind.
    pub(in crate::state) fn follow_row(&mut self, key: &[u8], change: i64) {
        if let Some(count) = key.first().and_then(|tag| self.totals.count_of(*tag)) {
            *count = count.saturating_add_signed(change);
        }
    }

    /// Writes the totals, if they changed.
    pub(in crate::state) fn keep_totals(&mut self) {
        let totals = self.totals;
        if totals != self.state().totals() {
            self.put(&(), &totals);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::test_util::*;
    use crate::state::{Action, Bond, Unbond};
    use crate::trustchain::dns::RecordData;
    use alloc::vec;

    #[test]
    fn the_sums_and_counts_are_those_of_a_full_walk_whatever_happens() {
        let mut mesh = Mesh::active();
        assert_eq!(mesh.state.totals(), mesh.state.count_totals(), "after key generation");
        let member = mesh.validators[0].clone();
        mesh.done(&alice(), register("web.demo.hypermesh", &alice()));
        mesh.done(&alice(), set("web.demo.hypermesh", vec![RecordData::Txt(vec!["x".into()])]));
        mesh.done(&alice(), issue(&["web.demo.hypermesh"]));
        mesh.done(&alice(), transfer(&pauper(), 7));
        mesh.done(&member, Action::Bond(Bond { amount: MicroCaesar(9) }));
        mesh.done(&member, Action::Unbond(Unbond { amount: MicroCaesar(4) }));
        mesh.done(&alice(), announce(&instance("web.demo.hypermesh", "east"), &offer("2001:db8::7"), 60));
        let totals = mesh.state.totals();
        assert_eq!(totals, mesh.state.count_totals());
        assert_eq!((totals.unbonding.0, totals.certificate_count, totals.instance_count), (4, 1, 1));
        assert_eq!(totals.name_count, Mesh::new().state.totals().name_count + 1);
        // The lease ends, the unbonded amount is released, the name is freed.
        mesh.pass(crate::caesar::NAME_MS_PERIOD + crate::caesar::NAME_MS_GRACE + 1);
        mesh.pass(1);
        let after = mesh.state.totals();
        assert_eq!(after, mesh.state.count_totals());
        assert_eq!((after.unbonding.0, after.instance_count), (0, 0));
        assert_eq!(after.name_count, totals.name_count - 1);
        assert_eq!(mesh.state.supply(), u128::from(mesh.state.founding_supply().0));
    }

    #[test]
    fn a_balance_that_is_set_past_the_ledger_shows_in_a_walk_and_not_in_the_sums() {
        let mesh = Mesh::new();
        let mut draft = mesh.state.draft();
        draft.put(&pauper().public(), &Account { balance: MicroCaesar(1), ..Account::default() });
        let (state, ..) = draft.finish();
        assert_ne!(state.totals(), state.count_totals());
        assert_eq!(state.totals().account_count, state.count_totals().account_count);
    }
}
