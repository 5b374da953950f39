//! The four proofs that admit a batch: space, stake, work and time.
