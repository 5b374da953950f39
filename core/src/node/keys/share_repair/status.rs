//! How the repair of this node's key shares stands, for its operator: what it waits for, when it goes on, and how many
//! requests are left.

use crate::api::Counters;
use crate::base::{PublicKey, UnixMillis};
use crate::node::context::Context;
use crate::node::keys::share_repair::ShareRepairPart;
use crate::state::{REPAIR_BUDGET_MAX, Validator};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How the repair of this node's key shares stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShareRepairStatus {
    /// The node holds its shares, or there are no keys yet.
    NotNeeded,
    /// A request stands on the chain, and these have not done their part in it.
    UnderWay {
        /// Whose part has not come.
        waiting_for: Vec<PublicKey>,
    },
    /// A request is on its way to the chain.
    Asking {
        /// Who is asked.
        helpers: Vec<PublicKey>,
    },
    /// Too few of those who could help are linked.
    WaitsForLinks {
        /// Who is not linked.
        missing: Vec<PublicKey>,
    },
    /// Another validator's repair is under way.
    WaitsForTurn {
        /// Whose.
        validator: PublicKey,
    },
    /// The chain takes no request of this validator yet: the pause after the last one is not over, or none is left.
    WaitsUntil {
        /// From this block time on it does.
        time: UnixMillis,
    },
}

impl ShareRepairPart {
    /// How the repair of this node's key shares stands.
    pub(in crate::node) fn share_repair_status(&self, cx: &Context) -> ShareRepairStatus {
        let Some(committee) = cx.committee.as_ref().filter(|_| !cx.holds_shares) else {
            return ShareRepairStatus::NotNeeded;
        };
        let repairs = cx.state.share_repairs();
        match repairs.open.as_ref().filter(|open| open.validator == cx.identity.public()) {
            Some(open) => {
                let asker = self.asker.as_ref();
                let waiting_for = asker.map(|asker| asker.missing(open)).unwrap_or_default();
                ShareRepairStatus::UnderWay { waiting_for }
            }
            None => self.next_repair_step(cx, committee, &repairs),
        }
    }

    /// How many requests for repair of its key shares this node can make at once, out of [`REPAIR_BUDGET_MAX`].
    fn share_repairs_left(cx: &Context) -> u32 {
        cx.state.share_repairs().budget(&cx.identity.public()).left_at(cx.state.time())
    }

    /// The same in words, for the status of a node without its shares.
    pub(in crate::node) fn share_repair_in_words(&self, cx: &Context) -> String {
        let name =
            |key: &PublicKey| cx.state.get::<Validator>(key).map_or_else(|| key.to_string(), |row| row.name);
        let names = |keys: &[PublicKey]| keys.iter().map(name).collect::<Vec<_>>().join(", ");
        let step = match self.share_repair_status(cx) {
            ShareRepairStatus::NotNeeded => return String::new(),
            ShareRepairStatus::UnderWay { waiting_for } => {
                format!("their repair is under way and waits for {}", names(&waiting_for))
            }
            ShareRepairStatus::Asking { helpers } => format!("asks {} to repair them", names(&helpers)),
            ShareRepairStatus::WaitsForLinks { missing } => {
                format!("their repair waits for links to {}", names(&missing))
            }
            ShareRepairStatus::WaitsForTurn { validator } => {
                format!("their repair waits for the end of {}'s", name(&validator))
            }
            ShareRepairStatus::WaitsUntil { time } => {
                format!("their repair can be asked for again at {time}")
            }
        };
        format!("{step} ({} of {REPAIR_BUDGET_MAX} requests left)", Self::share_repairs_left(cx))
    }

    /// The gauges of this node's share repair.
    pub(in crate::node) fn share_repair_gauges(&self, cx: &Context, gauges: &mut Counters) {
        let wait_ms = match self.share_repair_status(cx) {
            ShareRepairStatus::WaitsUntil { time } => time.since(cx.state.time()),
            _ => 0,
        };
        let wanted = self.share_repair_status(cx) != ShareRepairStatus::NotNeeded;
        gauges.insert("share_repair_wanted".into(), u64::from(wanted));
        gauges.insert("share_repairs_left".into(), Self::share_repairs_left(cx).into());
        gauges.insert("share_repair_wait_milliseconds".into(), wait_ms);
    }
}
