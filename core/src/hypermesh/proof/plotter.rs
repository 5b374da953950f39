//! Making a plot, in steps that the caller drives, so that it can be paused, saved and taken up again.

use super::parameters::SpaceParameters;
use super::space::{LABEL_BYTES, Label, Plot, PlotKey};
use super::space_graph::{Graph, LabelPosition};
use alloc::vec::Vec;

/// Makes a plot layer by layer. Memory: two layers, of 1 GiB each in production.
///
/// The caller calls [`advance`](Self::advance) until all labels are done, and after each call may append
/// [`newly_filled`](Self::newly_filled) to the file of [`layer`](Self::layer). With the files of that layer
/// and of the one before, [`resume`](Self::resume) goes on after an interruption. `advance` never goes over
/// the end of a layer, so what is newly filled belongs to one. All layers are needed once, for the
/// [initialisation proof](super::prove_initial); after that only the last is.
pub struct Plotter {
    parameters: SpaceParameters,
    key: PlotKey,
    graph: Graph,
    layer: u32,
    previous: Vec<Label>,
    current: Vec<Label>,
    /// How many labels of the current layer had been filled before the last step.
    filled_before: usize,
}

/// How far a plot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Labels that have been computed, over all layers.
    pub labels_done: u64,
    /// Labels of a whole plot, over all layers.
    pub labels_total: u64,
}

/// Saved layers that no interrupted plot leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// There is no such layer.
    #[error("layer {layer} of a plot that has {layers}: the files are of another profile")]
    Layer {
        /// The layer that was named.
        layer: u32,
        /// How many there are.
        layers: u32,
    },
    /// The layer before the one under way is not whole.
    #[error("the previous layer has {found} labels, expected {expected}: plot it again")]
    Previous {
        /// How many labels it has.
        found: usize,
        /// How many it must have: none before layer 0.
        expected: usize,
    },
    /// The layer under way has more labels than a layer can.
    #[error("the layer in progress has {found} labels, at most {max} are allowed: plot it again")]
    Current {
        /// How many labels it has.
        found: usize,
        /// How many it can have.
        max: usize,
    },
}

impl Plotter {
    /// Begins a plot.
    #[must_use]
    pub fn new(parameters: SpaceParameters, key: PlotKey) -> Self {
        Self {
            parameters,
            key,
            graph: Graph::new(&parameters),
            layer: 0,
            previous: Vec::new(),
            current: Vec::with_capacity(parameters.labels() as usize),
            filled_before: 0,
        }
    }

    /// Goes on with a plot of which `layer` is under way: with the whole layer before it (empty for layer 0)
    /// and as much of it as was saved. That the labels are the right ones is not checked.
    ///
    /// # Errors
    /// If the layers do not have the sizes that such a plot's have.
    pub fn resume(
        parameters: SpaceParameters,
        key: PlotKey,
        layer: u32,
        previous_layer: Vec<Label>,
        current_prefix: Vec<Label>,
    ) -> Result<Self, ResumeError> {
        let labels = parameters.labels() as usize;
        if layer >= parameters.layers {
            return Err(ResumeError::Layer { layer, layers: parameters.layers });
        }
        let expected = if layer == 0 { 0 } else { labels };
        if previous_layer.len() != expected {
            return Err(ResumeError::Previous { found: previous_layer.len(), expected });
        }
        if current_prefix.len() > labels {
            return Err(ResumeError::Current { found: current_prefix.len(), max: labels });
        }
        let filled_before = current_prefix.len();
        let mut plotter = Self::new(parameters, key);
        plotter.layer = layer;
        plotter.previous = previous_layer;
        plotter.current = current_prefix;
        plotter.current.reserve_exact(labels - filled_before);
        plotter.filled_before = filled_before;
        Ok(plotter)
    }

    /// Computes at most `labels_max` labels, and none past the end of a layer. Does nothing when all are done.
    pub fn advance(&mut self, labels_max: u32) -> Progress {
        if self.current_is_full() && self.layer + 1 < self.parameters.layers {
            core::mem::swap(&mut self.previous, &mut self.current);
            self.current.clear();
            self.current.reserve_exact(self.parameters.labels() as usize);
            self.layer += 1;
        }
        self.filled_before = self.current.len();
        let filled = self.filled();
        let end = filled.saturating_add(labels_max).min(self.parameters.labels());
        for vertex in filled..end {
            let label = self.next_label(vertex);
            self.current.push(label);
        }
        self.progress()
    }

    /// Computes what is still to do and builds the tree over the last layer. Heavy: a job.
    #[must_use]
    pub fn finish(mut self) -> Plot {
        while !self.progress().is_complete() {
            self.advance(self.parameters.labels());
        }
        drop(self.previous);
        Plot::from_labels(self.parameters, self.current).expect("the last layer is full")
    }

