//! hypermesh
