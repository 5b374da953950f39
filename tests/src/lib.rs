//! hypermesh-tests
