//! Space: a member answers, at positions that the beacon chooses, from a plot that takes long to make.
//!
//! The plot is the last layer of the [graph](super::space_graph) under the member's [`plot_key`], and its
//! Merkle root stands on chain. The challenge depends on beacon, member and root alone, so there is nothing
//! in a request by which a prover could try for another.
//!
//! An answer shows that the labels were at hand within the time that the chain allows, no more: not where
//! the plot is, not that its keeper has a machine of its own, and with a tenth of the plot forgotten an
//! answer of 32 labels still succeeds one time in thirty; over many beacons such luck runs out. That the
//! root is of a plot and not of noise is for the [initialisation proof](super::InitialProof) to show.

use super::challenge::positions;
use super::fault::ProofFault;
use super::merkle::{Leaves, NodeKey, Tree, root_of, siblings_max};
use super::parameters::SpaceParameters;
use crate::base::{Digest, Domain, Profile, PublicKey};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// A label of a plot.
pub type Label = [u8; LABEL_BYTES];

/// Bytes of a label.
pub(super) const LABEL_BYTES: usize = 32;

/// The key that all labels of a plot are hashed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlotKey(pub Digest);

/// Labels of a plot and the hashes that lead from them to its root.
#[derive(
    Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, serde::Serialize, serde::Deserialize,
)]
pub struct SpaceAnswer {
    /// The labels at the challenged positions, in ascending order of those.
    pub labels: Vec<Label>,
    /// The siblings on the way to the root, in pre-order.
    pub siblings: Vec<Digest>,
}

/// Labels wherever they are kept: in memory or in files.
///
/// A reader that cannot read gives labels of zeros; what is then proved from them fails when it is checked.
pub trait LayerReader {
    /// One label.
    fn label(&self, layer: u32, index: u32) -> Label;

    /// The labels of a layer from `first` on, as many as `into` has room for. Files should read them at once.
    fn read(&self, layer: u32, first: u32, into: &mut [Label]) {
        for (index, label) in (first..).zip(into) {
            *label = self.label(layer, index);
        }
    }
}

/// The tree over a plot whose labels are kept elsewhere. In production it takes 8 MiB for a plot of 1 GiB.
pub struct PlotIndex {
    parameters: SpaceParameters,
    tree: Tree,
}

/// A plot with its labels in memory.
pub struct Plot {
    index: PlotIndex,
    labels: Vec<Label>,
}

/// Labels that are not as many as a plot of these parameters has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found} labels, and a plot of this profile has {expected}: the plot is of another profile, or \
    truncated"
)]
pub struct LabelCountError {
    /// How many there are.
    pub found: usize,
    /// How many there must be.
    pub expected: usize,
}

/// The key of a member's plot. It names the network and its profile and never the genesis hash, which lists
/// the plots and so comes after them.
#[must_use]
pub fn plot_key(network: &str, profile: Profile, member: &PublicKey) -> PlotKey {
    PlotKey(PLOT_KEY.hash(&[network.as_bytes(), profile.name().as_bytes(), &member.0]))
}

/// Checks an answer against the plot's root on chain.
///
/// # Errors
/// If the answer has more or fewer hashes than one can have, or does not lead to the root.
pub fn verify_answer(
    parameters: &SpaceParameters,
    plot_root: &Digest,
    beacon: &Digest,
    member: &PublicKey,
    answer: &SpaceAnswer,
) -> Result<(), ProofFault> {
    answer.check_counts(parameters)?;
    let positions = challenge(parameters, plot_root, beacon, member);
    let leaves: Vec<Digest> = answer.labels.iter().copied().map(Digest).collect();
    let key = NodeKey::new(PLOT_TREE);
    match root_of(key, parameters.labels_log2, &positions, &leaves, &answer.siblings) {
        Some(root) if root == *plot_root => Ok(()),
        _ => Err(ProofFault::WrongAnswer),
    }
}

impl SpaceAnswer {
    /// Refuses lists that no answer under these parameters has.
    pub(super) fn check_counts(&self, parameters: &SpaceParameters) -> Result<(), ProofFault> {
        let labels = parameters.online_challenges as usize;
        if self.labels.len() != labels {
            return Err(ProofFault::Count { found: self.labels.len() as u64, allowed: labels as u64 });
        }
        let siblings_max = siblings_max(parameters.labels_log2, parameters.online_challenges);
        check_count(self.siblings.len(), siblings_max)
    }
}

impl PlotIndex {
    /// Reads the last layer through and builds the tree over it. Heavy: a job.
    #[must_use]
    pub fn build(parameters: SpaceParameters, layers: &dyn LayerReader) -> Self {
        let leaves = LayerLeaves { layers, layer: parameters.layers - 1 };
        let tree = Tree::build(NodeKey::new(PLOT_TREE), parameters.labels_log2, &leaves);
        Self { parameters, tree }
    }

