//! The ledger against a model of it, and each operation once: what every account holds after a block is what was in it
//! before, with the block's rewards, fees, transfers, bonds and releases; an operation's receipt stands in one block of
//! the chain; and what the block's history tells is what the model did, movement for movement.
//!
//! The model is a map of sums that knows the prices and who is paid, and reads nothing of the state but where it
//! begins. An amount below zero is an error of the model, so a double spend is one. That an operation was rightly
//! refused for another reason than its funds is not this check's business.

use super::touched::{LedgerChange, touched};
use super::{Chain, Violation};
use hypermesh_core::base::{Height, MicroCaesar, PublicKey, UnixMillis, encode};
use hypermesh_core::caesar::{
    ANNOUNCE_FEE, BOND_FEE, BlockMovements, FEE_RATE_CEILING, FEE_RATE_FLOOR, ISSUE_FEE, LedgerAccount,
    Movement, MovementReason, NAME_RENT, RECLAIM_FEE, RECORDS_FEE, REGISTER_FEE, RENEW_FEE, REVOKE_FEE,
    REWARD_MS_DIVISOR, REWARD_MS_MAX, STAKE_MINIMUM, TRANSFER_FEE,
};
use hypermesh_core::state::{
    Account, Action, Attest, Block, Member, Operation, OperationId, Outcome, Receipt, State, SystemAction,
    SystemOperation, Unbonding,
};
use hypermesh_core::trustchain::DomainName;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Watches the ledger.
#[derive(Default)]
pub struct LedgerCheck {
    model: Option<Model>,
    /// The block that each operation's receipt stands in.
    carried_out: BTreeMap<OperationId, Height>,
    /// What the owner of each operation of the last block had before it.
    owner_funds: BTreeMap<OperationId, OwnerFunds>,
}

/// What an owner has before an operation is carried out, and what the operation costs, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnerFunds {
    /// In the account.
    pub(super) account: u64,
    /// At stake.
    pub(super) stake: u64,
    /// How many amounts are on their way out of the stake.
    pub(super) releases: usize,
    /// The fee.
    pub(super) fee: u64,
    /// The rent, if the operation is done.
    pub(super) rent: u64,
}

/// What everyone holds.
#[derive(Clone, Default)]
struct Model {
    held: BTreeMap<LedgerAccount, u64>,
    /// What is on its way out of stakes: when, whose, how much. In the order in which it is released.
    releases: Vec<(UnixMillis, PublicKey, u64)>,
    zones: Vec<DomainName>,
    /// What the listed prices are multiplied by, in thousandths, and as many operations as leave it so.
    rate: u64,
    target: u64,
    validators: u64,
    unbonding_ms: u64,
    time: UnixMillis,
    /// Who was suspended after the last block: that it was rightly so is not looked at here.
    suspended: BTreeSet<PublicKey>,
    /// What the block under way has moved so far.
    moved: Vec<Movement>,
}

impl LedgerCheck {
    /// Looks at a block that no node had before.
    ///
    /// # Errors
    /// If something was paid, moved or carried out otherwise than the model says.
    pub(super) fn on_block(&mut self, chain: &Chain, height: Height) -> Result<(), Violation> {
        let Some(decided) = chain.at(height) else { return Ok(()) };
        self.owner_funds.clear();
        let (Some(block), Some(model)) = (&decided.block, &mut self.model) else {
            self.model = Some(Model::of(&decided.state));
            self.carried_out.extend(standing(&decided.state));
            return Ok(());
        };
        let broken = |what: String| Violation::new("ledger", format!("block {height}: {what}"));
        model.reward(block).map_err(broken)?;
        model.release(block.header.time).map_err(broken)?;
        for operation in &block.body.system {
            model.punish(operation).map_err(broken)?;
        }
        let (time, unbonding_ms) = (block.header.time, model.unbonding_ms);
        let mut receipts = decided.receipts.iter();
        for operation in block.body.batches.iter().flat_map(|batch| &batch.operations) {
            let receipt = receipts.next().filter(|receipt| receipt.operation == operation.id());
            let receipt =
                receipt.ok_or_else(|| broken(format!("operation {} has no receipt", operation.id())))?;
            once(&mut self.carried_out, receipt.operation, height).map_err(broken)?;
            self.owner_funds.insert(receipt.operation, model.owner_funds(operation));
            model.carry_out(operation, receipt, time.plus(unbonding_ms)).map_err(broken)?;
        }
        if let Some(receipt) = receipts.next() {
            return Err(broken(format!("a receipt for {}, which it does not carry", receipt.operation)));
        }
        model.follow_load(block);
        model.compare(&decided.state).map_err(broken)?;
        model.suspended = suspended(&decided.state);
        model.compare_history(&decided.movements).map_err(broken)
    }
}

