//! Memory stays bounded: no table or queue of a node holds more than the limit that it states, those that state none
//! stay far below what a run could fill them with, and at the end of a run, when all is quiet, they are nearly empty.
//!
//! A node reports its own tables; what the agreement's core and the maps of the state hold is not among them.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::Size;

/// The most in a table that states no limit, at any time: more than all that a run's clients wait for at once.
pub const UNSTATED_COUNT_MAX: usize = 16_384;
/// The most that is left in such a table when nobody waits for anything any more.
pub const LEFT_COUNT_MAX: usize = 512;

/// Looks at a node's tables at any time.
///
/// # Errors
/// If one holds more than it may.
pub fn check_sizes(place: NodeIndex, sizes: &[Size]) -> Result<(), Violation> {
    check(place, sizes, UNSTATED_COUNT_MAX)
}

/// Looks at a node's tables when all is quiet.
///
/// # Errors
/// If something is left over.
pub fn check_sizes_when_quiet(place: NodeIndex, sizes: &[Size]) -> Result<(), Violation> {
    check(place, sizes, LEFT_COUNT_MAX)
}

fn check(place: NodeIndex, sizes: &[Size], unstated_max: usize) -> Result<(), Violation> {
    let max = |size: &Size| size.held_max.unwrap_or(unstated_max);
    let Some(size) = sizes.iter().find(|size| size.held > max(size)) else { return Ok(()) };
    let (number, held, table) = (place + 1, size.held, size.table);
    let what = format!("node-{number} holds {held} {table} where at most {} are allowed", max(size));
    Err(Violation::new("bounded", what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_one_past_a_limit_and_not_at_it() {
        let fires = |size| check_sizes(0, &[Size::limited("peers", 3, 3), size]).is_err();
        assert!(!fires(Size::limited("votes", 5, 5)) && fires(Size::limited("votes", 6, 5)));
        let unstated = |held| Size::unstated("requests", held);
        assert!(!fires(unstated(UNSTATED_COUNT_MAX)) && fires(unstated(UNSTATED_COUNT_MAX + 1)));
        let left = |held| check_sizes_when_quiet(0, &[unstated(held)]);
        assert_eq!(left(LEFT_COUNT_MAX), Ok(()));
        assert_eq!(left(LEFT_COUNT_MAX + 1).unwrap_err().check, "bounded");
    }
}
