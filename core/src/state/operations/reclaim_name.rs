//! Taking a granted name back, and revoking what was certified below it. See [`crate::state::grant`].

use super::{Caller, Rules};
use crate::base::{MicroCaesar, PublicKey};
use crate::caesar::RECLAIM_FEE;
use crate::planted::{self, Bug};
use crate::state::block::execute::BlockPosition;
use crate::state::chain::row::NameOwner;
use crate::state::names::grant::CertifiedNameRow;
use crate::state::names::ownership::outside;
use crate::state::{CertifiedName, Effect, REVOKED_TOGETHER_MAX, Refusal, StateDraft};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{RevocationReason, SerialNumber};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// The most names of certificates that one operation looks at below a name that is taken back: whose a name is takes a row for
/// each of its labels, of which there are up to 127.
pub const RECLAIM_LOOKED_AT_MAX: usize = 64;
/// The most rows of names that one operation looks at below a name that is taken back, to clear away what is over. What is left
/// holds nothing, and blocks that follow clear it away.
pub const ENDED_NAME_COUNT_MAX: usize = 64;

/// Which name is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct ReclaimName {
    /// A name that was granted below one of the operation's owner, or one that was taken back and below which certificates
    /// stand still.
    pub name: DomainName,
    /// Where to go on with its certificates: what the receipt of the operation before says. None at first.
    #[serde(default)]
    pub start: Option<CertifiedName>,
}

impl Rules for ReclaimName {
    const PRICE: Option<MicroCaesar> = Some(RECLAIM_FEE);

    fn execute(
        &self,
        draft: &mut StateDraft,
        caller: &Caller<'_>,
        position: BlockPosition,
    ) -> Result<Effect, Refusal> {
        let (name, owner, at) = (&self.name, caller.owner, position.time);
        let state = draft.state();
        if state.zone_of(name).is_none() {
            return Err(outside(state, name));
        }
        state.require_paid(name, at)?;
        let holding = state.holding(name, at).ok_or_else(|| Refusal::NotRegistered { name: name.clone() })?;
        let granted = holding.registered.name == *name;
        if granted && holding.registered.row.grant.is_none() {
            return Err(Refusal::NotGranted { name: name.clone() });
        }
        // Taken back before, it belongs to the owner of the closest name above.
        let may = holding.is_granter(owner) || (!granted && holding.owner() == owner);
        if !may && !planted::is(Bug::ReclaimByAnybody) {
            let above = if granted { holding.granters.first() } else { Some(&holding.registered) };
            let owner = above.map_or(holding.owner(), |above| above.row.owner);
            return Err(Refusal::NotGranter { name: name.clone(), owner });
        }
        if granted {
            draft.forget_end(name, &holding.registered.row);
            draft.remove::<NameOwner>(name);
            // Only what ends here leaves rows that hold nothing: whoever takes back the same name again begins no new search.
            draft.clear_ended(name, None, at, &mut { ENDED_NAME_COUNT_MAX });
        }
        let (revoked, rest) = draft.withdraw_certificates(self, position);
        Ok(Effect::NameReclaimed { previous: granted.then(|| holding.owner()), revoked, rest })
    }
}

impl StateDraft {
    /// Revokes certificates that bear names at or below a name which are not their owners' any more, and says where to go on
    /// if one operation does not do for all.
    fn withdraw_certificates(
        &mut self,
        reclaim: &ReclaimName,
        position: BlockPosition,
    ) -> (Vec<SerialNumber>, Option<CertifiedName>) {
        let at = position.time;
        let rows = self.state().certified(&reclaim.name, reclaim.start.as_ref());
        let found: Vec<(CertifiedName, CertifiedNameRow)> = rows.take(RECLAIM_LOOKED_AT_MAX + 1).collect();
        let mut revoked = Vec::new();
        // The rows of a name stand together.
        let mut last_owner: Option<(DomainName, Option<PublicKey>)> = None;
        for (looked_at, (certified, row)) in found.into_iter().enumerate() {
            let serial = certified.serial;
            let holds = !revoked.contains(&serial) && at <= row.not_after;
            let mut owner = || match &last_owner {
                Some((name, owner)) if *name == certified.name => *owner,
                _ => {
                    let owner = self.state().owner_of(&certified.name, at);
                    last_owner = Some((certified.name.clone(), owner));
                    owner
                }
            };
            let withdrawn = holds && owner() != Some(row.owner);
            let full =
                looked_at == RECLAIM_LOOKED_AT_MAX || (withdrawn && revoked.len() == REVOKED_TOGETHER_MAX);
            // Also where the list is full.
            if full
                || (withdrawn && self.end(serial, RevocationReason::PrivilegeWithdrawn, position).is_err())
            {
                return (revoked, Some(certified));
            }
            if withdrawn {
                revoked.push(serial);
            }
        }
        (revoked, None)
    }
}
