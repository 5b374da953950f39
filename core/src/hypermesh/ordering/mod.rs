//! Byzantine-fault-tolerant ordering of blocks, on the core of Malachite.
