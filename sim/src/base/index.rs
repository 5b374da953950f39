//! Nodes and links by number.

/// A node, by its place in the world, from 0.
pub type NodeIndex = usize;

/// A link between two nodes, seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// This end.
    pub source: NodeIndex,
    /// The other end.
    pub target: NodeIndex,
}

impl Link {
    /// The link as seen from the end with the lower place.
    pub(crate) fn sorted(self) -> Self {
        Self { source: self.source.min(self.target), target: self.source.max(self.target) }
    }
}
