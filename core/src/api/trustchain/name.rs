//! Whose a name is, and until when.

use crate::api::{ApiFault, ReadMethod, View};
use crate::base::{Height, MicroCaesar, PublicKey, UnixMillis};
use crate::caesar::NAME_RENT;
use crate::state::{NameOwner, RegisteredName, holding_of};
use crate::trustchain::DomainName;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks whose a name is, and until when.
    NameRequest {
        /// The name.
        name: DomainName,
    }
}

message! {
    /// Whose a name is, and until when.
    NameState {
        /// The name that was registered: the one asked for, or one that it lies below.
        name: DomainName,
        /// Whose it is.
        owner: PublicKey,
        /// Since when; height 0 is genesis.
        since: Height,
        /// Until when it is paid for; none for what genesis gave away, and for names below others.
        expires: Option<UnixMillis>,
        /// If it is not paid for any more: when it is free for anybody.
        freed: Option<UnixMillis>,
        /// Until when it is granted, if it lies below another name and the grant ends.
        until: Option<UnixMillis>,
        /// Whether names may be registered below it.
        may_grant: bool,
        /// Who can take it back first: the owner of the name that it was granted under. None if nobody can.
        granter: Option<PublicKey>,
        /// What another period costs.
        rent: MicroCaesar,
        /// The block that this is of.
        height: Height,
    }
}

impl ReadMethod for NameRequest {
    fn answer(&self, view: &View, _wall: UnixMillis) -> Result<NameState, ApiFault> {
        let state = &view.state;
        let registered = holding_of(state, &self.name, state.time());
        let absent = || ApiFault::not_found(alloc::format!("{} is not registered", self.name));
        let holding = registered.ok_or_else(absent)?;
        let (until, may_grant, granter) = (holding.until(), holding.may_grant(), holding.granter());
        let RegisteredName { name, row: NameOwner { owner, since, expires, .. } } = holding.registered;
        let freed = state.term(&name, state.time()).freed();
        let (rent, height) = (NAME_RENT, state.height());
        Ok(NameState { name, owner, since, expires, freed, until, may_grant, granter, rent, height })
    }
}
