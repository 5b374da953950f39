//! hypermesh-scenarios