impl LedgerCheck {
    /// What the owner of an operation of the last block had before it; nothing of one without a receipt.
    pub(super) fn owner_funds(&self, operation: &OperationId) -> OwnerFunds {
        self.owner_funds.get(operation).copied().unwrap_or_default()
    }

    /// What the owner of an operation has after the last block; `None` before the model begins.
    pub(super) fn means_now(&self, operation: &Operation) -> Option<OwnerFunds> {
        Some(self.model.as_ref()?.owner_funds(operation))
    }
}

fn suspended(state: &State) -> BTreeSet<PublicKey> {
    let suspended = state.rows::<Member>(Vec::new()).filter(|(_, member)| member.is_suspended());
    suspended.filter_map(|(key, _)| key.try_into().map(PublicKey).ok()).collect()
}

fn standing(state: &State) -> BTreeMap<OperationId, Height> {
    state.rows::<Receipt>(Vec::new()).map(|(_, receipt)| (receipt.operation, receipt.height)).collect()
}

/// An operation is in one block.
fn once(
    carried_out: &mut BTreeMap<OperationId, Height>,
    id: OperationId,
    height: Height,
) -> Result<(), String> {
    match carried_out.insert(id, height) {
        Some(before) => Err(format!("operation {id} was carried out in block {before} already")),
        None => Ok(()),
    }
}

/// What an operation costs by the list: its action, and each byte past a kilobyte. Attestations are free.
fn price(operation: &Operation) -> u64 {
    match (&operation.body.action, encode(operation).len() as u64) {
        (Action::Attest(Attest), _) => 0,
        (action, bytes) => price_of(action) + bytes.saturating_sub(1024),
    }
}

const fn price_of(action: &Action) -> u64 {
    match action {
        Action::IssueCertificate(_) => ISSUE_FEE.0,
        Action::RegisterName(_) => REGISTER_FEE.0,
        Action::RenewName(_) => RENEW_FEE.0,
        Action::ReclaimName(_) => RECLAIM_FEE.0,
        Action::SetRecords(_) => RECORDS_FEE.0,
        Action::AnnounceService(_) | Action::WithdrawService(_) => ANNOUNCE_FEE.0,
        Action::Transfer(_) => TRANSFER_FEE.0,
        Action::RevokeCertificate(_) => REVOKE_FEE.0,
        Action::Bond(_) | Action::Unbond(_) => BOND_FEE.0,
        Action::Attest(Attest) => 0,
    }
}

impl Model {
    fn of(state: &State) -> Self {
        let key = |key: Vec<u8>| key.try_into().map(PublicKey).ok();
        let genesis = state.genesis_document();
        let mut model = Self {
            zones: std::iter::once(&genesis.zone).chain(&genesis.reverse_zones).cloned().collect(),
            rate: state.fee_rate().thousandths,
            target: genesis.profile.fee_target_operations(),
            validators: genesis.validators.len() as u64,
            unbonding_ms: genesis.profile.unbonding_ms_delay(),
            time: state.time(),
            suspended: suspended(state),
            ..Self::default()
        };
        model.held.insert(LedgerAccount::Reserve, state.balance(LedgerAccount::Reserve).0);
        for (owner, account) in state.rows::<Account>(Vec::new()).filter_map(|(k, row)| Some((key(k)?, row)))
        {
            model.held.insert(LedgerAccount::Account(owner), account.balance.0);
        }
        for (owner, member) in state.rows::<Member>(Vec::new()).filter_map(|(k, row)| Some((key(k)?, row))) {
            model.held.insert(LedgerAccount::Stake(owner), member.stake.0);
        }
        for (owner, row) in state.rows::<Unbonding>(Vec::new()).filter_map(|(k, row)| Some((key(k)?, row))) {
            model.held.insert(LedgerAccount::Unbonding(owner), row.balance.0);
            let parts = row.releases.iter().map(|release| (release.time, owner, release.amount.0));
            model.releases.extend(parts);
        }
        model.releases.sort_by_key(|(time, ..)| *time);
        model
    }

