//! Block time does not run away: a block is at most half a second ahead of the fastest clock of an honest node, or follows
//! its parent by the smallest step.
//!
//! Which clock was the fastest is known from readings: the world hands them in before and after each jump, and when a
//! block is seen for the first time. The fastest since the parent was seen counts.

use super::{Chain, Violation};
use hypermesh_core::base::{Height, UnixMillis};

/// What validators tolerate, as docs/protocol.md states it.
const AHEAD_MS_MAX: u64 = 500;
/// The step that is not held against any clock.
const STEP_MS: u64 = 1;

/// Watches block time.
#[derive(Default)]
pub struct BlockTimeCheck {
    /// The fastest honest clock at the last reading; `None` in a world that hands none in.
    current: Option<UnixMillis>,
    /// The fastest since the last block was first seen.
    fastest: UnixMillis,
}

impl BlockTimeCheck {
    /// Takes the readings of all honest nodes' clocks.
    pub fn on_clocks(&mut self, walls: impl Iterator<Item = UnixMillis>) {
        self.current = walls.max();
        self.fastest = self.fastest.max(self.current.unwrap_or_default());
    }

    /// Looks at a block that no node had before.
    ///
    /// # Errors
    /// If its time is later than it may be.
    pub(super) fn on_block(&mut self, chain: &Chain, height: Height) -> Result<(), Violation> {
        let Some(current) = self.current else { return Ok(()) };
        let parent = height.0.checked_sub(1).and_then(|parent| chain.state(Height(parent)));
        let (Some(decided), Some(parent)) = (chain.at(height), parent) else { return Ok(()) };
        let latest = self.fastest.plus(AHEAD_MS_MAX).max(parent.time().plus(STEP_MS));
        let time = decided.state.time();
        if time > latest {
            let what = format!("block {height} is of {time}, and may be of {latest} at the latest");
            return Err(Violation::new("block time", what));
        }
        self.fastest = current;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::test_util::{issue, world_with};

    #[test]
    fn it_fires_on_a_block_that_is_one_millisecond_past_the_bound() {
        let (world, _) = world_with(|world| vec![issue(world, 1)]);
        let chain = world.checks().chain();
        let newest = chain.newest().unwrap();
        let (height, time) = (newest.height(), newest.time());
        let look = |fastest: UnixMillis| {
            let mut check = BlockTimeCheck::default();
            check.on_clocks([fastest, UnixMillis(5)].into_iter());
            check.on_clocks([UnixMillis(7)].into_iter());
            check.on_block(chain, height)
        };
        assert_eq!(look(time.minus(AHEAD_MS_MAX)), Ok(()));
        assert_eq!(look(time.minus(AHEAD_MS_MAX + 1)).unwrap_err().check, "block time");
        assert_eq!(BlockTimeCheck::default().on_block(chain, height), Ok(()), "no readings, no verdict");
    }
}
