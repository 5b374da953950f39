//! stoq