    /// Answers the challenge of a beacon.
    #[must_use]
    pub fn answer(&self, layers: &dyn LayerReader, beacon: &Digest, member: &PublicKey) -> SpaceAnswer {
        let positions = challenge(&self.parameters, &self.root(), beacon, member);
        let layer = self.parameters.layers - 1;
        let labels = positions.iter().map(|position| layers.label(layer, *position)).collect();
        SpaceAnswer { labels, siblings: self.open(layers, &positions) }
    }

    /// The root, which goes on chain.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// The plot's parameters.
    #[must_use]
    pub const fn parameters(&self) -> &SpaceParameters {
        &self.parameters
    }

    /// The siblings of these positions.
    pub(super) fn open(&self, layers: &dyn LayerReader, positions: &[u32]) -> Vec<Digest> {
        self.tree.open(&LayerLeaves { layers, layer: self.parameters.layers - 1 }, positions)
    }
}

impl Plot {
    /// A plot from its labels, the last layer in order. Builds the tree over them. Heavy: a job.
    ///
    /// Whether they are the right labels shows in [`Self::root`] alone.
    ///
    /// # Errors
    /// If there are not as many labels as a plot of these parameters has.
    pub fn from_labels(parameters: SpaceParameters, labels: Vec<Label>) -> Result<Self, LabelCountError> {
        let expected = parameters.labels() as usize;
        if labels.len() != expected {
            return Err(LabelCountError { found: labels.len(), expected });
        }
        Ok(Self { index: PlotIndex::build(parameters, &InMemory(&labels)), labels })
    }

    /// Answers the challenge of a beacon.
    #[must_use]
    pub fn answer(&self, beacon: &Digest, member: &PublicKey) -> SpaceAnswer {
        self.index.answer(&InMemory(&self.labels), beacon, member)
    }

    /// The root, which goes on chain.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.index.root()
    }

    /// The labels, in order.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The tree over the plot, for one who keeps the labels in a file.
    #[must_use]
    pub fn into_index(self) -> PlotIndex {
        self.index
    }
}

/// All layers in memory, as they are for small plots.
impl LayerReader for Vec<Vec<Label>> {
    fn label(&self, layer: u32, index: u32) -> Label {
        self.get(layer as usize).and_then(|labels| labels.get(index as usize)).copied().unwrap_or_default()
    }
}

/// The last layer, whichever number it has.
struct InMemory<'a>(&'a [Label]);

impl LayerReader for InMemory<'_> {
    fn label(&self, _layer: u32, index: u32) -> Label {
        self.0.get(index as usize).copied().unwrap_or_default()
    }
}

/// One layer's labels as the leaves of a tree.
struct LayerLeaves<'a> {
    layers: &'a dyn LayerReader,
    layer: u32,
}

impl Leaves for LayerLeaves<'_> {
    fn read(&self, first: u32, into: &mut [Digest]) {
        let mut labels = alloc::vec![[0; LABEL_BYTES]; into.len()];
        self.layers.read(self.layer, first, &mut labels);
        for (leaf, label) in into.iter_mut().zip(labels) {
            *leaf = Digest(label);
        }
    }
}

/// The positions that a beacon asks for.
pub(super) fn challenge(
    parameters: &SpaceParameters,
    plot_root: &Digest,
    beacon: &Digest,
    member: &PublicKey,
) -> Vec<u32> {
    let seed = CHALLENGE.hash(&[&beacon.0, &member.0, &plot_root.0]);
    positions(&seed, parameters.online_challenges, parameters.labels_log2)
}

/// Refuses a list that is longer than it may be.
pub(super) const fn check_count(found: usize, max: usize) -> Result<(), ProofFault> {
    if found > max {
        return Err(ProofFault::Count { found: found as u64, allowed: max as u64 });
    }
    Ok(())
}

