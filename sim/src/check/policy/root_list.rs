//! The root key's revocation list: the first comes with the keys, the next half a year after the one before, as long as the
//! root certificate holds.

use super::certificates::DAY_MS;
use hypermesh_core::base::UnixMillis;
use hypermesh_core::state::{RootRevocationList, State};

/// A list holds for a year, and there is a new one at half of that.
const PERIOD_MS: u64 = 365 * DAY_MS / 2;

/// The newest list of the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RootList {
    number: u64,
    fixed: UnixMillis,
}

impl RootList {
    /// The first, of the block that brings the keys.
    pub(super) const fn first(time: UnixMillis) -> Self {
        Self { number: 1, fixed: time }
    }

    /// The one of a state.
    pub(super) fn of(state: &State) -> Option<Self> {
        let (key, RootRevocationList { time }) = state.rows::<RootRevocationList>(Vec::new()).last()?;
        Some(Self { number: u64::from_be_bytes(key.try_into().ok()?), fixed: time })
    }

    /// The next one, if it is due at this time and the root certificate has not ended.
    pub(super) fn renewed(self, time: UnixMillis, root_not_after: UnixMillis) -> Option<Self> {
        let is_due = self.fixed.plus(PERIOD_MS) < time;
        let root_holds = time.seconds() <= root_not_after.seconds();
        (is_due && root_holds).then_some(Self { number: self.number + 1, fixed: time })
    }
}
