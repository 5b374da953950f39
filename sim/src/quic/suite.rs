//! The cryptography that ships, with all that it draws from the operating system drawn from the seed instead.
//!
//! One thing differs on the wire: keys are exchanged by X25519 alone, because aws-lc-rs gives its own groups no
//! way to take their secrets from elsewhere. Packets are protected, handshakes signed and keys derived by the
//! code of the real node.

use super::entropy::SeededEntropy;
use hypermesh_core::base::Digest;
use quinn::crypto::{HandshakeTokenKey, HmacKey};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SharedSecret, SupportedKxGroup};
use rustls::quic::Suite;
use rustls::{Error, NamedGroup, PeerMisbehaved};
use std::sync::Arc;
use stoq::CryptoSuite;
use x25519_dalek::{PublicKey, StaticSecret};

/// The suite that ships, drawing from the seed.
pub(super) struct SeededSuite {
    shipped: Arc<dyn CryptoSuite>,
    entropy: SeededEntropy,
}

impl SeededSuite {
    pub(super) fn new(shipped: Arc<dyn CryptoSuite>, entropy: SeededEntropy) -> Self {
        Self { shipped, entropy }
    }
}

impl CryptoSuite for SeededSuite {
    fn provider(&self) -> Arc<CryptoProvider> {
        // rustls holds these for as long as the process runs: some two hundred bytes each time a node starts.
        let entropy: &'static SeededEntropy = Box::leak(Box::new(self.entropy.clone()));
        let shipped = CryptoProvider::clone(&self.shipped.provider());
        Arc::new(CryptoProvider { kx_groups: vec![entropy], secure_random: entropy, ..shipped })
    }

    fn initial_suite(&self) -> Suite {
        self.shipped.initial_suite()
    }

    fn reset_key(&self, secret: &Digest) -> Arc<dyn HmacKey> {
        self.shipped.reset_key(secret)
    }

    fn token_key(&self, secret: &Digest) -> Arc<dyn HandshakeTokenKey> {
        self.shipped.token_key(secret)
    }
}

/// X25519 (RFC 7748) with secrets from the seed.
impl SupportedKxGroup for SeededEntropy {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        self.draw(&mut secret);
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret).to_bytes();
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: StaticSecret,
    public: [u8; 32],
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let secret = self.secret.diffie_hellman(&peer.into());
        // RFC 8446 §7.4.2: an all-zero secret must be refused.
        if !secret.was_contributory() {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(secret.as_bytes().as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
