//! Nobody is blamed unjustly, and whoever provably lies is found out: no node finds an honest one, or its own store, at
//! fault, and no block takes an honest one's stake; of each liar whose lie leaves evidence, some other node tells before
//! the end, and a block has taken its stake.
//!
//! Two votes that contradict each other are such a proof as soon as one honest node has both. So a node that is handed the
//! second by the liar itself, while it counts the votes of that very height and had the first in the same life and height,
//! tells of it in the same step. Nothing is demanded where it might have had to let go of one: votes for another height or
//! of a round that is over, votes that came by a third, signatures that do not hold, nodes that crash in that step.
//!
//! Whoever has lost its log of votes may contradict what it said before: it counts among those who may be faulty.

use super::Violation;
use crate::base::NodeIndex;
use hypermesh_core::base::{Digest, Height, PublicKey};
use hypermesh_core::hypermesh::ordering::{ConsensusMessage, Round, SignedVote, Vote};
use hypermesh_core::node::Event;
use hypermesh_core::state::BLOCK_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// The first byte of messages of the ordering.
const CONSENSUS: u8 = 0;

/// A message that a node takes up.
pub struct Heard<'a> {
    /// The node.
    pub place: NodeIndex,
    /// Who sent it.
    pub source: PublicKey,
    /// Which height's votes the node counted as it came, and from which round on.
    pub counted: Option<(Height, Round)>,
    /// The message.
    pub message: &'a [u8],
}

/// Watches what nodes say of one another.
#[derive(Default)]
pub struct EvidenceCheck {
    /// Those who lie: they may be blamed.
    liars: BTreeSet<PublicKey>,
    /// Those whose logs of votes were lost: they may contradict themselves.
    forgetful: BTreeSet<PublicKey>,
    /// Those whose stores were damaged: they may complain.
    damaged: BTreeSet<NodeIndex>,
    /// Those who are deceived by more than f: they may stop.
    deceived: BTreeSet<NodeIndex>,
    /// Those whose lies leave evidence.
    expected: BTreeSet<PublicKey>,
    /// Those whom others have blamed.
    blamed: BTreeSet<PublicKey>,
    /// Those whose stakes were taken.
    slashed: BTreeSet<PublicKey>,
    /// The votes of each liar that each node has counted, all of one height.
    counted: BTreeMap<(NodeIndex, PublicKey), Vec<Vote>>,
    /// Who has told of whose equivocation.
    told: BTreeSet<(NodeIndex, PublicKey)>,
}

impl EvidenceCheck {
    /// Allows a node to be blamed from now on.
    pub fn corrupt(&mut self, node: PublicKey) {
        self.liars.insert(node);
    }

    /// Allows a node to contradict from now on what it said before.
    pub fn excuse_forgetful(&mut self, node: PublicKey) {
        self.forgetful.insert(node);
    }

    /// Takes note that a node starts: it has forgotten what it counted.
    pub fn on_start(&mut self, place: NodeIndex) {
        self.counted.retain(|(at, _), _| *at != place);
    }

    /// Looks at what a node has made of a message, when it is still up after it.
    ///
    /// # Errors
    /// If that made two contradicting votes of one validator which it has counted, and it has not said so.
    pub fn on_heard(&mut self, genesis: &Digest, heard: &Heard<'_>) -> Result<(), Violation> {
        let Heard { place, source, counted: Some((height, round)), message } = *heard else { return Ok(()) };
        let Some((&CONSENSUS, rest)) = message.split_first().filter(|_| self.liars.contains(&source)) else {
            return Ok(());
        };
        let decoded = ConsensusMessage::decode(rest, BLOCK_BYTES_MAX);
        let Ok(ConsensusMessage::Vote(signed) | ConsensusMessage::RepeatedVote(signed)) = decoded else {
            return Ok(());
        };
        let SignedVote { vote, .. } = signed;
        let is_counted = vote.validator == source && vote.height == height && vote.round >= round;
        if !is_counted || signed.verify(genesis).is_err() {
            return Ok(());
        }
        let counted = self.counted.entry((place, source)).or_default();
        counted.retain(|earlier| earlier.height == height);
        let contradicts = |earlier: &&Vote| {
            (earlier.round, earlier.kind) == (vote.round, vote.kind) && earlier.value_id != vote.value_id
        };
        let contradicted = counted.iter().find(contradicts).copied();
        if !counted.contains(&vote) {
            counted.push(vote);
        }
        match contradicted {
            Some(earlier) if !self.told.contains(&(place, source)) => {
                let number = place + 1;
                let what =
                    format!("node-{number} has {earlier:?} and {vote:?}, and tells of no equivocation");
                Err(Violation::new("evidence", what))
            }
            _ => Ok(()),
        }
    }

