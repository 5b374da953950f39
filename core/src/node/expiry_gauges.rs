//! Gauges of what runs out: certificates of the authority, reveals, key shares and their repairs, the revocation list, the
//! account and the stake that this node pays from. Each can be seen coming; docs/operations.md has an alarm for each.

use super::consensus::Ordering;
use super::{Node, context::Context};
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

impl Ordering {
    /// Counts the reveals that are left, if this node has made one since.
    pub(super) fn count_reveals(&mut self, cx: &mut Context) {
        let Some(row) = cx.state.get::<Validator>(&cx.identity.public()) else { return };
        if self.reveals_left.of != Some(row.reveal) {
            let count = self.reveals.left(&row.reveal);
            self.reveals_left = RevealsLeft { of: Some(row.reveal), count };
        }
    }

    fn keys_left(&self, cx: &Context) -> Counters {
        let mut gauges = Counters::new();
        let held = u64::from(cx.holds_shares_durably());
        for purpose in KeyPurpose::ALL {
            gauges.insert(format!("key_shares_held{{key=\"{purpose}\"}}"), held);
        }
        gauges.insert("reveals_left".into(), self.reveals_left.count.into());
        gauges
    }

    fn funds_left(cx: &Context) -> Counters {
        let me = cx.identity.public();
        let held = |place| {
            let MicroCaesar(amount) = cx.state.balance(place);
            amount
        };
        Counters::from([
            ("node_balance_microcaesar".into(), held(LedgerAccount::Account(me))),
            ("node_stake_microcaesar".into(), held(LedgerAccount::Stake(me))),
            ("stake_minimum_microcaesar".into(), STAKE_MINIMUM.0),
        ])
    }
}

impl Node {
    /// The gauges of what runs out, by service.
    pub(super) fn expiry_gauges(&self) -> BTreeMap<&'static str, Counters> {
        BTreeMap::from([
            ("hypermesh", self.ordering.keys_left(&self.cx)),
            ("trustchain", self.authority_left()),
            ("caesar", Ordering::funds_left(&self.cx)),
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
        if let Some(list) = self.signing.signed_list(&self.cx) {
            gauges.insert("revocation_list_this_update_milliseconds".into(), list.this_update.0);
            gauges.insert("revocation_list_next_update_milliseconds".into(), list.next_update.0);
        }
        gauges
    }
}
