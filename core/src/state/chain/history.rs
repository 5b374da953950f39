//! Where the state keeps how far each history goes, and what genesis moved.

use crate::base::{Height, MicroCaesar};
use crate::caesar::{
    BlockMovements, HistoryHead, Holder, JournalHead, LedgerAccount, Movement, MovementReason,
};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{Account, Reserve};
use crate::state::{Genesis, State, StateDraft};
use alloc::collections::BTreeMap;

impl State {
    /// How far a holder's history goes.
    #[must_use]
    pub fn history(&self, holder: Holder) -> HistoryHead {
        match holder {
            Holder::Owner(owner) => self.get::<Account>(&owner).unwrap_or_default().history,
            Holder::Reserve => self.get::<Reserve>(&()).unwrap_or_default().history,
        }
    }

    /// How far the journal of all movements goes.
    #[must_use]
    pub fn journal(&self) -> JournalHead {
        self.get::<JournalHead>(&()).unwrap_or_default()
    }
}

impl Genesis {
    /// What genesis gave to whom: the movements of height 0.
    #[must_use]
    pub fn movements(&self) -> BlockMovements {
        let give = |target, amount| Movement {
            source: LedgerAccount::Genesis,
            target,
            amount,
            reason: MovementReason::Genesis,
            operation: None,
        };
        let reserve = core::iter::once(give(LedgerAccount::Reserve, self.reserve));
        let stakes = self.all_members().map(|member| give(LedgerAccount::Stake(member.key), member.stake));
        let accounts =
            self.accounts.iter().map(|account| give(LedgerAccount::Account(account.owner), account.balance));
        let all = reserve.chain(stakes).chain(accounts);
        let movements = all.filter(|movement| movement.amount != MicroCaesar::ZERO).collect();
        BlockMovements { time: self.time, movements, ..BlockMovements::default() }
    }
}

impl StateDraft {
    /// Ends the histories of a block: what moved, and how far each history went before. The heads go into the state.
    pub(in crate::state) fn settle_history(&mut self, position: BlockPosition) -> BlockMovements {
        let movements = core::mem::take(&mut self.movements);
        let mut before = BTreeMap::new();
        for holder in movements.iter().flat_map(Movement::holders) {
            before.entry(holder).or_insert_with(|| self.state().history(holder));
        }
        let journal = self.state().journal();
        let block = BlockMovements { time: position.time, movements, before, journal };
        self.keep_heads(&block, position.height);
        block
    }

    /// Puts the heads as they are after a block into the state.
    pub(in crate::state) fn keep_heads(&mut self, block: &BlockMovements, height: Height) {
        for (holder, history) in block.after(height) {
            match holder {
                Holder::Owner(owner) => {
                    let account = self.state().get::<Account>(&owner).unwrap_or_default();
                    self.put(&owner, &Account { history, ..account });
                }
                Holder::Reserve => {
                    let reserve = self.state().get::<Reserve>(&()).unwrap_or_default();
                    self.put(&(), &Reserve { history, ..reserve });
                }
            }
        }
        if !block.movements.is_empty() {
            self.put(&(), &block.journal.after(height, &block.movements));
        }
    }
}
