//! That a plot was plotted: once, a member opens some labels in all layers, with all their parents.
//!
//! Before the beacon that chooses them, the member committed on chain to its plot and to its *columns*: a
//! column is one position's labels in all layers. For each challenged position the proof shows the columns of
//! the position and of its parents, and the checker computes the labels of all layers anew.
//!
//! What it shows is that all but a small part of the labels were made from their parents: a part of which δ
//! is wrong passes with (1-δ)^k, where k is 176 in production. It shows nothing about who plotted or when.

use super::challenge::positions;
use super::fault::ProofFault;
use super::merkle::{Leaves, NodeKey, Tree, root_of, siblings_max};
use super::parameters::SpaceParameters;
use super::space::{LABEL_BYTES, Label, LayerReader, PLOT_TREE, PlotIndex, PlotKey, check_count};
use super::space_graph::{Graph, LabelPosition};
use crate::base::{Digest, Domain};
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// What a member puts on chain before the beacon that questions it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlotCommitment {
    /// The root over the labels of the last layer.
    pub plot_root: Digest,
    /// The root over the columns of all layers.
    pub column_root: Digest,
}

/// The columns of the challenged positions and their parents, and the way from them to both roots.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InitialProof {
    /// The columns one after another, in ascending order of their positions, each from layer 0 up.
    pub labels: Vec<Label>,
    /// The siblings on the way to the column root, in pre-order.
    pub column_siblings: Vec<Digest>,
    /// The siblings on the way from the challenged labels of the last layer to the plot root, in pre-order.
    pub plot_siblings: Vec<Digest>,
}

/// The trees over the columns and the last layer, from which the initialisation proof is made.
pub struct ColumnIndex {
    plot: PlotIndex,
    columns: Tree,
}

impl ColumnIndex {
    /// Reads all layers through and builds both trees. Heavy: a job.
    #[must_use]
    pub fn build(parameters: SpaceParameters, layers: &dyn LayerReader) -> Self {
        let leaves = ColumnLeaves { layers, count: parameters.layers };
        let columns = Tree::build(NodeKey::new(COLUMN_TREE), parameters.labels_log2, &leaves);
        Self { plot: PlotIndex::build(parameters, layers), columns }
    }

    /// What goes on chain.
    #[must_use]
    pub fn commitment(&self) -> PlotCommitment {
        PlotCommitment { plot_root: self.plot.root(), column_root: self.columns.root() }
    }
}

/// Shows that the plot under `key` was plotted, at the positions that `beacon` chooses.
#[must_use]
pub fn prove_initial(
    index: &ColumnIndex,
    key: &PlotKey,
    layers: &dyn LayerReader,
    beacon: &Digest,
) -> InitialProof {
    let parameters = index.plot.parameters();
    let questioned = Questioned::new(parameters, key, &index.commitment(), beacon);
    let column = |vertex: &u32| {
        let vertex = *vertex;
        (0..parameters.layers).map(move |layer| layers.label(layer, vertex))
    };
    let leaves = ColumnLeaves { layers, count: parameters.layers };
    InitialProof {
        labels: questioned.closure.iter().flat_map(column).collect(),
        column_siblings: index.columns.open(&leaves, &questioned.closure),
        plot_siblings: index.plot.open(layers, &questioned.challenged),
    }
}

/// Checks an initialisation proof against what was committed before the beacon.
///
/// # Errors
/// If the proof has more or fewer hashes than it can have, does not lead to both roots, or has a label that
/// is not made from its parents.
pub fn verify_initial(
    parameters: &SpaceParameters,
    key: &PlotKey,
    commitment: &PlotCommitment,
    beacon: &Digest,
    proof: &InitialProof,
) -> Result<(), ProofFault> {
    let questioned = Questioned::new(parameters, key, commitment, beacon);
    questioned.check_counts(parameters, proof)?;
    let columns = Columns { closure: &questioned.closure, labels: &proof.labels, layers: parameters.layers };

    let hashes: Vec<Digest> = proof.labels.chunks(parameters.layers as usize).map(column_hash).collect();
    let depth = parameters.labels_log2;
    let key_of_columns = NodeKey::new(COLUMN_TREE);
    let root = root_of(key_of_columns, depth, &questioned.closure, &hashes, &proof.column_siblings);
    if root != Some(commitment.column_root) {
        return Err(ProofFault::WrongColumns);
    }

    let last = parameters.layers - 1;
    let kept: Vec<Digest> =
        questioned.challenged.iter().map(|vertex| Digest(columns.label(last, *vertex))).collect();
    let root = root_of(NodeKey::new(PLOT_TREE), depth, &questioned.challenged, &kept, &proof.plot_siblings);
    if root != Some(commitment.plot_root) {
        return Err(ProofFault::WrongAnswer);
    }
    questioned.challenged.iter().try_for_each(|vertex| columns.check(&questioned.graph, key, *vertex))
}

