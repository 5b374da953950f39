//! How full this node's tables and queues are, against the limits that they state: for whoever watches that memory
//! stays bounded.

use crate::base::Size;
use crate::node::Node;
use alloc::vec::Vec;

impl Node {
    /// How much each table and queue of this node holds, and how much it may hold.
    #[must_use]
    pub fn sizes(&self) -> Vec<Size> {
        let validators = self.cx.state.validators().count();
        let mut sizes = alloc::vec![
            Size::limited("validators linked", self.cx.connected.len(), validators),
            self.cx.outbox.size(),
            Size::unstated("timers", self.cx.timers.count()),
        ];
        sizes.extend(self.cx.admission.sizes());
        sizes.extend(self.cx.jobs.sizes(validators));
        sizes.extend(self.ordering.engine.sizes());
        sizes.extend(self.ordering.sizes());
        sizes.extend(self.pool.sizes(self.cx.state.genesis_document().all_members().count(), validators));
        sizes.extend(self.submission.sizes());
        sizes.extend(self.sync.sizes(validators));
        sizes.extend(self.signing.sizes(validators));
        sizes.push(self.recall.size(validators));
        sizes.push(self.row_repair.size());
        sizes.push(self.addresses.size(validators));
        sizes.extend(self.cx.traces.sizes(validators));
        sizes
    }
}
