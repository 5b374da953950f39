//! What names cost to keep: rent for a period, paid ahead out of the owner's account.
//!
//! Rent is for names directly below a zone; names below those belong to them, cost none, and last as long at most. A name that is no longer paid
//! for *lapses*: it is not answered, and only its owner can do something with it, which is to renew it. After a grace period
//! it is *freed*: everything at and below it goes, and anybody may register it. Names that genesis gave cost nothing and do
//! not lapse.
//!
//! Whether a name has lapsed or is free follows from the time until which it is paid for and the time of the block that
//! asks ([`term_of`]), not from anything that a block has to do first: a mesh that stood still for a month judges the first
//! operation after it as it would have judged it then. The only thing that is left to do by itself is to clear away what a
//! freed name leaves. That takes a bounded number of rows in one block, and the name can be registered when all is gone.
//!
//! The grace is longer than the longest life of a certificate, by a day: a certificate that was issued at the last moment at
//! which the name was paid for has ended a day before the name is free, so also for verifiers whose clocks are behind by
//! less than that.

use crate::base::{PublicKey, UnixMillis};
use crate::caesar::{
    LedgerAccount, Movement, MovementReason, NAME_MS_AHEAD_MAX, NAME_MS_GRACE, NAME_MS_PERIOD, NAME_RENT,
};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::{NameOwner, Published};
use crate::state::operations::Caller;
use crate::state::{Due, Effect, LEAF_SECONDS_MAX, Refusal, Row, RowSource, State, StateDraft, get};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordSet, TreeKey};
use alloc::vec::Vec;

/// At most this many rows of freed names are cleared away in one block.
pub const FREED_ROW_COUNT_MAX: usize = 4096;
/// The least time between the end of the last certificate of an old owner and the freeing of its name.
const FREED_MS_MARGIN: u64 = 24 * 60 * 60 * 1000;

const _: () = assert!(NAME_MS_GRACE >= LEAF_SECONDS_MAX as u64 * 1000 + FREED_MS_MARGIN);
const _: () = assert!(NAME_MS_PERIOD < NAME_MS_AHEAD_MAX);

/// How the rent of a name stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameTerm {
    /// It is paid for, or costs nothing. Also a name that nobody registered.
    Held,
    /// It is not paid for any more. Its owner, and nobody else, may renew it until `freed`.
    Lapsed {
        /// The first moment later than this frees it.
        freed: UnixMillis,
    },
    /// Its grace is over: it is nobody's, and can be registered once what it left is cleared away.
    Freed {
        /// Since when.
        freed: UnixMillis,
    },
}

impl NameTerm {
    /// Whether the name is paid for, or costs nothing.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Held)
    }

    /// When the name is or was freed, if it is not paid for.
    #[must_use]
    pub const fn freed(self) -> Option<UnixMillis> {
        match self {
            Self::Held => None,
            Self::Lapsed { freed } | Self::Freed { freed } => Some(freed),
        }
    }
}

impl NameOwner {
    /// How the rent of the name with this row stands.
    #[must_use]
    pub const fn term(&self, at: UnixMillis) -> NameTerm {
        let Some(expires) = self.expires else { return NameTerm::Held };
        let freed = expires.plus(NAME_MS_GRACE);
        if at.0 <= expires.0 {
            NameTerm::Held
        } else if at.0 <= freed.0 {
            NameTerm::Lapsed { freed }
        } else {
            NameTerm::Freed { freed }
        }
    }
}

/// How the rent of a name stands at a moment: its own, or that of the name directly below a zone which it lies in.
pub(crate) fn term_of(source: &dyn RowSource, name: &DomainName, at: UnixMillis) -> NameTerm {
    let zones = source.served_zones();
    let mut names = core::iter::successors(Some(name.clone()), DomainName::parent);
    let paid = names.find(|name| name.parent().is_some_and(|parent| zones.contains(&parent)));
    paid.and_then(|paid| get::<NameOwner>(source, &paid)).map_or(NameTerm::Held, |row| row.term(at))
}

impl State {
    /// How the rent of a name stands at a moment: its own, or that of the name directly below a zone which it lies in.
    #[must_use]
    pub fn term(&self, name: &DomainName, at: UnixMillis) -> NameTerm {
        term_of(self, name, at)
    }

    /// Refuses if the name is not paid for at this moment.
    pub(in crate::state) fn require_paid(&self, name: &DomainName, at: UnixMillis) -> Result<(), Refusal> {
        match self.term(name, at).freed() {
            Some(freed) => Err(Refusal::Lapsed { name: name.clone(), freed }),
            None => Ok(()),
        }
    }
}

impl StateDraft {
    /// Takes the rent for a period of a name out of its payer's account.
    pub(in crate::state) fn pay_rent(&mut self, caller: &Caller<'_>) -> Result<(), Refusal> {
        let owner = caller.owner;
        let movement = Movement {
            source: LedgerAccount::Account(owner),
            target: LedgerAccount::Reserve,
            amount: NAME_RENT,
            reason: MovementReason::Rent,
            operation: Some(caller.operation.0),
        };
        crate::state::block::execute_operation::pay(self, movement, owner)
    }

    /// Gives a name directly below a zone to an owner for a period, if the rent is paid.
    pub(in crate::state) fn let_name(
        &mut self,
        caller: &Caller<'_>,
        (name, owner): (&DomainName, PublicKey),
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        self.pay_rent(caller)?;
        let expires = Some(self.until_freed(name, position.time.plus(NAME_MS_PERIOD)));
        let (since, registration) = (position.height, caller.operation);
        self.put(name, &NameOwner { owner, since, expires, registration, grant: None });
        Ok(Effect::NameRegistered { expires })
    }

    /// Notes when a name that is paid for until `expires` lapses, and when it is to be cleared away.
    pub(in crate::state) fn until_freed(&mut self, name: &DomainName, expires: UnixMillis) -> UnixMillis {
        self.schedule(expires, Due::NameLapsed(name.clone()));
        self.schedule(expires.plus(NAME_MS_GRACE), Due::NameFreed(name.clone()));
        expires
    }

    /// Clears away what is at and below a name whose grace is over, as much as `room` has rows; removes the name itself when
    /// all is gone, and notes to go on otherwise.
    pub(in crate::state) fn free_name(
        &mut self,
        name: &DomainName,
        position: BlockPosition,
        room: &mut usize,
    ) {
        let row = self.state().get::<NameOwner>(name);
        // What was put off to a later block may have been registered anew since.
        if !row.is_some_and(|row| matches!(row.term(position.time), NameTerm::Freed { .. })) {
            return;
        }
        let prefix = TreeKey::from(name).as_bytes().to_vec();
        let own = [&[NameOwner::TAG], prefix.as_slice()].concat();
        for tag in [RecordSet::TAG, Published::TAG, NameOwner::TAG] {
            let start = [&[tag], prefix.as_slice()].concat();
            let keys = self.state().keys(&start);
            // The name itself goes last: till then nobody can register it.
            let keys: Vec<Vec<u8>> = keys.filter(|key| *key != own).take(*room).collect();
            *room -= keys.len();
            for key in &keys {
                match tag == RecordSet::TAG {
                    true => self.remove_record_set_key(key),
                    false => self.remove_key(key),
                }
            }
        }
        if *room == 0 {
            return self.schedule(position.time, Due::NameFreed(name.clone()));
        }
        *room -= 1;
        self.remove::<NameOwner>(name);
    }
}
