//! Renewing a name: its rent for another period.

use super::{Caller, Rules};
use crate::base::MicroCaesar;
use crate::caesar::{NAME_MS_AHEAD_MAX, NAME_MS_GRACE, NAME_MS_PERIOD, NAME_RENT, RENEW_FEE};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::NameOwner;
use crate::state::{Due, Effect, NameTerm, Refusal, StateDraft};
use crate::trustchain::DomainName;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Which name is to be kept for another period.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RenewName {
    /// A name directly below the zone, of the operation's owner.
    pub name: DomainName,
}

impl Rules for RenewName {
    const PRICE: Option<MicroCaesar> = Some(RENEW_FEE);
    const RENT_MAX: MicroCaesar = NAME_RENT;

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let name = &self.name;
        let row = draft.state().get::<NameOwner>(name);
        let row = row.ok_or_else(|| Refusal::NotRegistered { name: name.clone() })?;
        if row.owner != caller.owner {
            return Err(Refusal::NotOwner { name: name.clone(), owner: row.owner });
        }
        let Some(paid_until) = row.expires else { return Err(Refusal::NoRent { name: name.clone() }) };
        if let NameTerm::Freed { freed } = row.term(position.time) {
            return Err(Refusal::Lapsed { name: name.clone(), freed });
        }
        let expires = paid_until.plus(NAME_MS_PERIOD);
        if expires.since(position.time) > NAME_MS_AHEAD_MAX {
            return Err(Refusal::PaidAhead { name: name.clone(), expires: paid_until });
        }
        draft.pay_rent(caller)?;
        draft.remove::<Due>(&(paid_until, Due::NameLapsed(name.clone())));
        draft.remove::<Due>(&(paid_until.plus(NAME_MS_GRACE), Due::NameFreed(name.clone())));
        if !row.term(position.time).is_held() {
            draft.note_term_change(name);
        }
        let expires = draft.until_freed(name, expires);
        draft.put(name, &NameOwner { expires: Some(expires), ..row });
        Ok(Effect::NameRenewed { expires })
    }
}