const PLOT_KEY: Domain = Domain::new("hypermesh v1 plot key");
pub(super) const PLOT_TREE: Domain = Domain::new("hypermesh v1 plot tree");
const CHALLENGE: Domain = Domain::new("hypermesh v1 space challenge");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypermesh::proof::Plotter;

    const PARAMETERS: SpaceParameters = Profile::Sim.proofs().space;
    const MEMBER: PublicKey = PublicKey([7; 32]);

    fn plot(parameters: SpaceParameters) -> Plot {
        Plotter::new(parameters, plot_key("demo", Profile::Sim, &MEMBER)).finish()
    }

    #[test]
    fn an_answer_holds_for_its_plot_beacon_and_member_alone() {
        let plot = plot(PARAMETERS);
        let (root, beacon) = (plot.root(), Digest([1; 32]));
        let answer = plot.answer(&beacon, &MEMBER);
        assert_eq!(verify_answer(&PARAMETERS, &root, &beacon, &MEMBER, &answer), Ok(()));
        let wrong = Err(ProofFault::WrongAnswer);
        assert_eq!(verify_answer(&PARAMETERS, &Digest([9; 32]), &beacon, &MEMBER, &answer), wrong);
        assert_eq!(verify_answer(&PARAMETERS, &root, &Digest([2; 32]), &MEMBER, &answer), wrong);
        assert_eq!(verify_answer(&PARAMETERS, &root, &beacon, &PublicKey([8; 32]), &answer), wrong);
    }

    #[test]
    fn every_hash_of_an_answer_counts_and_none_may_be_added_or_left_out() {
        let plot = plot(PARAMETERS);
        let (root, beacon) = (plot.root(), Digest([1; 32]));
        let answer = plot.answer(&beacon, &MEMBER);
        let verdict = |answer: &SpaceAnswer| verify_answer(&PARAMETERS, &root, &beacon, &MEMBER, answer);
        for label in 0..answer.labels.len() {
            let mut broken = answer.clone();
            broken.labels[label][0] ^= 1;
            assert_eq!(verdict(&broken), Err(ProofFault::WrongAnswer));
        }
        for sibling in 0..answer.siblings.len() {
            let mut broken = answer.clone();
            broken.siblings[sibling].0[31] ^= 1;
            assert_eq!(verdict(&broken), Err(ProofFault::WrongAnswer));
        }
        let mut short = answer.clone();
        short.siblings.pop();
        assert_eq!(verdict(&short), Err(ProofFault::WrongAnswer));
        let mut long = answer.clone();
        long.siblings.push(Digest::ZERO);
        assert!(verdict(&long).is_err());
        let mut long = answer;
        long.labels.push([0; 32]);
        assert_eq!(verdict(&long), Err(ProofFault::Count { found: 9, allowed: 8 }));
    }

    #[test]
    fn more_siblings_than_there_can_be_are_refused_by_their_count() {
        let max = siblings_max(PARAMETERS.labels_log2, PARAMETERS.online_challenges);
        let of = |count| SpaceAnswer {
            labels: alloc::vec![[0; 32]; PARAMETERS.online_challenges as usize],
            siblings: alloc::vec![Digest::ZERO; count],
        };
        assert_eq!(of(max).check_counts(&PARAMETERS), Ok(()));
        let (found, allowed) = (max as u64 + 1, max as u64);
        assert_eq!(of(max + 1).check_counts(&PARAMETERS), Err(ProofFault::Count { found, allowed }));
    }

    #[test]
    fn network_profile_and_member_each_have_plots_of_their_own() {
        let key = plot_key("demo", Profile::Sim, &MEMBER);
        assert_ne!(key, plot_key("other", Profile::Sim, &MEMBER));
        assert_ne!(key, plot_key("demo", Profile::Devnet, &MEMBER));
        assert_ne!(key, plot_key("demo", Profile::Sim, &PublicKey([8; 32])));
    }

    #[test]
    fn forgetting_labels_succeeds_no_more_often_than_the_bound() {
        const TRIES: u32 = 400;
        for (percent_forgotten, online_challenges) in [(10_u32, 8_u32), (20, 8), (10, 32)] {
            let parameters =
                SpaceParameters { labels_log2: 10, layers: 1, online_challenges, initial_challenges: 1 };
            let plot = plot(parameters);
            let forgotten = |position: &u32| {
                let noise = CHALLENGE.hash_of(&(*position, "forgotten"));
                u32::from(u16::from_le_bytes([noise.0[0], noise.0[1]])) * 100 < percent_forgotten << 16
            };
            let kept = (0..1024).filter(|position| !forgotten(position)).count();
            let passed = (0..TRIES).filter(|attempt| {
                let beacon = CHALLENGE.hash_of(attempt);
                let mut answer = plot.answer(&beacon, &MEMBER);
                let positions = challenge(&parameters, &plot.root(), &beacon, &MEMBER);
                for (label, position) in answer.labels.iter_mut().zip(&positions) {
                    if forgotten(position) {
                        *label = [0; 32];
                    }
                }
                verify_answer(&parameters, &plot.root(), &beacon, &MEMBER, &answer).is_ok()
            });
            let passed = f64::from(u32::try_from(passed.count()).unwrap()) / f64::from(TRIES);
            let kept = f64::from(u32::try_from(kept).unwrap()) / 1024.0;
            let bound = (0..online_challenges).fold(1.0, |bound, _| bound * kept);
            assert!((passed - bound).abs() < 0.06, "{percent_forgotten}% forgotten: {passed}, bound {bound}");
        }
    }
}
