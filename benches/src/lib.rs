//! hypermesh-benches
