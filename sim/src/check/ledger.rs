//! The ledger against a model of it, and each operation once: what every account holds after a block is what was in it
//! before, with the block's rewards, fees and transfers; an operation's receipt stands in one block of the chain.
//!
//! The model is a map of sums that knows the prices and who is paid, and reads nothing of the state but where it
//! begins. An amount below zero is an error of the model, so a double spend is one. That an operation was rightly
//! refused for another reason than its funds is not this check's business.

use super::{Chain, Violation};
use hypermesh_core::base::{Height, MicroCaesar, PublicKey};
use hypermesh_core::caesar::{
    ISSUE_FEE, Place, RECORDS_FEE, REGISTER_FEE, REVOKE_FEE, REWARD_DIVISOR, TRANSFER_FEE,
};
use hypermesh_core::state::{
    Account, Action, Block, Operation, OperationId, Outcome, Receipt, Refusal, State,
};
use std::collections::BTreeMap;

/// Watches the ledger.
#[derive(Default)]
pub struct LedgerCheck {
    model: Option<Model>,
    /// The block that each operation's receipt stands in.
    carried_out: BTreeMap<OperationId, Height>,
}

/// What everyone holds.
#[derive(Clone, Default)]
struct Model {
    accounts: BTreeMap<PublicKey, u64>,
    reserve: u64,
}

impl LedgerCheck {
    /// Looks at a block that no node had before.
    ///
    /// # Errors
    /// If something was paid, moved or carried out otherwise than the model says.
    pub(super) fn on_block(&mut self, chain: &Chain, height: Height) -> Result<(), Violation> {
        let Some(decided) = chain.at(height) else { return Ok(()) };
        let (Some(block), Some(model)) = (&decided.block, &mut self.model) else {
            self.model = Some(Model::of(&decided.state));
            self.carried_out.extend(standing(&decided.state));
            return Ok(());
        };
        let broken = |what: String| Violation::new("ledger", format!("block {height}: {what}"));
        model.reward(block).map_err(broken)?;
        let mut receipts = decided.receipts.iter().peekable();
        for operation in block.body.batches.iter().flat_map(|batch| &batch.operations) {
            let id = operation.id();
            let receipt = receipts.next_if(|receipt| receipt.operation == id);
            once(&mut self.carried_out, id, receipt, height).map_err(broken)?;
            if let Some(receipt) = receipt {
                model.carry_out(operation, receipt).map_err(broken)?;
            }
        }
        match receipts.next() {
            Some(receipt) => {
                Err(broken(format!("a receipt for {}, which it does not carry", receipt.operation)))
            }
            None => model.compare(&decided.state).map_err(broken),
        }
    }
}

fn standing(state: &State) -> BTreeMap<OperationId, Height> {
    state.rows::<Receipt>(Vec::new()).map(|(_, receipt)| (receipt.operation, receipt.height)).collect()
}

/// An operation that is in time has one receipt, in one block; one that is not may come as often as it likes.
fn once(
    carried_out: &mut BTreeMap<OperationId, Height>,
    id: OperationId,
    receipt: Option<&Receipt>,
    height: Height,
) -> Result<(), String> {
    match (receipt, carried_out.get(&id)) {
        (None, None) => Err(format!("operation {id} has no receipt")),
        (None, Some(_)) => Ok(()),
        (Some(receipt), _) if out_of_time(&receipt.outcome) => Ok(()),
        (Some(_), Some(before)) => Err(format!("operation {id} was carried out in block {before} already")),
        (Some(_), None) => {
            carried_out.insert(id, height);
            Ok(())
        }
    }
}

const fn out_of_time(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(Refusal::Expired { .. } | Refusal::ExpiresTooLate { .. }))
}

/// What an action costs.
const fn price(action: &Action) -> u64 {
    match action {
        Action::IssueCertificate(_) => ISSUE_FEE.0,
        Action::RegisterName(_) => REGISTER_FEE.0,
        Action::SetRecords(_) => RECORDS_FEE.0,
        Action::Transfer(_) => TRANSFER_FEE.0,
        Action::RevokeCertificate(_) => REVOKE_FEE.0,
        _ => 0,
    }
}

impl Model {
    fn of(state: &State) -> Self {
        let accounts = state.genesis_document().accounts.iter().map(|account| account.owner);
        let members = state.genesis_document().all_members().map(|member| member.key);
        let mut model = Self { reserve: state.balance(Place::Reserve).0, ..Self::default() };
        for (key, account) in state.rows::<Account>(Vec::new()) {
            if let Ok(key) = key.try_into() {
                model.accounts.insert(PublicKey(key), account.balance.0);
            }
        }
        for owner in accounts.chain(members) {
            model.accounts.entry(owner).or_insert_with(|| state.balance(Place::Account(owner)).0);
        }
        model
    }

