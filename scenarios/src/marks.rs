//! The marks of the protocol's rare branches ([`MARKS`](hypermesh_core::base::MARKS)) that no scenario asserts. All others
//! are asserted by the field `reaches` of a scenario: a test fails for a mark that none asserts.

use crate::SCENARIOS;
use hypermesh_core::base::MARKS;
use std::collections::BTreeSet;

/// Marks that scenarios reach at few seeds: the swarm alone is held to them.
const BY_CHANCE: &[&str] = &[
    "a batch is made anew",
    "a block takes a part of a batch",
    "a peer has had its share of blocks",
    "a request for shares waits for its block",
    "a request names a commitment that is gone",
];

#[test]
fn every_mark_is_asserted_in_a_scenario_but_those_named_here() {
    let asserted: BTreeSet<&str> = SCENARIOS.iter().flat_map(|scenario| scenario.reaches).copied().collect();
    let catalogue: BTreeSet<&str> = MARKS.iter().copied().collect();
    assert_eq!(asserted.difference(&catalogue).count(), 0, "a mark that there is not");
    let left: Vec<&str> = catalogue.difference(&asserted).copied().collect();
    assert_eq!(left, BY_CHANCE, "marks that no scenario asserts");
}
