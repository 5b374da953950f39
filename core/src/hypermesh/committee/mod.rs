//! The committee of validators that holds the signing keys in shares: key generation and threshold signing.