    /// A ten-millionth of the reserve goes to those who decided the parent, in equal parts.
    fn reward(&mut self, block: &Block) -> Result<(), String> {
        let Some(commit) = &block.body.parent_commit else { return Ok(()) };
        let share = self.reserve / REWARD_DIVISOR / commit.signatures.len().max(1) as u64;
        for signature in &commit.signatures {
            self.reserve = self.reserve.checked_sub(share).ok_or("the reserve pays more than it has")?;
            self.add(signature.validator, share)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, operation: &Operation, receipt: &Receipt) -> Result<(), String> {
        let (owner, action) = (operation.body.owner, &operation.body.action);
        let cost = match &receipt.outcome {
            outcome if out_of_time(outcome) => 0,
            Outcome::Refused(Refusal::Funds { .. }) if self.holds(&owner) < price(action) => 0,
            _ => price(action),
        };
        if receipt.fee.0 != cost {
            return Err(format!(
                "operation {} paid {} where the price is {cost}",
                receipt.operation, receipt.fee
            ));
        }
        self.take(owner, cost)?;
        self.reserve = self.reserve.checked_add(cost).ok_or("the reserve overflows")?;
        if let (Action::Transfer(transfer), Outcome::Done(_)) = (action, &receipt.outcome) {
            self.take(owner, transfer.amount.0)?;
            self.add(transfer.to, transfer.amount.0)?;
        }
        Ok(())
    }

    fn holds(&self, owner: &PublicKey) -> u64 {
        self.accounts.get(owner).copied().unwrap_or_default()
    }

    fn take(&mut self, owner: PublicKey, amount: u64) -> Result<(), String> {
        let held = self.holds(&owner);
        let left = held.checked_sub(amount).ok_or(format!("{owner} spends {amount} of {held}"))?;
        self.accounts.insert(owner, left);
        Ok(())
    }

    fn add(&mut self, owner: PublicKey, amount: u64) -> Result<(), String> {
        let sum =
            self.holds(&owner).checked_add(amount).ok_or(format!("the account of {owner} overflows"))?;
        self.accounts.insert(owner, sum);
        Ok(())
    }

    fn compare(&self, state: &State) -> Result<(), String> {
        let differs = |place, expected| {
            let held = state.balance(place);
            (held != MicroCaesar(expected))
                .then(|| format!("{place:?} holds {held} and should hold {expected}"))
        };
        let accounts = self.accounts.iter().find_map(|(owner, held)| differs(Place::Account(*owner), *held));
        match accounts.or_else(|| differs(Place::Reserve, self.reserve)) {
            Some(what) => Err(what),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::kit::{issue, world_with};
    use crate::world::World;

    fn paid() -> World {
        let transfer = |world: &World, nonce| {
            let (owner, poor) = (world.owner(&world.cast().client), world.cast().poor.public());
            owner.transfer(nonce, poor, MicroCaesar(5))
        };
        world_with(|world| vec![transfer(world, 1), issue(world, 2), transfer(world, 3)]).0
    }

    /// What the check says of the last block with a receipt, where the model was changed before it.
    fn fires(change: impl FnOnce(&mut LedgerCheck, &Receipt)) -> Result<(), Violation> {
        let world = paid();
        let chain = world.checks().chain();
        let heights: Vec<Height> = (1..=chain.newest().unwrap().height().0).map(Height).collect();
        let blocks = heights.into_iter().filter(|height| chain.at(*height).is_some());
        let last = blocks.clone().rfind(|height| !chain.at(*height).unwrap().receipts.is_empty()).unwrap();
        let mut check = LedgerCheck::default();
        for height in blocks.filter(|height| *height < last) {
            check.on_block(chain, height).unwrap();
        }
        change(&mut check, &chain.at(last).unwrap().receipts[0]);
        check.on_block(chain, last)
    }

    #[test]
    fn it_fires_when_a_balance_is_not_what_the_model_says() {
        assert_eq!(fires(|_, _| {}), Ok(()));
        let richer = |check: &mut LedgerCheck, receipt: &Receipt| {
            *check.model.as_mut().unwrap().accounts.get_mut(&receipt.owner).unwrap() += 1;
        };
        assert_eq!(fires(richer).unwrap_err().check, "ledger");
        let spent = |check: &mut LedgerCheck, receipt: &Receipt| {
            check.model.as_mut().unwrap().accounts.insert(receipt.owner, 0);
        };
        assert!(fires(spent).unwrap_err().what.contains("of 0"));
    }

    #[test]
    fn it_fires_when_an_operation_is_carried_out_twice() {
        let twice = |check: &mut LedgerCheck, receipt: &Receipt| {
            check.carried_out.insert(receipt.operation, Height(1));
        };
        assert!(fires(twice).unwrap_err().what.contains("already"));
    }

    #[test]
    fn it_fires_when_a_fee_is_not_the_price() {
        let world = paid();
        let chain = world.checks().chain();
        let (block, receipt) = (1..=chain.newest().unwrap().height().0)
            .filter_map(|height| chain.at(Height(height)))
            .find_map(|decided| Some((decided.block.as_ref()?, decided.receipts.first()?)))
            .unwrap();
        let operation = &block.body.batches[0].operations[0];
        let mut model = Model::of(chain.newest().unwrap());
        let free = Receipt { fee: MicroCaesar(0), ..receipt.clone() };
        assert!(model.carry_out(operation, &free).unwrap_err().contains("price"));
        assert_eq!(model.carry_out(operation, receipt), Ok(()));
    }
}
