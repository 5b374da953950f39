//! Progress: once a quorum is well and linked, it decides within a bound that is a number; and where there is none, that
//! is said beforehand, from how the nodes and links are, not guessed from what happens.
//!
//! All here is a function of what it is given. Whoever plays a plan describes the situation that it leaves, asks for the
//! [`ExpectedProgress`], lets the time pass within which progress is owed, and has what came of it [`judge`]d. Two nodes are linked
//! if messages get through both ways. Only a quorum of which each is linked with every other owes progress: votes are not
//! passed on.
//!
//! If there was none, the situation as it is then found says whether that is a [`Stall`] that the protocol allows, and
//! which; or whether a quorum is whole, and stands still for no reason.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::Height;
use hypermesh_core::hypermesh::committee::threshold;
use hypermesh_core::hypermesh::ordering::Timeouts;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// So many tries at finding a quorum; with more, nothing is demanded.
const TRY_COUNT_MAX: u32 = 1 << 20;
/// For links to be made, blocks to be caught up with, and a height to begin for its heartbeat alone.
const SURROUNDINGS: Duration = Duration::from_secs(20);

/// How the nodes are, and stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeConditions {
    /// How many validators there are.
    pub validators: usize,
    /// Those that run, have what they need, and do as they should.
    pub able: BTreeSet<NodeIndex>,
    /// Pairs of nodes between which messages get through both ways, the smaller place first.
    pub linked: BTreeSet<(NodeIndex, NodeIndex)>,
    /// Of those that are not able, why not, where that is known.
    pub hindered: BTreeMap<NodeIndex, String>,
    /// What the generation of the committee's keys waits for, while there are none.
    pub keyless: Option<String>,
    /// Those of the able who lack their shares of the keys.
    pub without_shares: BTreeSet<NodeIndex>,
}

/// Why nothing can come about, where that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stall {
    /// Too few validators take part.
    #[error("no quorum: {able} of {validators} validators are able, and {quorum} decide{hindered}")]
    NoQuorum {
        /// How many do.
        able: usize,
        /// Of how many.
        validators: usize,
        /// How many it takes.
        quorum: usize,
        /// Who does not and why, in words that begin with `": "`.
        hindered: String,
    },
    /// They are too few that reach one another.
    #[error("cut off: no validator is linked with {others} others")]
    CutOff {
        /// With how many one has to be.
        others: usize,
    },
    /// The committee has no keys, and not all validators are there to generate them.
    #[error("waiting for key generation, which takes all validators{hindered}: {awaited}")]
    KeyGeneration {
        /// What it waits for, in a node's words.
        awaited: String,
        /// Who is not there and why, in words that begin with `": "`.
        hindered: String,
    },
    /// Too few hold shares of the committee's keys: blocks are decided, and nothing is signed.
    #[error("waiting for key shares: {holders} validators that are able hold theirs, and {threshold} sign")]
    KeyShares {
        /// How many hold theirs.
        holders: usize,
        /// How many it takes.
        threshold: usize,
    },
}

/// What is owed in a situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedProgress {
    /// These decide: a quorum, each linked with every other.
    Progress {
        /// Who.
        among: BTreeSet<NodeIndex>,
    },
    /// Nothing can be decided, and this is why.
    Stall(Stall),
    /// Something might be decided, and nobody owes it.
    Open,
}

impl NodeConditions {
    /// Everyone who is able is linked with everyone else who is.
    #[must_use]
    pub fn all_linked(validators: usize, able: BTreeSet<NodeIndex>) -> Self {
        let linked = able.iter().flat_map(|one| able.range(one + 1..).map(|other| (*one, *other))).collect();
        Self { validators, able, linked, ..Self::default() }
    }

    /// How many it takes to decide.
    #[must_use]
    pub const fn quorum(&self) -> usize {
        2 * self.validators / 3 + 1
    }

    fn is_linked(&self, one: NodeIndex, other: NodeIndex) -> bool {
        self.linked.contains(&(one.min(other), one.max(other)))
    }

    /// What is owed.
    #[must_use]
    pub fn expected_progress(&self) -> ExpectedProgress {
        let quorum = self.quorum();
        if self.able.len() < quorum {
            return ExpectedProgress::Stall(Stall::NoQuorum {
                able: self.able.len(),
                validators: self.validators,
                quorum,
                hindered: self.hindered_in_words(),
            });
        }
        let linked = |one: &NodeIndex| self.able.iter().filter(|other| self.is_linked(*one, **other)).count();
        let reaching: BTreeSet<NodeIndex> =
            self.able.iter().copied().filter(|one| linked(one) + 1 >= quorum).collect();
        if reaching.is_empty() {
            return ExpectedProgress::Stall(Stall::CutOff { others: quorum - 1 });
        }
        let mut tries = TRY_COUNT_MAX;
        match self.linked_quorum(reaching, &mut tries) {
            Some(among) => ExpectedProgress::Progress { among },
            None => ExpectedProgress::Open,
        }
    }

