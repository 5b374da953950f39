//! Whether this machine's clock is right: by the clocks of the validators, of which more agree than may lie.
//!
//! A client whose clock is wrong signs operations that no block takes, and judges certificates by the wrong time. What the mesh
//! says of such an operation is a symptom, and the clock is the cause.

use super::MeshClient;
use crate::moment;
use hypermesh_core::api::{NodeStatus, StatusRequest};
use hypermesh_core::base::UnixMillis;
use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

/// A clock that is wrong by no more troubles nobody: certificates begin a minute before they are issued.
const MS_TOLERATED: u64 = 60 * 1000;
/// How long the validators have to say what time it is.
const ASKED_WITHIN: Duration = Duration::from_secs(1);

/// How wrong this machine's clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// It shows an earlier time than the mesh's clocks, by so many milliseconds.
    Behind(u64),
    /// It shows a later time.
    Ahead(u64),
}

impl MeshClient {
    /// How wrong this machine's clock is, if it is by more than a minute and a quorum of validators says so.
    pub async fn clock_error(&self) -> Option<ClockError> {
        let validators = self.genesis().validator_set();
        let (quorum, all) = (validators.quorum(), self.genesis().validators.len());
        let statuses = self.call_validators(&StatusRequest {}, quorum, ASKED_WITHIN).await;
        clock_error(statuses.iter().map(clock_of).collect(), all - quorum, moment::now())
    }

    /// As [`Self::clock_error`], if a block that was proved to this client gives reason to ask.
    pub(super) async fn suspected_clock_error(&self) -> Option<ClockError> {
        let (_, proved) = (*self.block_time.lock().unwrap_or_else(PoisonError::into_inner))?;
        let apart = moment::now().0.abs_diff(proved.0);
        if apart > MS_TOLERATED { self.clock_error().await } else { None }
    }
}

/// What a node's clock showed when it answered: its last block's time, and how far its clock is from that.
const fn clock_of(status: &NodeStatus) -> UnixMillis {
    UnixMillis(status.time.0.saturating_add(status.age_ms).saturating_sub(status.ahead_ms))
}

/// How far a clock is from what the others show, so many of which may lie.
fn clock_error(mut others: Vec<UnixMillis>, liars_max: usize, clock: UnixMillis) -> Option<ClockError> {
    // With as many on either side, what lies between is said by one at least that does not lie.
    if others.len() <= 2 * liars_max {
        return None;
    }
    others.sort_unstable();
    let (low, high) = (others.get(liars_max)?, others.get(others.len() - 1 - liars_max)?);
    let (behind, ahead) = (low.since(clock), clock.since(*high));
    match () {
        () if behind > MS_TOLERATED => Some(ClockError::Behind(behind)),
        () if ahead > MS_TOLERATED => Some(ClockError::Ahead(ahead)),
        () => None,
    }
}

impl fmt::Display for ClockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, way) = match self {
            Self::Behind(ms) => (ms, "behind"),
            Self::Ahead(ms) => (ms, "ahead of"),
        };
        let minutes = (ms + 30_000) / 60_000;
        let (number, unit) = match minutes {
            0..120 => (minutes, "minute"),
            120..2880 => ((minutes + 30) / 60, "hour"),
            _ => ((minutes + 720) / 1440, "day"),
        };
        let plural = if number == 1 { "" } else { "s" };
        write!(formatter, "this machine's clock is {number} {unit}{plural} {way} the mesh")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn judged(minutes: &[i64]) -> Option<ClockError> {
        let shown = |minutes: &i64| UnixMillis(NOW.0.saturating_add_signed(minutes * 60_000));
        clock_error(minutes.iter().map(shown).collect(), 1, NOW)
    }

    #[test]
    fn a_clock_is_wrong_if_more_say_so_than_may_lie() {
        assert_eq!(judged(&[90, 90, 90]), Some(ClockError::Behind(90 * 60_000)));
        assert_eq!(judged(&[-90, -90, -90, -90]), Some(ClockError::Ahead(90 * 60_000)));
        assert_eq!(judged(&[0, 0, 90]), None, "one may lie");
        assert_eq!(judged(&[90, 91, -9_000]), Some(ClockError::Behind(90 * 60_000)));
        assert_eq!(judged(&[90, 90]), None, "of two, either may lie");
        assert_eq!(judged(&[1, 1, 1]), None, "at the limit");
        assert_eq!(
            clock_error(vec![NOW.plus(MS_TOLERATED + 1); 3], 1, NOW),
            Some(ClockError::Behind(60_001))
        );
    }

    #[test]
    fn it_is_told_in_units_that_people_use() {
        let told = |minutes: u64| ClockError::Ahead(minutes * 60_000).to_string();
        assert_eq!(told(1), "this machine's clock is 1 minute ahead of the mesh");
        assert_eq!(told(90), "this machine's clock is 90 minutes ahead of the mesh");
        assert_eq!(told(120), "this machine's clock is 2 hours ahead of the mesh");
        assert_eq!(told(3 * 1440), "this machine's clock is 3 days ahead of the mesh");
        assert!(ClockError::Behind(5_400_000).to_string().contains("90 minutes behind the mesh"));
    }
}
