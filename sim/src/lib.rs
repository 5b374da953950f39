//! hypermesh-sim