    /// How far the plot is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let labels = u64::from(self.parameters.labels());
        Progress {
            labels_done: u64::from(self.layer) * labels + u64::from(self.filled()),
            labels_total: self.parameters.labels_total(),
        }
    }

    /// The layer under way, from 0. It changes at the beginning of a step, not at the end.
    #[must_use]
    pub const fn layer(&self) -> u32 {
        self.layer
    }

    /// The whole layer before the one under way; empty for layer 0.
    #[must_use]
    pub fn previous_layer(&self) -> &[Label] {
        &self.previous
    }

    /// What there is of the layer under way.
    #[must_use]
    pub fn current_layer(&self) -> &[Label] {
        &self.current
    }

    /// What the last step added to the layer under way.
    #[must_use]
    pub fn newly_filled(&self) -> &[Label] {
        self.current.get(self.filled_before..).unwrap_or_default()
    }

    fn next_label(&self, vertex: u32) -> Label {
        let place = LabelPosition { layer: self.layer, vertex };
        // Parents lie before the vertex in its layer, and anywhere in the one below, which is whole.
        let current = |parent: u32| self.current[parent as usize];
        let previous = |parent: u32| self.previous[parent as usize];
        self.graph.label(&self.key, place, current, previous)
    }

    fn filled(&self) -> u32 {
        u32::try_from(self.current.len()).expect("a layer has at most 2^30 labels")
    }

    fn current_is_full(&self) -> bool {
        self.filled() == self.parameters.labels()
    }
}

impl Progress {
    /// Whether the plot is whole.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.labels_done == self.labels_total
    }
}

const _: () = assert!(size_of::<Label>() == LABEL_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Profile, PublicKey};
    use crate::hypermesh::proof::plot_key;
    use alloc::string::ToString;

    fn begun() -> (SpaceParameters, PlotKey) {
        (Profile::Sim.proofs().space, plot_key("demo", Profile::Sim, &PublicKey([7; 32])))
    }

    #[test]
    fn a_plot_is_the_same_however_it_is_divided_into_steps() {
        let (parameters, key) = begun();
        let whole = Plotter::new(parameters, key).finish();
        let mut plotter = Plotter::new(parameters, key);
        let mut steps = 0;
        while !plotter.advance(100).is_complete() {
            steps += 1;
        }
        assert_eq!(steps, 3 * 3 - 1, "a step ends with its layer");
        assert!(plotter.advance(100).is_complete(), "there is nothing left to do");
        assert_eq!(plotter.finish().root(), whole.root());
    }

    #[test]
    fn a_plot_interrupted_anywhere_goes_on_to_the_same_root() {
        let (parameters, key) = begun();
        let root = Plotter::new(parameters, key).finish().root();
        let mut files: Vec<Vec<Label>> = alloc::vec![Vec::new(); 3];
        let mut plotter = Plotter::new(parameters, key);
        while !plotter.advance(97).is_complete() {
            files[plotter.layer() as usize].extend_from_slice(plotter.newly_filled());
            let layer = plotter.layer();
            let previous = layer.checked_sub(1).map(|before| files[before as usize].clone());
            let prefix = files[layer as usize].clone();
            assert_eq!(plotter.current_layer(), prefix);
            plotter = Plotter::resume(parameters, key, layer, previous.unwrap_or_default(), prefix).unwrap();
        }
        assert_eq!(plotter.finish().root(), root);
    }

    #[test]
    fn a_plot_is_rebuilt_from_its_labels_alone() {
        let (parameters, key) = begun();
        let plot = Plotter::new(parameters, key).finish();
        let again = Plot::from_labels(parameters, plot.labels().to_vec()).unwrap();
        assert_eq!(again.root(), plot.root());
        let cut = Plot::from_labels(parameters, plot.labels()[1..].to_vec());
        assert_eq!(cut.err().unwrap().found, 255);
    }

    #[test]
    fn layers_of_the_wrong_size_are_refused() {
        let (parameters, key) = begun();
        let resume = |layer, previous, current| {
            let labels = |count| alloc::vec![[0; 32]; count];
            Plotter::resume(parameters, key, layer, labels(previous), labels(current)).err()
        };
        assert_eq!(resume(2, 256, 256), None);
        assert_eq!(resume(3, 256, 0), Some(ResumeError::Layer { layer: 3, layers: 3 }));
        assert_eq!(resume(0, 256, 0), Some(ResumeError::Previous { found: 256, expected: 0 }));
        assert_eq!(resume(1, 255, 0), Some(ResumeError::Previous { found: 255, expected: 256 }));
        assert_eq!(resume(1, 256, 257), Some(ResumeError::Current { found: 257, max: 256 }));
    }

    #[test]
    fn the_plot_of_a_key_is_this_one_for_ever() {
        let (parameters, key) = begun();
        let root = Plotter::new(parameters, key).finish().root();
        assert_eq!(root.to_string(), "3863d74fef5c38204e9e3c1e042954d3b90b8ecb5c563d0b630cd15f0d2c07a3");
    }
}