/// What a beacon asks of a plot.
struct Questioned {
    graph: Graph,
    /// The challenged positions.
    challenged: Vec<u32>,
    /// Those and all their parents.
    closure: Vec<u32>,
}

impl Questioned {
    fn new(
        parameters: &SpaceParameters,
        key: &PlotKey,
        commitment: &PlotCommitment,
        beacon: &Digest,
    ) -> Self {
        let graph = Graph::new(parameters);
        let seed = CHALLENGE.hash(&[&beacon.0, &key.0.0, &commitment.column_root.0, &commitment.plot_root.0]);
        let challenged = positions(&seed, parameters.initial_challenges, parameters.labels_log2);
        let mut closure = challenged.clone();
        for vertex in &challenged {
            closure.extend(graph.base_parents(*vertex).iter().flatten());
            closure.extend(graph.expander_parents(*vertex));
        }
        closure.sort_unstable();
        closure.dedup();
        Self { graph, challenged, closure }
    }

    fn check_counts(&self, parameters: &SpaceParameters, proof: &InitialProof) -> Result<(), ProofFault> {
        let labels = self.closure.len() * parameters.layers as usize;
        if proof.labels.len() != labels {
            return Err(ProofFault::Count { found: proof.labels.len() as u64, allowed: labels as u64 });
        }
        let siblings_max = |count| siblings_max(parameters.labels_log2, count);
        check_count(proof.plot_siblings.len(), siblings_max(parameters.initial_challenges))?;
        let closure = u32::try_from(self.closure.len()).expect("at most the labels of a layer");
        check_count(proof.column_siblings.len(), siblings_max(closure))
    }
}

/// The columns of a proof whose counts were checked.
struct Columns<'a> {
    closure: &'a [u32],
    labels: &'a [Label],
    layers: u32,
}

impl Columns<'_> {
    /// The label of a vertex of the closure.
    fn label(&self, layer: u32, vertex: u32) -> Label {
        let column = self.closure.binary_search(&vertex).expect("the closure holds every vertex asked for");
        self.labels[column * self.layers as usize + layer as usize]
    }

    /// Computes a challenged vertex's labels in all layers anew.
    fn check(&self, graph: &Graph, key: &PlotKey, vertex: u32) -> Result<(), ProofFault> {
        for layer in 0..self.layers {
            let current = |parent| self.label(layer, parent);
            let previous = |parent| self.label(layer - 1, parent);
            if graph.label(key, LabelPosition { layer, vertex }, current, previous)
                != self.label(layer, vertex)
            {
                return Err(ProofFault::WrongLabel { layer, vertex });
            }
        }
        Ok(())
    }
}

/// The hashes of all columns as the leaves of a tree.
struct ColumnLeaves<'a> {
    layers: &'a dyn LayerReader,
    count: u32,
}

impl Leaves for ColumnLeaves<'_> {
    fn read(&self, first: u32, into: &mut [Digest]) {
        let mut labels = alloc::vec![[0; LABEL_BYTES]; into.len()];
        let mut columns = alloc::vec![Vec::with_capacity(self.count as usize); into.len()];
        for layer in 0..self.count {
            self.layers.read(layer, first, &mut labels);
            for (column, label) in columns.iter_mut().zip(&labels) {
                column.push(*label);
            }
        }
        for (leaf, column) in into.iter_mut().zip(&columns) {
            *leaf = column_hash(column);
        }
    }
}

fn column_hash(column: &[Label]) -> Digest {
    COLUMN.hash(&[column.as_flattened()])
}