    /// Why nothing is signed here, if that is as it should be: what stops decisions stops signatures too. `None` where a
    /// quorum owes both.
    #[must_use]
    pub fn stall(&self) -> Option<Stall> {
        let among = match self.expected_progress() {
            ExpectedProgress::Stall(stall) => return Some(stall),
            ExpectedProgress::Progress { among } => among,
            ExpectedProgress::Open => return None,
        };
        let is_whole =
            |one: &NodeIndex| among.iter().all(|other| one == other || self.is_linked(*one, *other));
        let all_are_there = self.able.len() == self.validators && self.able.iter().all(is_whole);
        if let Some(awaited) = self.keyless.clone().filter(|_| !all_are_there) {
            return Some(Stall::KeyGeneration { awaited, hindered: self.hindered_in_words() });
        }
        let holders = self.able.difference(&self.without_shares).count();
        let threshold = threshold(self.validators);
        (self.keyless.is_none() && holders < threshold).then_some(Stall::KeyShares { holders, threshold })
    }

    fn hindered_in_words(&self) -> String {
        let one = |(place, why): (&NodeIndex, &String)| format!("node-{} {why}", place + 1);
        let all: Vec<String> = self.hindered.iter().map(one).collect();
        if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
    }

    /// As many as possible of these are left out, one of each pair that is not linked, while a quorum remains.
    fn linked_quorum(&self, among: BTreeSet<NodeIndex>, tries: &mut u32) -> Option<BTreeSet<NodeIndex>> {
        *tries = tries.checked_sub(1)?;
        if among.len() < self.quorum() {
            return None;
        }
        let apart = among.iter().find_map(|one| {
            among.range(one + 1..).find(|other| !self.is_linked(*one, **other)).map(|other| (*one, *other))
        });
        let Some((one, other)) = apart else { return Some(among) };
        [other, one].into_iter().find_map(|left_out| {
            let mut rest = among.clone();
            rest.remove(&left_out);
            self.linked_quorum(rest, tries)
        })
    }
}

/// How long a quorum may take to decide once it is linked: until a round comes whose proposer is in it, each round as
/// long as rounds get, with the one under way and the one that decides, and what surrounds them.
#[must_use]
pub fn bound(validators: usize) -> Duration {
    let Timeouts { longest, rebroadcast, .. } = Timeouts::default();
    let faults = u32::try_from(validators.saturating_sub(1) / 3).unwrap_or(u32::MAX);
    let round = longest.saturating_mul(3).saturating_add(rebroadcast);
    round.saturating_mul(faults.saturating_add(2)).saturating_add(SURROUNDINGS)
}

/// What came of a wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitOutcome {
    /// For how long the situation was as it was described.
    pub waited: Duration,
    /// Within which time progress was owed; [`bound`], where nothing stricter was.
    pub within: Duration,
    /// The height of each node before.
    pub before: BTreeMap<NodeIndex, Height>,
    /// And after; nodes that are down have none.
    pub after: BTreeMap<NodeIndex, Height>,
    /// How many requests that nodes in the quorum got in this time, `within` before its end at the latest, were not
    /// answered.
    pub unanswered: usize,
}

