//! Randomness that is handed in. The real node draws it from the operating system, the simulator from a seed.

/// A source of random bytes.
pub trait Entropy: Send {
    /// Fills `buffer` with bytes that nobody else can predict.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// An [`Entropy`] as the random number generator that the signature libraries ask for.
pub struct EntropyRng<'a>(pub &'a mut dyn Entropy);

impl rand_core::RngCore for EntropyRng<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill(buffer);
        Ok(())
    }
}

impl rand_core::CryptoRng for EntropyRng<'_> {}