const COLUMN: Domain = Domain::new("hypermesh v1 plot column");
const COLUMN_TREE: Domain = Domain::new("hypermesh v1 plot column tree");
const CHALLENGE: Domain = Domain::new("hypermesh v1 plot initialisation challenge");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Profile, PublicKey};
    use crate::hypermesh::proof::tests::plot_all_layers;
    use crate::hypermesh::proof::{Plotter, plot_key};

    const PARAMETERS: SpaceParameters = Profile::Sim.proofs().space;
    const BEACON: Digest = Digest([4; 32]);

    fn key() -> PlotKey {
        plot_key("demo", Profile::Sim, &PublicKey([7; 32]))
    }

    fn proven(layers: &dyn LayerReader) -> (PlotCommitment, InitialProof) {
        let index = ColumnIndex::build(PARAMETERS, layers);
        (index.commitment(), prove_initial(&index, &key(), layers, &BEACON))
    }

    #[test]
    fn a_plot_that_was_plotted_is_accepted_for_its_key_and_beacon_alone() {
        let layers = plot_all_layers(PARAMETERS, key());
        let (commitment, proof) = proven(&layers);
        assert_eq!(commitment.plot_root, Plotter::new(PARAMETERS, key()).finish().root());
        assert_eq!(verify_initial(&PARAMETERS, &key(), &commitment, &BEACON, &proof), Ok(()));
        let other = plot_key("other", Profile::Sim, &PublicKey([7; 32]));
        assert!(verify_initial(&PARAMETERS, &other, &commitment, &BEACON, &proof).is_err());
        assert!(verify_initial(&PARAMETERS, &key(), &commitment, &Digest([5; 32]), &proof).is_err());
        assert!(crate::base::encode(&proof).len() <= PARAMETERS.initial_proof_bytes_max());
    }

    #[test]
    fn every_hash_of_a_proof_counts_and_none_may_be_added_or_left_out() {
        let (commitment, proof) = proven(&plot_all_layers(PARAMETERS, key()));
        let verdict = |proof: &InitialProof| verify_initial(&PARAMETERS, &key(), &commitment, &BEACON, proof);
        for label in 0..proof.labels.len() {
            let mut broken = proof.clone();
            broken.labels[label][7] ^= 1;
            assert_eq!(verdict(&broken), Err(ProofFault::WrongColumns));
        }
        let mut broken = proof.clone();
        broken.column_siblings[0].0[0] ^= 1;
        assert_eq!(verdict(&broken), Err(ProofFault::WrongColumns));
        let mut broken = proof.clone();
        broken.plot_siblings[0].0[0] ^= 1;
        assert_eq!(verdict(&broken), Err(ProofFault::WrongAnswer));
        let changes: [fn(&mut InitialProof); 6] = [
            |proof| proof.labels.push([0; 32]),
            |proof| {
                proof.labels.pop();
            },
            |proof| proof.column_siblings.push(Digest::ZERO),
            |proof| {
                proof.column_siblings.pop();
            },
            |proof| proof.plot_siblings.push(Digest::ZERO),
            |proof| {
                proof.plot_siblings.pop();
            },
        ];
        for change in changes {
            let mut broken = proof.clone();
            change(&mut broken);
            assert!(verdict(&broken).is_err());
        }
        for roots in [
            PlotCommitment { plot_root: BEACON, ..commitment },
            PlotCommitment { column_root: BEACON, ..commitment },
        ] {
            assert!(verify_initial(&PARAMETERS, &key(), &roots, &BEACON, &proof).is_err());
        }
    }

    #[test]
    fn noise_in_place_of_a_plot_is_found_out() {
        let mut layers = plot_all_layers(PARAMETERS, key());
        for label in &mut layers[1] {
            label[0] ^= 1;
        }
        let (commitment, proof) = proven(&layers);
        let verdict = verify_initial(&PARAMETERS, &key(), &commitment, &BEACON, &proof);
        assert!(matches!(verdict, Err(ProofFault::WrongLabel { layer: 1, .. })), "{verdict:?}");
    }

    #[test]
    fn wrong_labels_in_a_part_of_the_plot_pass_no_more_often_than_the_bound() {
        const TRIES: u8 = 200;
        let mut layers = plot_all_layers(PARAMETERS, key());
        let last = layers.len() - 1;
        for label in layers[last].iter_mut().step_by(8) {
            label[0] ^= 1;
        }
        let index = ColumnIndex::build(PARAMETERS, &layers);
        let passed = (0..TRIES).filter(|attempt| {
            let beacon = Digest([*attempt; 32]);
            let proof = prove_initial(&index, &key(), &layers, &beacon);
            verify_initial(&PARAMETERS, &key(), &index.commitment(), &beacon, &proof).is_ok()
        });
        // A wrong label spoils its own check, and that of each label that has it for a parent and was not
        // made from it: far fewer pass than the (7/8)^8 = 34% of a prover whose mistakes stay on their own.
        let passed = passed.count();
        assert!(passed <= 68, "{passed} of {TRIES} passed");
    }
}
