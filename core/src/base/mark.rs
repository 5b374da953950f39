//! Marks on the rare branches of the protocol: which of them a node has taken, and how often.
//!
//! A test that passes says little if what it is about never happened. So each branch that only a fault or a race
//! leads to bears a mark, `reached!(marks, "what happens here")`; whoever tries nodes asks them which they have
//! reached, and a budget of tries in which one was never reached is a failure.
//!
//! The table is a node's own, handed out like everything else: no global, no log line that somebody must parse. It costs
//! four bytes a mark and one addition where the branch is taken, so it is there in what ships, and what is tried is
//! what ships. A mark that is not in the catalogue does not compile; one that is on no branch fails a test.

/// The catalogue: every mark, in ascending order.
pub const MARKS: &[&str] = &[
    "a batch comes before its turn",
    "a batch is bound to the beacon before",
    "a batch is made anew",
    "a batch is overtaken by another of its number",
    "a batch is refused",
    "a batch is sent again",
    "a block comes unasked",
    "a block is found invalid",
    "a block is proposed again with its prevotes",
    "a block takes a part of a batch",
    "a block waits for those before it",
    "a block without a verdict is endorsed",
    "a damaged row is fetched from a peer",
    "a finished signature is refused",
    "a height is taken up from the log of votes",
    "a key generation is given up",
    "a locked block is carried to a later round",
    "a message comes before its height",
    "a node abstains",
    "a node catches up over a long way",
    "a node stops at a decision that it finds invalid",
    "a node stops because its twin runs",
    "a node that may be behind does not refuse for good",
    "a node's last votes are told late",
    "a node's memory may be old, and it destroys its nonces",
    "a peer has had its share of blocks",
    "a peer is asked again for a node's last votes",
    "a peer is served the block that it is stuck at",
    "a peer is silent when asked for blocks, and another is asked",
    "a peer that is linked late is sent what it missed",
    "a peer that sent no good blocks is dropped",
    "a proposal is sent again after a restart",
    "a quorum is linked again",
    "a quorum is lost",
    "a repair of key shares is given up",
    "a repeated operation is answered with its receipt",
    "a request for shares waits for its block",
    "a request is refused because others wait too long",
    "a request names a commitment that is gone",
    "a round ends without a decision",
    "a share comes without its cosignature",
    "a signature comes before its block",
    "a signature is found in the store",
    "a signature is tried again with other signers",
    "a signer is caught",
    "a suspended node attests first",
    "a ticket comes too late",
    "a validator contradicts itself",
    "a validator is slashed",
    "a verdict is put off",
    "a vote for nothing is signed",
    "an abandoned operation is taken out of its line",
    "an abstention outlives a height",
    "an operation is asked for while it is on its way",
    "an operation is refused beforehand",
    "an operation is refused for want of a quorum",
    "an operation is refused for want of a stake",
    "an operation is refused in a block",
    "an operation that nobody pays for is refused by its member",
    "an ordering message of a peer is refused",
    "an owner's waiting operations spend all that it has",
    "another coordinator steps in",
    "applying blocks waits for the disk",
    "block time is ahead of a node's clock, or no longer",
    "commitments have run out",
    "key shares are repaired",
    "lost commitments are asked for again",
    "operations wait for a ticket",
    "the oldest message of a height is let go",
    "this node's own commitments have run out",
];

/// How often each mark was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks([u32; MARKS.len()]);

impl Default for Marks {
    fn default() -> Self {
        Self([0; MARKS.len()])
    }
}

impl Marks {
    /// Counts the mark at this place of the catalogue.
    pub(crate) fn count(&mut self, place: usize) {
        if let Some(count) = self.0.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// These and others, added up.
    #[must_use]
    pub fn joined(&self, others: &Self) -> Self {
        let mut sum = self.clone();
        for (count, other) in sum.0.iter_mut().zip(others.0) {
            *count = count.saturating_add(other);
        }
        sum
    }

    /// The marks that were reached, in order, and how often.
    pub fn reached(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        MARKS.iter().copied().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

/// Where a mark stands in the catalogue.
///
/// # Panics
/// If it does not: at compile time, since only [`reached`] calls this.
pub(crate) const fn place_of_mark(mark: &str) -> usize {
    let mut place = 0;
    while place < MARKS.len() {
        if is_same(MARKS[place].as_bytes(), mark.as_bytes()) {
            return place;
        }
        place += 1;
    }
    panic!("a mark that is not in base::MARKS")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    one.len() == other.len()
}

/// Counts a mark of the catalogue in a [`Marks`].
macro_rules! reached {
    ($marks:expr, $mark:literal) => {{
        const PLACE: usize = $crate::base::place_of_mark($mark);
        $marks.count(PLACE);
    }};
}
pub(crate) use reached;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::{String, ToString};
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_mark_that_is_reached_is_counted_by_its_name() {
        let (mut marks, mut others) = (Marks::default(), Marks::default());
        assert_eq!(marks.reached().count(), 0);
        reached!(marks, "a quorum is lost");
        reached!(others, "a quorum is lost");
        reached!(others, "a node abstains");
        let joined = marks.joined(&others);
        let reached: alloc::vec::Vec<_> = joined.reached().collect();
        assert_eq!(reached, [("a node abstains", 1), ("a quorum is lost", 2)]);
    }

    /// The marks in the sources below a folder, but for this file.
    fn in_sources(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                in_sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("mark.rs")
            {
                let source = fs::read_to_string(&path).unwrap();
                let marks = source.split("reached!(").skip(1).filter_map(|rest| rest.split('"').nth(1));
                found.extend(marks.map(ToString::to_string));
            }
        }
    }

    #[test]
    fn the_catalogue_holds_the_marks_that_stand_in_the_source_and_no_others() {
        let mut found = BTreeSet::new();
        in_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let catalogue: alloc::vec::Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(MARKS, catalogue);
    }
}
