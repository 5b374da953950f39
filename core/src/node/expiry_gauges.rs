//! Gauges of what runs out: certificates of the authority, reveals, key shares and their repairs, the revocation list, the
//! account and the stake that this node pays from. Each can be seen coming; docs/operations.md has an alarm for each.

use super::Node;
use crate::api::Counters;
use crate::base::{Digest, MicroCaesar};
use crate::caesar::{LedgerAccount, STAKE_MINIMUM};
use crate::hypermesh::committee::KeyPurpose;
use crate::state::Validator;
use crate::trustchain::ca::REVOKED_COUNT_MAX;
use alloc::collections::BTreeMap;
use alloc::format;

/// How many reveals this node has left, as of its last one.
#[derive(Default)]
pub(super) struct RevealsLeft {
    of: Option<Digest>,
    count: u32,
}

impl Node {
    /// Counts the reveals that are left, if this node has made one since.
    pub(super) fn count_reveals(&mut self) {
        let Some(row) = self.state.get::<Validator>(&self.identity.public()) else { return };
        if self.reveals_left.of != Some(row.reveal) {
            let count = self.reveals.left(&row.reveal);
            self.reveals_left = RevealsLeft { of: Some(row.reveal), count };
        }
    }

    /// The gauges of what runs out, by service.
    pub(super) fn expiry_gauges(&self) -> BTreeMap<&'static str, Counters> {
        BTreeMap::from([
            ("hypermesh", self.keys_left()),
            ("trustchain", self.authority_left()),
            ("caesar", self.funds_left()),
        ])
    }

    fn keys_left(&self) -> Counters {
        let mut gauges = Counters::new();
        let held = u64::from(self.holds_shares_durably());
        for purpose in KeyPurpose::ALL {
            gauges.insert(format!("key_shares_held{{key=\"{purpose}\"}}"), held);
        }
        gauges.insert("reveals_left".into(), self.reveals_left.count.into());
        gauges
    }

    fn authority_left(&self) -> Counters {
        let mut gauges = Counters::new();
        let ends = [
            ("root_not_after_milliseconds", self.root_not_after()),
            ("issuing_not_after_milliseconds", self.issuing_not_after()),
        ];
        for (name, end) in ends {
            gauges.extend(end.map(|end| (name.into(), end.0)));
        }
        if let Some(entries) = self.state.revocation_list_entries() {
            gauges.insert("revocation_list_entries".into(), entries.into());
            gauges.insert("revocation_list_entries_max".into(), REVOKED_COUNT_MAX as u64);
        }
        if let Some(list) = self.signed_list() {
            gauges.insert("revocation_list_this_update_milliseconds".into(), list.this_update.0);
            gauges.insert("revocation_list_next_update_milliseconds".into(), list.next_update.0);
        }
        gauges
    }

    fn funds_left(&self) -> Counters {
        let me = self.identity.public();
        let held = |place| {
            let MicroCaesar(amount) = self.state.balance(place);
            amount
        };
        Counters::from([
            ("node_balance_microcaesar".into(), held(LedgerAccount::Account(me))),
            ("node_stake_microcaesar".into(), held(LedgerAccount::Stake(me))),
            ("stake_minimum_microcaesar".into(), STAKE_MINIMUM.0),
        ])
    }
}
