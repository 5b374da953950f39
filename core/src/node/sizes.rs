//! How full this node's tables and queues are, against the limits that they state: for whoever watches that memory
//! stays bounded.

use super::Node;
use crate::base::Size;
use alloc::vec::Vec;

impl Node {
    /// How much each table and queue of this node holds, and how much it may hold.
    #[must_use]
    pub fn sizes(&self) -> Vec<Size> {
        let validators = self.state.validators().count();
        let mut sizes = alloc::vec![
            Size::limited("validators linked", self.connected.len(), validators),
            self.outbox.size(),
            Size::unstated("timers", self.timers.count()),
        ];
        sizes.extend(self.admission.sizes());
        sizes.extend(self.jobs.sizes(validators));
        sizes.extend(self.engine.sizes());
        sizes.extend(self.ordering.sizes());
        sizes.extend(self.pool.sizes(self.state.genesis_document().all_members().count(), validators));
        sizes.extend(self.submission.sizes());
        sizes.extend(self.sync.sizes(validators));
        sizes.extend(self.signing.sizes(validators));
        sizes.push(self.recall.size(validators));
        sizes.push(self.row_repair.size());
        sizes.push(self.addresses.size(validators));
        sizes.push(self.tickets.size());
        sizes.extend(self.traces.sizes(validators));
        sizes
    }
}