    /// A thousandth of the reserve a day goes to those who decided the parent, have the minimum at stake and are not
    /// suspended in the parent's state, in parts of as many as there are validators.
    fn reward(&mut self, block: &Block) -> Result<(), String> {
        let ms = block.header.time.since(self.time).min(REWARD_MS_MAX);
        self.time = block.header.time;
        let Some(commit) = &block.body.parent_commit else { return Ok(()) };
        let due =
            u128::from(self.holds(LedgerAccount::Reserve)) * u128::from(ms) / u128::from(REWARD_MS_DIVISOR);
        let share = u64::try_from(due).map_err(|_| "more is due than there is")? / self.validators.max(1);
        for signature in &commit.signatures {
            let diligent = !self.suspended.contains(&signature.validator);
            if diligent && self.holds(LedgerAccount::Stake(signature.validator)) >= STAKE_MINIMUM.0 {
                self.shift(
                    LedgerAccount::Reserve,
                    LedgerAccount::Account(signature.validator),
                    share,
                    MovementReason::Reward,
                    None,
                )?;
            }
        }
        Ok(())
    }

    /// A block that brings evidence takes all that its validator has at stake or was taking out of it. That the evidence
    /// holds is what makes the block valid: see `validity`.
    fn punish(&mut self, operation: &SystemOperation) -> Result<(), String> {
        let offender = match &operation.action {
            SystemAction::Accuse(offence) => offence.offender(),
            // None of these costs anybody anything.
            SystemAction::Reveal(_)
            | SystemAction::GenerationRound1 { .. }
            | SystemAction::GenerationConfirm { .. }
            | SystemAction::GenerationAbort { .. }
            | SystemAction::Repair(_) => return Ok(()),
        };
        let id = Some(OperationId(operation.id()));
        self.releases.retain(|(_, owner, _)| *owner != offender);
        for source in [LedgerAccount::Stake(offender), LedgerAccount::Unbonding(offender)] {
            let amount = self.holds(source);
            self.shift(source, LedgerAccount::Reserve, amount, MovementReason::Slash, id)?;
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        operation: &Operation,
        receipt: &Receipt,
        release: UnixMillis,
    ) -> Result<(), String> {
        let (owner, action) = (operation.body.owner, &operation.body.action);
        let (account, id) = (LedgerAccount::Account(owner), Some(receipt.operation));
        let cost = self.fee(operation);
        if self.asks(operation) > operation.body.fee_max.0 {
            return Err(format!("operation {} asks for more than its owner's limit", receipt.operation));
        }
        if operation.body.expires < self.time {
            return Err(format!("operation {} had expired", receipt.operation));
        }
        if receipt.fee.0 != cost {
            return Err(format!(
                "operation {} paid {} where the price is {cost}",
                receipt.operation, receipt.fee
            ));
        }
        self.shift(account, LedgerAccount::Reserve, cost, MovementReason::Fee, id)?;
        if let Outcome::Refused(_) = receipt.outcome {
            return Ok(());
        }
        let (stake, unbonding) = (LedgerAccount::Stake(owner), LedgerAccount::Unbonding(owner));
        match touched(action).ledger {
            Some(LedgerChange::Transfer(transfer)) => self.shift(
                account,
                LedgerAccount::Account(transfer.to),
                transfer.amount.0,
                MovementReason::Transfer,
                id,
            ),
            Some(LedgerChange::Register(_) | LedgerChange::Renew) => {
                self.shift(account, LedgerAccount::Reserve, self.rent(action), MovementReason::Rent, id)
            }
            Some(LedgerChange::Bond(bond)) => {
                self.shift(account, stake, bond.amount.0, MovementReason::Bond, id)
            }
            Some(LedgerChange::Unbond(unbond)) => {
                self.releases.push((release, owner, unbond.amount.0));
                self.shift(stake, unbonding, unbond.amount.0, MovementReason::Unbond, id)
            }
            // Nothing but the fee moves.
            None => Ok(()),
        }
    }

    /// What an operation costs now, by the list and the load.
    fn fee(&self, operation: &Operation) -> u64 {
        price(operation) * self.rate / FEE_RATE_FLOOR
    }

    /// The same with the rent that it would pay.
    fn asks(&self, operation: &Operation) -> u64 {
        self.fee(operation) + self.rent(&operation.body.action)
    }

    /// The rent that an action pays, if it is done. A name below another costs none.
    fn rent(&self, action: &Action) -> u64 {
        match touched(action).ledger {
            Some(LedgerChange::Register(register)) if self.is_top(&register.name) => NAME_RENT.0,
            Some(LedgerChange::Renew) => NAME_RENT.0,
            Some(
                LedgerChange::Register(_)
                | LedgerChange::Transfer(_)
                | LedgerChange::Bond(_)
                | LedgerChange::Unbond(_),
            )
            | None => 0,
        }
    }

    /// What the owner of an operation has before it is carried out.
    fn owner_funds(&self, operation: &Operation) -> OwnerFunds {
        let (owner, action) = (operation.body.owner, &operation.body.action);
        OwnerFunds {
            account: self.holds(LedgerAccount::Account(owner)),
            stake: self.holds(LedgerAccount::Stake(owner)),
            releases: self.releases.iter().filter(|(_, whose, _)| *whose == owner).count(),
            fee: self.fee(operation),
            rent: self.rent(action),
        }
    }

    /// An eighth more after twice as many operations as the target, an eighth less after none, and between in between.
    /// What is free is no load.
    fn follow_load(&mut self, block: &Block) {
        let operations = block.body.batches.iter().flat_map(|batch| &batch.operations);
        let operations =
            operations.filter(|operation| operation.body.action != Action::Attest(Attest)).count() as u64;
        let by = |distance: u64| (self.rate * distance.min(self.target) / self.target / 8).max(1);
        self.rate = match operations.cmp(&self.target) {
            Ordering::Greater => (self.rate + by(operations - self.target)).min(FEE_RATE_CEILING),
            Ordering::Less => (self.rate - by(self.target - operations)).max(FEE_RATE_FLOOR),
            Ordering::Equal => self.rate,
        };
    }

    /// What is released by time alone, before anything else in the block but rewards.
    fn release(&mut self, time: UnixMillis) -> Result<(), String> {
        let due = self.releases.iter().take_while(|(release, ..)| *release < time).count();
        for (_, owner, amount) in self.releases.drain(..due).collect::<Vec<_>>() {
            self.shift(
                LedgerAccount::Unbonding(owner),
                LedgerAccount::Account(owner),
                amount,
                MovementReason::Release,
                None,
            )?;
        }
        Ok(())
    }

    /// Whether a name lies directly below a zone: those cost rent.
    fn is_top(&self, name: &DomainName) -> bool {
        name.parent().is_some_and(|parent| self.zones.contains(&parent))
    }

    fn holds(&self, place: LedgerAccount) -> u64 {
        self.held.get(&place).copied().unwrap_or_default()
    }

    fn shift(
        &mut self,
        source: LedgerAccount,
        target: LedgerAccount,
        amount: u64,
        reason: MovementReason,
        operation: Option<OperationId>,
    ) -> Result<(), String> {
        let held = self.holds(source);
        let left = held.checked_sub(amount).ok_or(format!("{source:?} spends {amount} of {held}"))?;
        if amount == 0 || source == target {
            return Ok(());
        }
        self.held.insert(source, left);
        let sum = self.holds(target).checked_add(amount).ok_or(format!("{target:?} overflows"))?;
        self.held.insert(target, sum);
        let operation = operation.map(|id| id.0);
        self.moved.push(Movement { source, target, amount: MicroCaesar(amount), reason, operation });
        Ok(())
    }

    fn compare(&self, state: &State) -> Result<(), String> {
        let differs = |(place, expected): (&LedgerAccount, &u64)| {
            let held = state.balance(*place);
            (held.0 != *expected).then(|| format!("{place:?} holds {held} and should hold {expected}"))
        };
        self.held.iter().find_map(differs).map_or(Ok(()), Err)
    }

    /// The history tells what was moved; it is empty only where the block's outcome was not seen.
    fn compare_history(&mut self, told: &BlockMovements) -> Result<(), String> {
        let moved = std::mem::take(&mut self.moved);
        if moved == told.movements {
            return Ok(());
        }
        let first = moved.iter().zip(&told.movements).position(|(one, other)| one != other);
        let place = first.unwrap_or(moved.len().min(told.movements.len()));
        let (expected, found) = (moved.get(place), told.movements.get(place));
        Err(format!("movement {place} of the history is {found:?} and should be {expected:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issue, world_with};
    use crate::world::World;

    fn paid() -> World {
        let transfer = |world: &World, nonce| {
            let (owner, poor) =
                (world.owner(&world.participants().client), world.participants().poor.public());
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
            *check.model.as_mut().unwrap().held.get_mut(&LedgerAccount::Account(receipt.owner)).unwrap() += 1;
        };
        assert_eq!(fires(richer).unwrap_err().check, "ledger");
        let spent = |check: &mut LedgerCheck, receipt: &Receipt| {
            check.model.as_mut().unwrap().held.insert(LedgerAccount::Account(receipt.owner), 0);
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
        let release = UnixMillis(0);
        assert!(model.carry_out(operation, &free, release).unwrap_err().contains("price"));
        assert_eq!(model.carry_out(operation, receipt, release), Ok(()));
        let told = BlockMovements { movements: model.moved.clone(), ..BlockMovements::default() };
        assert_eq!(model.clone().compare_history(&told), Ok(()));
        let silent = BlockMovements::default();
        assert!(model.compare_history(&silent).unwrap_err().contains("movement 0"), "one is left out");
    }
}
