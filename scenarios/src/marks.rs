//! Which marks of the protocol's rare branches ([`MARKS`](hypermesh_core::base::MARKS)) each scenario reaches, if not at
//! every seed then within a few.
//!
//! The test of a scenario that no longer reaches what it is about fails, and so does a test for a mark that none asserts.

use std::collections::BTreeSet;

/// The name of each scenario that is held to marks, and the marks.
pub(crate) const REACHES: &[(&str, &[&str])] = &[
    ("calm-issuance", &["commitments have run out"]),
    (
        "hundred-at-once",
        &["a batch is bound to the beacon before", "a peer that is linked late is sent what it missed"],
    ),
    (
        "repeat-elsewhere",
        &[
            "a repeated operation is answered with its receipt",
            "a signature is found in the store",
            "an operation is asked for while it is on its way",
        ],
    ),
    (
        "burst-does-not-outlive-its-clients",
        &[
            "a request is refused because others wait too long",
            "an abandoned operation is taken out of its line",
        ],
    ),
    ("flapping-link", &["lost commitments are asked for again"]),
    ("unreadable-disk-starves-no-signer", &["this node's own commitments have run out"]),
    ("refused-operations", &["an operation is refused beforehand"]),
    ("crash-and-restart", &["a block without a verdict is endorsed"]),
    (
        "power-loss",
        &["a height is taken up from the log of votes", "a proposal is sent again after a restart"],
    ),
    (
        "dead-signer",
        &["a batch is sent again", "a round ends without a decision", "a vote for nothing is signed"],
    ),
    ("checkpoint-needs-cosignatures", &["a share comes without its cosignature"]),
    (
        "equivocating-voter-loses-its-bond",
        &["a validator is slashed", "an operation is refused for want of a stake"],
    ),
    ("missed-audits-suspend", &["a suspended node attests first"]),
    ("twisted-signatures-are-refused", &["a finished signature is refused"]),
    ("bad-shares", &["a signature is tried again with other signers", "a signer is caught"]),
    (
        "quorum-missing",
        &[
            "a quorum is linked again",
            "a quorum is lost",
            "an operation is refused for want of a quorum",
            "the oldest message of a height is let go",
        ],
    ),
    ("behind-is-unsure", &["a node that may be behind does not refuse for good"]),
    ("partition-halves", &["a batch comes before its turn"]),
    (
        "partition-one",
        &[
            "a batch is refused",
            "a block waits for those before it",
            "a node catches up over a long way",
            "operations wait for a ticket",
        ],
    ),
    (
        "lossy-links",
        &[
            "a block comes unasked",
            "a message comes before its height",
            "a peer is served the block that it is stuck at",
            "another coordinator steps in",
        ],
    ),
    (
        "interrupted-generation",
        &["a batch is overtaken by another of its number", "a key generation is given up"],
    ),
    (
        "wiped-disk",
        &[
            "a signature comes before its block",
            "a ticket comes too late",
            "an abstention outlives a height",
            "key shares are repaired",
        ],
    ),
    ("twins", &["a node stops because its twin runs"]),
    ("repair-with-a-lying-helper", &["a repair of key shares is given up"]),
    ("expired-while-apart", &["an operation that nobody pays for is refused by its member"]),
    (
        "unpaid-operations-cost-nobody",
        &["an operation is refused in a block", "an owner's waiting operations spend all that it has"],
    ),
    (
        "locked-block-is-proposed-again",
        &["a block is proposed again with its prevotes", "a locked block is carried to a later round"],
    ),
    (
        "restarts-on-lossy-links",
        &[
            "a node's last votes are told late",
            "a peer is asked again for a node's last votes",
            "a peer is silent when asked for blocks, and another is asked",
        ],
    ),
    (
        "lying-proposer-is-found-out",
        &[
            "a block is found invalid",
            "a validator contradicts itself",
            "an ordering message of a peer is refused",
            "a peer that sent no good blocks is dropped",
        ],
    ),
    ("lost-wal-abstains", &["a node abstains"]),
    ("deceived-node-stops", &["a node stops at a decision that it finds invalid"]),
    ("damaged-block-is-fetched-again", &["a damaged row is fetched from a peer"]),
    ("away-ten-thousand-blocks", &["applying blocks waits for the disk"]),
    ("wrong-clock", &["a verdict is put off"]),
    (
        "clocks-ahead",
        &[
            "a node's memory may be old, and it destroys its nonces",
            "block time is ahead of a node's clock, or no longer",
        ],
    ),
];

/// Marks that scenarios reach at few seeds: the swarm alone is held to them.
const BY_CHANCE: &[&str] = &[
    "a batch is made anew",
    "a block takes a part of a batch",
    "a peer has had its share of blocks",
    "a request for shares waits for its block",
    "a request names a commitment that is gone",
];

/// The marks that a scenario is held to.
pub(crate) fn held(scenario: &str) -> BTreeSet<&'static str> {
    let held = REACHES.iter().filter(|(name, _)| *name == scenario);
    held.flat_map(|(_, marks)| marks.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;
    use hypermesh_core::base::MARKS;

    #[test]
    fn every_mark_is_asserted_in_a_scenario_but_those_named_here() {
        let asserted: BTreeSet<&str> = REACHES.iter().flat_map(|(_, marks)| marks.iter().copied()).collect();
        let catalogue: BTreeSet<&str> = MARKS.iter().copied().collect();
        assert_eq!(asserted.difference(&catalogue).count(), 0, "a mark that there is not");
        let left: Vec<&str> = catalogue.difference(&asserted).copied().collect();
        assert_eq!(left, BY_CHANCE, "marks that no scenario asserts");
        assert!(REACHES.iter().all(|(name, _)| find(name).is_some()), "a scenario that there is not");
    }
}
