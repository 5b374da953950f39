//! FROST as the committee uses it, over the group of this build: Ed25519, or a stand-in for simulations.
//!
//! Which of the two is decided by `--cfg hypermesh_simulation_crypto`; see `hypermesh_base::scheme`. All of FROST is the same code
//! in both, and so is all that the committee makes of it: only the group and the hashes differ.

#[cfg(not(hypermesh_simulation_crypto))]
mod ed25519;
#[cfg(any(test, hypermesh_simulation_crypto))]
mod simulation;

#[cfg(not(hypermesh_simulation_crypto))]
pub(super) use ed25519::{Suite, decode_element, encode_element, multiply_generator};
#[cfg(hypermesh_simulation_crypto)]
pub(super) use simulation::{Suite, decode_element, encode_element, multiply_generator};

pub(super) use frost_core::{CheaterDetection, Ciphersuite, Group, aggregate_custom};

pub(super) type SuiteGroup = <Suite as Ciphersuite>::Group;
pub(super) type Element = frost_core::Element<Suite>;
pub(super) type Error = frost_core::Error<Suite>;
pub(super) type Identifier = frost_core::Identifier<Suite>;
pub(super) type Signature = frost_core::Signature<Suite>;
pub(super) type SigningPackage = frost_core::SigningPackage<Suite>;
pub(super) type VerifyingKey = frost_core::VerifyingKey<Suite>;

pub(super) mod round1 {
    use super::Suite;

    pub(in super::super) type Nonce = frost_core::round1::Nonce<Suite>;
    pub(in super::super) type NonceCommitment = frost_core::round1::NonceCommitment<Suite>;
    pub(in super::super) type SigningCommitments = frost_core::round1::SigningCommitments<Suite>;
    pub(in super::super) type SigningNonces = frost_core::round1::SigningNonces<Suite>;
}

pub(super) mod round2 {
    pub(in super::super) use frost_core::round2::sign;

    pub(in super::super) type SignatureShare = frost_core::round2::SignatureShare<super::Suite>;
}

pub(super) mod keys {
    use super::Suite;

    pub(in super::super) type KeyPackage = frost_core::keys::KeyPackage<Suite>;
    pub(in super::super) type PublicKeyPackage = frost_core::keys::PublicKeyPackage<Suite>;
    pub(in super::super) type SecretShare = frost_core::keys::SecretShare<Suite>;
    pub(in super::super) type SigningShare = frost_core::keys::SigningShare<Suite>;
    pub(in super::super) type VerifiableSecretSharingCommitment =
        frost_core::keys::VerifiableSecretSharingCommitment<Suite>;
    pub(in super::super) type VerifyingShare = frost_core::keys::VerifyingShare<Suite>;
}

pub(super) mod generation {
    pub(in super::super) use frost_core::keys::dkg::{part1, part2, part3};

    pub(in super::super) mod round1 {
        use super::super::Suite;

        pub(in super::super::super) type Package = frost_core::keys::dkg::round1::Package<Suite>;
        pub(in super::super::super) type SecretPackage = frost_core::keys::dkg::round1::SecretPackage<Suite>;
    }

    pub(in super::super) mod round2 {
        use super::super::Suite;

        pub(in super::super::super) type Package = frost_core::keys::dkg::round2::Package<Suite>;
        pub(in super::super::super) type SecretPackage = frost_core::keys::dkg::round2::SecretPackage<Suite>;
    }
}

pub(super) mod repairable {
    use super::Suite;

    pub(in super::super) use frost_core::keys::repairable::{
        repair_share_part1, repair_share_part2, repair_share_part3,
    };

    pub(in super::super) type Delta = frost_core::keys::repairable::Delta<Suite>;
    pub(in super::super) type Sigma = frost_core::keys::repairable::Sigma<Suite>;
}