    /// Demands that a liar is found out by the end.
    pub fn expect(&mut self, liar: PublicKey) {
        self.expected.insert(liar);
    }

    /// Looks at what was told by the end.
    ///
    /// # Errors
    /// If a liar who left evidence was not found out, or has lost nothing.
    pub fn finish(&self) -> Result<(), Violation> {
        if let Some(liar) =
            self.expected.intersection(&self.blamed).find(|liar| !self.slashed.contains(*liar))
        {
            return Err(Violation::new("evidence", format!("{liar} was found out, and keeps its stake")));
        }
        match self.expected.difference(&self.blamed).next() {
            Some(liar) => {
                Err(Violation::new("evidence", format!("{liar} lied provably, and nobody says so")))
            }
            None => Ok(()),
        }
    }

    /// Allows a node to find its store at fault from now on.
    pub fn excuse_store(&mut self, place: NodeIndex) {
        self.damaged.insert(place);
    }

    /// Allows a node to find the mesh broken from now on.
    pub fn excuse_broken(&mut self, place: NodeIndex) {
        self.deceived.insert(place);
    }

    /// Looks at something that a node told.
    ///
    /// # Errors
    /// If it blames someone.
    pub fn on_event(&mut self, place: NodeIndex, event: &Event) -> Result<(), Violation> {
        if let Event::Equivocation(evidence) = event {
            self.told.insert((place, evidence.offender()));
        }
        self.blamed.extend(match event {
            Event::Equivocation(evidence) => Some(evidence.offender()),
            Event::Culprit { validator, .. } => Some(*validator),
            Event::InvalidBlock { proposer, .. } => Some(*proposer),
            _ => None,
        });
        if let Event::Slashed { validator, .. } = event {
            self.slashed.insert(*validator);
        }
        let just = match event {
            Event::Equivocation(evidence) => {
                [&self.liars, &self.forgetful].iter().any(|some| some.contains(&evidence.offender()))
            }
            Event::Slashed { validator, .. } => {
                [&self.liars, &self.forgetful].iter().any(|some| some.contains(validator))
            }
            Event::Culprit { validator, .. } => self.liars.contains(validator),
            Event::InvalidBlock { proposer, .. } => self.liars.contains(proposer),
            Event::StoreFault { .. } => self.damaged.contains(&place),
            Event::Broken { .. } => self.deceived.contains(&place),
            _ => true,
        };
        if just {
            return Ok(());
        }
        Err(Violation::new("evidence", format!("node-{} says {event:?}", place + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{MicroCaesar, SecretKey};
    use hypermesh_core::hypermesh::ordering::{Evidence, VoteKind};

    #[test]
    fn it_fires_when_an_honest_node_is_blamed() {
        let culprit = Event::Culprit { validator: PublicKey([1; 32]), reason: "bad share".to_string() };
        let mut check = EvidenceCheck::default();
        assert_eq!(check.on_event(0, &culprit).unwrap_err().check, "evidence");
        check.corrupt(PublicKey([1; 32]));
        assert_eq!(check.on_event(0, &culprit), Ok(()));
    }

    #[test]
    fn it_fires_when_a_node_with_a_whole_log_contradicts_itself() {
        let key = SecretKey::from_seed([1; 32]);
        let vote = |value_id| {
            let (kind, height, round) = (VoteKind::Prevote, Height(5), Round(0));
            Vote { kind, height, round, value_id, validator: key.public() }.sign(&Digest([2; 32]), &key)
        };
        let evidence = Evidence::from_votes(vote(None), vote(Some(Digest([3; 32]))));
        let (told, mut check) = (Event::Equivocation(Box::new(evidence)), EvidenceCheck::default());
        assert_eq!(check.on_event(0, &told).unwrap_err().check, "evidence");
        check.excuse_forgetful(PublicKey([1; 32]));
        assert_eq!(check.on_event(0, &told).unwrap_err().check, "evidence", "another has lost its log");
        check.excuse_forgetful(key.public());
        assert_eq!(check.on_event(0, &told), Ok(()));
    }

    #[test]
    fn it_fires_when_a_provable_liar_is_not_found_out() {
        let (liar, mut check) = (PublicKey([1; 32]), EvidenceCheck::default());
        assert_eq!(check.finish(), Ok(()));
        check.corrupt(liar);
        check.expect(liar);
        assert_eq!(check.finish().unwrap_err().check, "evidence");
        let culprit = Event::Culprit { validator: liar, reason: "bad share".to_string() };
        check.on_event(0, &culprit).unwrap();
        assert!(check.finish().unwrap_err().what.contains("keeps its stake"));
        let (amount, evidence) = (MicroCaesar(1), Digest([2; 32]));
        check.on_event(0, &Event::Slashed { validator: liar, amount, evidence }).unwrap();
        assert_eq!(check.finish(), Ok(()));
    }

    #[test]
    fn it_fires_when_an_honest_node_is_slashed() {
        let (amount, evidence) = (MicroCaesar(1), Digest([2; 32]));
        let slashed = Event::Slashed { validator: PublicKey([1; 32]), amount, evidence };
        let mut check = EvidenceCheck::default();
        assert_eq!(check.on_event(0, &slashed).unwrap_err().check, "evidence");
        check.corrupt(PublicKey([1; 32]));
        assert_eq!(check.on_event(0, &slashed), Ok(()));
    }

    #[test]
    fn it_fires_when_a_node_has_two_contradicting_votes_and_tells_of_none() {
        let (key, genesis) = (SecretKey::from_seed([1; 32]), Digest([2; 32]));
        let say = |height, round, value_id| {
            let (kind, validator) = (VoteKind::Prevote, key.public());
            let vote = Vote { kind, height: Height(height), round: Round(round), value_id, validator };
            let message = ConsensusMessage::Vote(vote.sign(&genesis, &key)).encode();
            [&[CONSENSUS], message.as_slice()].concat()
        };
        let (one, none) = (say(5, 0, Some(Digest([3; 32]))), say(5, 0, None));
        let mut check = EvidenceCheck::default();
        let hear_from = |from, check: &mut EvidenceCheck, place, counted: u64, message: &[u8]| {
            let (source, counted) = (key.public(), Some((Height(counted), from)));
            check.on_heard(&genesis, &Heard { place, source, counted, message })
        };
        let hear = |check: &mut EvidenceCheck, place, counted, message: &[u8]| {
            hear_from(Round(0), check, place, counted, message)
        };
        assert_eq!(hear(&mut check, 0, 5, &one), Ok(()));
        assert_eq!(hear(&mut check, 0, 5, &none), Ok(()), "an honest one's word is not looked at");
        check.corrupt(key.public());
        assert_eq!(hear(&mut check, 0, 5, &one), Ok(()));
        assert_eq!(hear(&mut check, 0, 5, &one), Ok(()), "the same once more");
        assert_eq!(hear(&mut check, 0, 5, &say(5, 1, None)), Ok(()), "another round");
        assert_eq!(hear(&mut check, 1, 5, &none), Ok(()), "another node");
        assert_eq!(hear(&mut check, 0, 4, &none), Ok(()), "it does not count them yet");
        assert_eq!(hear_from(Round(1), &mut check, 0, 5, &none), Ok(()), "that round is over");
        assert_eq!(hear(&mut check, 0, 5, &none).unwrap_err().check, "evidence");
        check.on_start(0);
        assert_eq!(hear(&mut check, 0, 5, &one), Ok(()), "it has forgotten the other");
        check.told.insert((0, key.public()));
        assert_eq!(hear(&mut check, 0, 5, &none), Ok(()), "it has told");
    }
}
