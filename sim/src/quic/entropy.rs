//! Randomness out of the seed, for many tasks of one node at once.

use crate::base::{Random, Stream};
use hypermesh_core::base::Entropy;
use rustls::crypto::{GetRandomFailed, SecureRandom};
use std::fmt;
use std::sync::{Arc, Mutex};
use stoq::SharedEntropy;

/// A stream of random bytes. Clones draw from the same stream: the tasks of a node run on one thread, in an
/// order that follows from the seed.
#[derive(Clone)]
pub(super) struct SeededEntropy(Arc<Mutex<Random>>);

impl SeededEntropy {
    pub(super) fn new(stream: Stream<'_>) -> Self {
        Self(Arc::new(Mutex::new(Random::new(stream))))
    }

    pub(super) fn draw(&self, buffer: &mut [u8]) {
        let mut random = self.0.lock().expect("drawing does not panic");
        Entropy::fill(&mut *random, buffer);
    }
}

impl SharedEntropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.draw(buffer);
    }
}

impl SecureRandom for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.draw(buffer);
        Ok(())
    }
}

impl fmt::Debug for SeededEntropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SeededEntropy")
    }
}
