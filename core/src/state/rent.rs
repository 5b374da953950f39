//! What names cost to keep: rent for a period, paid ahead out of the owner's account.
//!
//! Rent is for names directly below a zone; names below those belong to them and last as long. A name that is not paid for
//! any more *lapses*: it is not answered, and nothing can be done with it but to renew it, by its owner alone. After a
//! grace it is *freed*: everything at and below it goes, and anybody may register it. The grace is as long as the longest
//! life of a certificate, so no certificate of the old owner's is left when a new one comes. Names that genesis gave away
//! cost nothing and do not lapse.
//!
//! All of this goes by block time. What a freed name leaves is cleared away a bounded number of rows a block, and the name
//! is free when all of it is gone.

use super::execute::Moment;
use super::row::{Lapsed, NameOwner, Published};
use super::{
    CheckedOperation, Draft, Due, Effect, LEAF_SECONDS_MAX, Refusal, RenewName, Row, RowSource, State, get,
};
use crate::base::{PublicKey, UnixMillis};
use crate::caesar::{Movement, NAME_MS_AHEAD_MAX, NAME_MS_GRACE, NAME_MS_PERIOD, NAME_RENT, Place, Reason};
use crate::trustchain::DomainName;
use crate::trustchain::dns::{RecordSet, TreeKey};
use alloc::vec::Vec;

/// At most this many rows of freed names are cleared away in one block.
pub const FREED_ROW_COUNT_MAX: usize = 4096;

const _: () = assert!(NAME_MS_GRACE >= LEAF_SECONDS_MAX as u64 * 1000);
const _: () = assert!(NAME_MS_PERIOD < NAME_MS_AHEAD_MAX);

/// Since when a name is not paid for any more. Only names directly below a zone lapse, and those below them with them.
pub(crate) fn lapsed_of(source: &dyn RowSource, name: &DomainName) -> Option<Lapsed> {
    let zones = source.served_zones();
    let mut names = core::iter::successors(Some(name.clone()), DomainName::parent);
    let paid = names.find(|name| name.parent().is_some_and(|parent| zones.contains(&parent)))?;
    get::<Lapsed>(source, &paid)
}

impl State {
    /// Since when a name is not paid for any more, if it lapsed: itself, or the one below the zone that it lies in.
    #[must_use]
    pub fn lapsed(&self, name: &DomainName) -> Option<Lapsed> {
        lapsed_of(self, name)
    }

    /// Refuses if the name has lapsed.
    pub(super) fn require_paid(&self, name: &DomainName) -> Result<(), Refusal> {
        match self.lapsed(name) {
            Some(Lapsed { freed }) => Err(Refusal::Lapsed { name: name.clone(), freed }),
            None => Ok(()),
        }
    }
}

impl Draft {
    /// Takes the rent for a period of a name out of its payer's account.
    pub(super) fn pay_rent(&mut self, operation: &CheckedOperation) -> Result<(), Refusal> {
        let owner = operation.operation.body.owner;
        let movement = Movement {
            source: Place::Account(owner),
            target: Place::Reserve,
            amount: NAME_RENT,
            reason: Reason::Rent,
            operation: Some(operation.id.0),
        };
        super::perform::pay(self, movement, owner)
    }

    /// Gives a name to an owner for a period, if the rent is paid.
    pub(super) fn let_name(
        &mut self,
        operation: &CheckedOperation,
        (name, owner): (&DomainName, PublicKey),
        moment: Moment,
    ) -> Result<Effect, Refusal> {
        let top = name.parent().as_ref() == self.state().zone_of(name);
        let expires = match top {
            true => {
                self.pay_rent(operation)?;
                Some(self.until_expiry(name, moment.time.plus(NAME_MS_PERIOD)))
            }
            false => None,
        };
        self.put(name, &NameOwner { owner, since: moment.height, expires });
        Ok(Effect::NameRegistered { expires })
    }

    /// Pays for another period of a name.
    pub(super) fn renew_name(
        &mut self,
        operation: &CheckedOperation,
        renew: &RenewName,
        moment: Moment,
    ) -> Result<Effect, Refusal> {
        let (name, owner) = (&renew.name, operation.operation.body.owner);
        let row = self.state().get::<NameOwner>(name);
        let row = row.ok_or_else(|| Refusal::NotRegistered { name: name.clone() })?;
        if row.owner != owner {
            return Err(Refusal::NotOwner { name: name.clone(), owner: row.owner });
        }
        let Some(paid_until) = row.expires else { return Err(Refusal::NoRent { name: name.clone() }) };
        let expires = paid_until.plus(NAME_MS_PERIOD);
        if expires.since(moment.time) > NAME_MS_AHEAD_MAX {
            return Err(Refusal::PaidAhead { name: name.clone(), expires: paid_until });
        }
        self.pay_rent(operation)?;
        self.remove::<Lapsed>(name);
        let expires = self.until_expiry(name, expires);
        self.put(name, &NameOwner { expires: Some(expires), ..row });
        Ok(Effect::NameRenewed { expires })
    }

    /// Notes when a name lapses.
    fn until_expiry(&mut self, name: &DomainName, expires: UnixMillis) -> UnixMillis {
        self.schedule(expires, Due::NameLapses(name.clone()));
        expires
    }

    /// A name that was paid for until `at`, and was not renewed, lapses.
    pub(super) fn lapse(&mut self, name: &DomainName, at: UnixMillis) {
        let row = self.state().get::<NameOwner>(name);
        if row.is_some_and(|row| row.expires == Some(at)) {
            let freed = at.plus(NAME_MS_GRACE);
            self.put(name, &Lapsed { freed });
            self.schedule(freed, Due::NameFreed(name.clone()));
        }
    }

    /// Clears away what is at and below a name whose grace is over, as much as `room` has rows; frees it when all is
    /// gone, and notes to go on otherwise.
    pub(super) fn free_name(&mut self, name: &DomainName, moment: Moment, room: &mut usize) {
        // It may have been renewed in its grace, and may have lapsed again since.
        let over = |lapsed: Lapsed| lapsed.freed < moment.time;
        if !self.state().get::<Lapsed>(name).is_some_and(over) {
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
            return self.schedule(moment.time, Due::NameFreed(name.clone()));
        }
        *room -= 1;
        self.remove::<NameOwner>(name);
        self.remove::<Lapsed>(name);
    }
}
