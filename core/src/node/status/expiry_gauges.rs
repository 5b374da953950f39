//! Gauges of what runs out: certificates of the authority, reveals, key shares and their repairs, the revocation list, the
//! account and the stake that this node pays from. Each can be seen coming; docs/operations.md has an alarm for each.

use crate::api::Counters;
use crate::base::MicroCaesar;
use crate::caesar::{LedgerAccount, STAKE_MINIMUM};
use crate::hypermesh::committee::KeyPurpose;
use crate::node::Node;
use crate::trustchain::ca::REVOKED_COUNT_MAX;
use alloc::collections::BTreeMap;
use alloc::format;

impl Node {
    /// The gauges of what runs out, by service.
    pub(in crate::node) fn expiry_gauges(&self) -> BTreeMap<&'static str, Counters> {
        BTreeMap::from([
            ("hypermesh", self.keys_left()),
            ("trustchain", self.authority_left()),
            ("caesar", self.funds_left()),
        ])
    }

    fn authority_left(&self) -> Counters {
        let mut gauges = Counters::new();
        let ends = [
            ("root_not_after_milliseconds", self.signing.root_not_after(&self.cx)),
            ("issuing_not_after_milliseconds", self.signing.issuing_not_after(&self.cx)),
        ];
        for (name, end) in ends {
            gauges.extend(end.map(|end| (name.into(), end.0)));
        }
        if let Some(entries) = self.cx.state.revocation_list_entries() {
            gauges.insert("revocation_list_entries".into(), entries.into());
            gauges.insert("revocation_list_entries_max".into(), REVOKED_COUNT_MAX as u64);
        }
        if let Some(list) = self.signing.signed_list() {
            gauges.insert("revocation_list_this_update_milliseconds".into(), list.this_update.0);
            gauges.insert("revocation_list_next_update_milliseconds".into(), list.next_update.0);
        }
        gauges
    }

    fn keys_left(&self) -> Counters {
        let mut gauges = Counters::new();
        let held = u64::from(self.cx.holds_shares_durably());
        for purpose in KeyPurpose::ALL {
            gauges.insert(format!("key_shares_held{{key=\"{purpose}\"}}"), held);
        }
        gauges.insert("reveals_left".into(), self.ordering.reveals_left().into());
        gauges
    }

    fn funds_left(&self) -> Counters {
        let me = self.cx.identity.public();
        let held = |place| {
            let MicroCaesar(amount) = self.cx.state.balance(place);
            amount
        };
        Counters::from([
            ("node_balance_microcaesar".into(), held(LedgerAccount::Account(me))),
            ("node_stake_microcaesar".into(), held(LedgerAccount::Stake(me))),
            ("stake_minimum_microcaesar".into(), STAKE_MINIMUM.0),
        ])
    }
}