/// Holds what came of a wait against what was owed.
///
/// # Errors
/// If a quorum did not advance in time, one of it lags behind, or requests stay without an answer; also if something was
/// decided where nothing could be.
pub fn judge(expected_progress: &ExpectedProgress, outcome: &WaitOutcome) -> Result<(), Violation> {
    let broken = |what: String| Err(Violation::new("progress", what));
    let height = |heights: &BTreeMap<NodeIndex, Height>, place: &NodeIndex| {
        heights.get(place).copied().unwrap_or_default()
    };
    let highest = outcome.before.values().max().copied().unwrap_or_default();
    match expected_progress {
        ExpectedProgress::Open => Ok(()),
        ExpectedProgress::Stall(stall) => match outcome.after.values().max() {
            Some(now) if now > &highest.next() => {
                // One block may have been on its way when the quorum was lost.
                broken(format!("block {now} was decided although nothing can be: {stall}"))
            }
            _ => Ok(()),
        },
        ExpectedProgress::Progress { among } => {
            let waited = outcome.waited;
            if waited < outcome.within {
                return Ok(());
            }
            if let Some(late) = among.iter().find(|place| height(&outcome.after, place) <= highest) {
                let (number, now) = (late + 1, height(&outcome.after, late));
                return broken(format!(
                    "node-{number} is at height {now} {waited:?} after a quorum was at {highest}"
                ));
            }
            match outcome.unanswered {
                0 => Ok(()),
                some => broken(format!("{some} requests have no answer after {waited:?}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heights(all: [u64; 4]) -> BTreeMap<NodeIndex, Height> {
        (0..).zip(all.map(Height)).collect()
    }

    fn four(able: &[NodeIndex]) -> NodeConditions {
        NodeConditions::all_linked(4, able.iter().copied().collect())
    }

    #[test]
    fn it_fires_when_a_quorum_that_is_linked_does_not_decide_in_time() {
        let conditions = four(&[0, 1, 3]);
        let expected_progress = conditions.expected_progress();
        assert_eq!(expected_progress, ExpectedProgress::Progress { among: BTreeSet::from([0, 1, 3]) });
        let mut outcome = WaitOutcome {
            waited: bound(4),
            within: bound(4),
            before: heights([5, 5, 5, 4]),
            after: heights([9, 9, 5, 9]),
            unanswered: 0,
        };
        assert_eq!(judge(&expected_progress, &outcome), Ok(()));
        outcome.unanswered = 1;
        assert!(judge(&expected_progress, &outcome).is_err());
        (outcome.unanswered, outcome.after) = (0, heights([9, 9, 5, 5]));
        assert_eq!(judge(&expected_progress, &outcome).unwrap_err().check, "progress");
        outcome.waited -= Duration::from_millis(1);
        assert_eq!(judge(&expected_progress, &outcome), Ok(()), "its time is not over");
    }

    #[test]
    fn a_stall_is_legal_where_no_quorum_is_able_or_linked_and_deciding_then_is_not() {
        let few = four(&[0, 1]);
        let expected_progress = few.expected_progress();
        assert!(
            matches!(&expected_progress, ExpectedProgress::Stall(stall) if stall.to_string().contains("2 of 4"))
        );
        let halves = NodeConditions { linked: BTreeSet::from([(0, 1), (2, 3)]), ..four(&[0, 1, 2, 3]) };
        assert_eq!(halves.expected_progress(), ExpectedProgress::Stall(Stall::CutOff { others: 2 }));
        let still = WaitOutcome {
            waited: bound(4),
            within: bound(4),
            before: heights([5, 5, 5, 5]),
            after: heights([6, 5, 5, 5]),
            unanswered: 3,
        };
        assert_eq!(judge(&expected_progress, &still), Ok(()));
        let decided = WaitOutcome { after: heights([7, 5, 5, 5]), ..still };
        assert_eq!(judge(&expected_progress, &decided).unwrap_err().check, "progress");
    }

    #[test]
    fn a_stall_has_a_name_and_where_a_quorum_is_whole_there_is_none() {
        let whole = four(&[0, 1, 2, 3]);
        assert_eq!(whole.stall(), None);
        let hindered = BTreeMap::from([(3, "is down".to_string())]);
        let three = NodeConditions { hindered, ..four(&[0, 1, 2]) };
        assert_eq!(three.stall(), None, "a quorum needs no fourth");
        let words = |conditions: NodeConditions| {
            conditions.stall().map(|stall| stall.to_string()).unwrap_or_default()
        };
        let keyless = Some("waiting for commitments of node-4".to_string());
        let generates = words(NodeConditions { keyless: keyless.clone(), ..three.clone() });
        assert!(generates.starts_with("waiting for key generation") && generates.contains("node-4 is down"));
        assert_eq!(NodeConditions { keyless, ..whole }.stall(), None, "all are there to generate keys");
        let without_shares = BTreeSet::from([2]);
        assert!(words(NodeConditions { without_shares, ..three }).starts_with("waiting for key shares: 2"));
        let hindered = BTreeMap::from([(2, "abstains through height 9".to_string())]);
        assert!(
            words(NodeConditions { hindered, ..four(&[0, 1]) }).ends_with("node-3 abstains through height 9")
        );
        assert!(words(NodeConditions { linked: BTreeSet::new(), ..four(&[0, 1, 2]) }).starts_with("cut off"));
    }

    #[test]
    fn a_quorum_is_found_among_links_that_miss_some() {
        let mut conditions = NodeConditions::all_linked(7, (0..7).collect());
        conditions.linked.remove(&(0, 1));
        conditions.linked.remove(&(0, 2));
        conditions.linked.remove(&(5, 6));
        assert_eq!(
            conditions.expected_progress(),
            ExpectedProgress::Progress { among: BTreeSet::from([1, 2, 3, 4, 5]) }
        );
        // A ring in which each lacks two has nodes that reach a quorum, and no quorum that is linked throughout.
        let apart = |one: usize, other: usize| (other + 7 - one) % 7 == 1 || (one + 7 - other) % 7 == 1;
        conditions.linked = NodeConditions::all_linked(7, (0..7).collect()).linked;
        conditions.linked.retain(|(one, other)| !apart(*one, *other));
        assert_eq!(conditions.expected_progress(), ExpectedProgress::Open);
    }

    #[test]
    fn the_bound_is_a_number_that_grows_with_the_faults() {
        assert_eq!(bound(4), Duration::from_millis(3 * 46_500 + 20_000));
        assert!(bound(7) > bound(4) && bound(100) > bound(31));
    }
}
