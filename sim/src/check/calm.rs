//! Calm: a burst does not outlive its clients. So long after the last of them has left, answered or not, no node holds
//! anything that was done for them alone, whatever is wrong with the others.
//!
//! What is in a batch is not looked at: it may be ordered still, and is executed then.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::Size;
use std::time::Duration;

/// So long after the last client has left, what was done for clients has ended.
pub const CALM_WITHIN: Duration = Duration::from_secs(10);

/// The tables that hold what is done for clients, as nodes name them.
const CLIENT_TABLES: [&str; 11] = [
    "requests under way",
    "operations of clients that wait for a batch",
    "requests that wait for operations",
    "batches of others that requests wait for",
    "requests that wait for batches of others",
    "requests that wait for certificates",
    "requests that wait for checkpoints",
    "signing sessions",
    "tasks that wait for commitments",
    "requests for shares that wait for their turn",
    "requests that are followed until their answer",
];

/// Looks at a node's tables when all clients have left.
///
/// # Errors
/// If one holds something.
///
/// # Panics
/// If the node has no table of one of these names.
pub fn check_calm(place: NodeIndex, sizes: &[Size]) -> Result<(), Violation> {
    if sizes.is_empty() {
        // It is down.
        return Ok(());
    }
    for table in CLIENT_TABLES {
        let size = sizes.iter().find(|size| size.table == table);
        let held = size.unwrap_or_else(|| panic!("nodes have no table of {table}")).held;
        if held > 0 {
            let what = format!(
                "node-{} holds {held} {table}, {CALM_WITHIN:?} after the last client has left",
                place + 1
            );
            return Err(Violation::new("calm", what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_when_one_table_holds_one_thing() {
        let sizes = |full: Option<&str>| -> Vec<Size> {
            let size = |table: &'static str| Size::unstated(table, usize::from(full == Some(table)));
            CLIENT_TABLES.into_iter().map(size).chain([Size::unstated("timers", 9)]).collect()
        };
        assert_eq!(check_calm(0, &sizes(None)), Ok(()));
        assert_eq!(check_calm(0, &[]), Ok(()), "a node that is down holds nothing");
        for table in CLIENT_TABLES {
            let violation = check_calm(2, &sizes(Some(table))).unwrap_err();
            assert_eq!(violation.check, "calm");
            assert!(violation.what.contains(table) && violation.what.contains("node-3"));
        }
    }
}
