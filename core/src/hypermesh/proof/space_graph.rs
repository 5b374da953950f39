//! The stacked graph whose labels a plot is: the SDR construction (Fisch, "Tight Proofs of Space and
//! Replication", EUROCRYPT 2019).
//!
//! Within a layer, labels depend on earlier ones by a depth-robust graph: DRSample (Alwen, Blocki and Harsha,
//! CCS 2017) over metanodes of five, which with the predecessor makes six parents. Between layers, each label
//! depends on eight of the layer below by a Chung expander, a Feistel permutation of the edges. Whoever
//! forgets labels must walk long paths to compute them again. The graph is the same for all members; the
//! labels are keyed by the [plot key](super::plot_key). Its concrete strength rests on heuristics, not on a
//! tight theorem.

use super::parameters::SpaceParameters;
use super::space::{LABEL_BYTES, Label, PlotKey};
use crate::base::Domain;

/// Parents in the same layer.
pub(super) const BASE_PARENTS: usize = 6;
/// Parents in the layer below: a power of two, so that edges have as many bits as labels and three.
pub(super) const EXPANDER_PARENTS: usize = 8;
/// All parents.
pub(super) const PARENTS: usize = BASE_PARENTS + EXPANDER_PARENTS;

/// The graph of one shape of plots.
pub(super) struct Graph {
    labels_log2: u32,
    round_keys: [u64; ROUNDS],
}

impl Graph {
    /// The graph for plots of this shape.
    pub(super) fn new(parameters: &SpaceParameters) -> Self {
        let shape = [parameters.labels_log2, parameters.layers].map(u32::to_le_bytes);
        let seed = GRAPH.hash(&[&shape[0], &shape[1]]);
        let mut round_keys = [0; ROUNDS];
        for (key, bytes) in round_keys.iter_mut().zip(seed.0.as_chunks::<8>().0) {
            *key = u64::from_le_bytes(*bytes);
        }
        Self { labels_log2: parameters.labels_log2, round_keys }
    }

    /// The parents of a vertex in its own layer, all before it; none for the first.
    pub(super) fn base_parents(&self, vertex: u32) -> Option<[u32; BASE_PARENTS]> {
        let predecessor = vertex.checked_sub(1)?;
        let mut parents = [predecessor; BASE_PARENTS];
        for (parent, slot) in parents.iter_mut().skip(1).zip(0..METANODE) {
            let metanode = u64::from(vertex) * METANODE + slot;
            let earlier = metanode.saturating_sub(self.distance_back(metanode)) / METANODE;
            *parent = to_vertex(earlier).min(predecessor);
        }
        Some(parents)
    }

    /// How far back the sampled parent of a metanode lies: its order of magnitude is uniform, and within it
    /// the distance is.
    fn distance_back(&self, metanode: u64) -> u64 {
        let first = mix(self.round_keys[0] ^ mix(metanode));
        let second = mix(first ^ self.round_keys[1]);
        let magnitude = first % u64::from(metanode.max(2).ilog2()) + 1;
        let reach = metanode.min(1 << magnitude);
        let nearest = (reach / 2).max(2).min(reach.max(2));
        let farthest = reach.max(nearest);
        nearest + second % (farthest - nearest + 1)
    }

    /// The parents of a vertex in the layer below.
    pub(super) fn expander_parents(&self, vertex: u32) -> [u32; EXPANDER_PARENTS] {
        let first_edge = u64::from(vertex) * EXPANDER_PARENTS as u64;
        let mut edge = first_edge;
        [(); EXPANDER_PARENTS].map(|()| {
            let parent = to_vertex(self.permute(edge) / EXPANDER_PARENTS as u64);
            edge += 1;
            parent
        })
    }

    /// A permutation of the edges between two layers: four Feistel rounds, walked again while they lead out
    /// of the range (which happens only if the number of bits is odd).
    fn permute(&self, edge: u64) -> u64 {
        let bits = self.labels_log2 + EXPANDER_PARENTS.trailing_zeros();
        let half = bits.div_ceil(2);
        let mask = (1 << half) - 1;
        let mut value = edge;
        loop {
            let (mut left, mut right) = (value >> half, value & mask);
            for key in &self.round_keys {
                (left, right) = (right, left ^ (mix(right ^ key) & mask));
            }
            value = left << half | right;
            if value >> bits == 0 {
                return value;
            }
        }
    }

    /// The label of a vertex, given those of its parents: `current` in its own layer, `previous` in the
    /// layer below, which for layer 0 is not asked.
    pub(super) fn label(
        &self,
        key: &PlotKey,
        place: LabelPosition,
        current: impl Fn(u32) -> Label,
        previous: impl Fn(u32) -> Label,
    ) -> Label {
        let base = self.base_parents(place.vertex).into_iter().flatten().map(current);
        let below = (place.layer > 0).then(|| self.expander_parents(place.vertex));
        let parents = base.chain(below.into_iter().flatten().map(previous));

        let mut message = [0; HEADER_BYTES + PARENTS * LABEL_BYTES];
        let (header, body) = message.split_at_mut(HEADER_BYTES);
        header[..4].copy_from_slice(&place.layer.to_le_bytes());
        header[4..].copy_from_slice(&place.vertex.to_le_bytes());
        let mut bytes = HEADER_BYTES;
        for (slot, label) in body.as_chunks_mut().0.iter_mut().zip(parents) {
            *slot = label;
            bytes += LABEL_BYTES;
        }
        *blake3::keyed_hash(&key.0.0, &message[..bytes]).as_bytes()
    }
}

/// Where a label stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LabelPosition {
    /// The layer, from 0.
    pub(super) layer: u32,
    /// The position in the layer.
    pub(super) vertex: u32,
}

/// A stirring of 64 bits that no input escapes (the finaliser of SplitMix64). The graph is public and the
/// same for all, so it need only look random, not be secret.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

fn to_vertex(position: u64) -> u32 {
    u32::try_from(position).expect("no vertex has more than 30 bits")
}

const GRAPH: Domain = Domain::new("hypermesh v1 space graph");
/// Layer and vertex before the parents' labels, so that no two labels are hashes of the same message.
const HEADER_BYTES: usize = 8;
/// Rounds of the permutation between layers.
const ROUNDS: usize = 4;
/// Metanodes of a vertex: one for each sampled parent.
const METANODE: u64 = BASE_PARENTS as u64 - 1;

const _: () = assert!(EXPANDER_PARENTS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Profile;
    use alloc::vec;

    fn graph(labels_log2: u32) -> Graph {
        Graph::new(&SpaceParameters { labels_log2, ..Profile::Sim.proofs().space })
    }

    #[test]
    fn parents_in_a_layer_come_before_their_child() {
        let graph = graph(10);
        assert_eq!(graph.base_parents(0), None);
        for vertex in 1..1024 {
            let parents = graph.base_parents(vertex).unwrap();
            assert_eq!(parents[0], vertex - 1);
            assert!(parents.iter().all(|parent| *parent < vertex), "{vertex}: {parents:?}");
        }
    }

    #[test]
    fn every_label_is_the_parent_of_eight_in_the_layer_above() {
        for labels_log2 in [8, 9] {
            let mut children = vec![0; 1 << labels_log2];
            let graph = graph(labels_log2);
            for vertex in 0..1 << labels_log2 {
                for parent in graph.expander_parents(vertex) {
                    children[parent as usize] += 1;
                }
            }
            assert!(children.iter().all(|count| *count == EXPANDER_PARENTS));
        }
    }
}
