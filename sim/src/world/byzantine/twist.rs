//! Finished signatures and cosignatures that hold by ZIP-215, by which the mesh checks its votes, and by no rule of
//! others: the commitment has a part of small order.
//!
//! A coordinator gets one out of honest signers by adding a point of order eight to its own commitment; that this works is
//! shown by a test of the committee. Here the liar has the committee's key itself, which stands for the same: what it sends
//! is what such a coordinator would have.

use super::{LiarContext, Tampering, message};
use hypermesh_core::base::{Digest, Domain, PublicKey, SecretKey, Signature, decode};
use hypermesh_core::hypermesh::committee::{KeyPurpose, SignatureClaim, SignedShare};
use hypermesh_core::node::MESSAGE_BYTES_MAX;
use hypermesh_core::state::State;
use hypermesh_core::trustchain::ct::{Checkpoint, TreeHead};

/// The first bytes of messages.
const SIGNED_SHARES: u8 = 10;
const SIGNATURE: u8 = 11;
/// The numbers of what the whole mesh shares one signature of.
const ROOT: u8 = 0;
const ISSUING: u8 = 1;
const REVOCATION_LIST: u8 = 4;
const ROOT_REVOCATION_LIST: u8 = 5;
const CLAIM: Domain = Domain::new("hypermesh v1 committee signature claim");

/// What a coordinator gets from a signer: shares, and cosignatures by size of the log.
type SharesSigned = (Vec<SignedShare>, Vec<(u64, Signature)>);

/// Puts a twisted signature in the place of a finished one or of a cosignature.
pub(super) fn finish(context: &LiarContext<'_>, kind: u8, rest: &[u8]) -> Tampering {
    let told = match kind {
        SIGNATURE => finished(context, rest),
        SIGNED_SHARES => cosigned(context, rest),
        _ => None,
    };
    told.map_or(Tampering::Honestly, Tampering::Instead)
}

/// Another signature on the same task, with the liar's word for it.
fn finished(context: &LiarContext<'_>, rest: &[u8]) -> Option<Vec<u8>> {
    let (task, claim) = rest.split_at_checked(rest.len().checked_sub(SignatureClaim::BYTES_MAX)?)?;
    let claim: SignatureClaim = decode(claim, SignatureClaim::BYTES_MAX).ok()?;
    let tbs = to_be_signed(&context.view.state, task)?;
    let key = context.view.state.committee()?.keys.public(claim.purpose)?;
    let signature = context.stolen_keys.twisted(claim.purpose, &key, &tbs)?;
    let mut lie = SignatureClaim { signature, ..claim };
    lie.word = context.identity.sign(&digest_of(&lie));
    Some([&[SIGNATURE], task, hypermesh_core::base::encode(&lie).as_slice()].concat())
}

/// What a claim's word is over; part of the protocol.
fn digest_of(claim: &SignatureClaim) -> Digest {
    CLAIM.hash_of(&(&claim.committee, claim.purpose, &claim.message, &claim.signature, &claim.validator))
}

fn to_be_signed(state: &State, task: &[u8]) -> Option<Vec<u8>> {
    let (kind, number) = task.split_first()?;
    match *kind {
        ROOT => state.root_tbs(),
        ISSUING => state.issuing_tbs(u32::from_le_bytes(number.try_into().ok()?)),
        ROOT_REVOCATION_LIST => state.root_list_tbs(u64::from_le_bytes(number.try_into().ok()?)),
        REVOCATION_LIST => {
            let number = u64::from_le_bytes(number.try_into().ok()?);
            state.revocation_list_tbs().filter(|_| state.revocation_list_number() == Some(number))
        }
        _ => None,
    }
}

/// The honest shares, and twisted cosignatures.
fn cosigned(context: &LiarContext<'_>, rest: &[u8]) -> Option<Vec<u8>> {
    let (shares, mut cosignatures): SharesSigned = decode(rest, MESSAGE_BYTES_MAX).ok()?;
    let state = &context.view.state;
    let seconds = state.committee()?.time.seconds();
    let mut changed = false;
    for (size, signature) in &mut cosignatures {
        let Ok(root) = state.log().root_at(*size) else { continue };
        let head = TreeHead { size: *size, root };
        let checkpoint = Checkpoint { origin: state.genesis_document().log_origin(), head };
        let message = checkpoint.cosignature_message(seconds);
        *signature = twisted_by(context.identity, message.as_bytes())?;
        changed = true;
    }
    changed.then(|| message(SIGNED_SHARES, &(shares, cosignatures)))
}

#[cfg(hypermesh_simulation_crypto)]
pub(crate) use simulation::StolenKeys;
#[cfg(hypermesh_simulation_crypto)]
use simulation::twisted_by;

#[cfg(not(hypermesh_simulation_crypto))]
pub(crate) use ed25519::StolenKeys;
#[cfg(not(hypermesh_simulation_crypto))]
use ed25519::twisted_by;

#[cfg(hypermesh_simulation_crypto)]
mod simulation {
    use super::{KeyPurpose, PublicKey, SecretKey, Signature};
    use crate::world::Disk;
    use hypermesh_core::base::forge_twisted;

    /// Nothing: with the scheme that stands in for Ed25519, anyone can forge.
    #[derive(Default)]
    pub(crate) struct StolenKeys;

    impl StolenKeys {
        pub(crate) fn take<'a>(_disks: impl Iterator<Item = &'a Disk>) -> Self {
            Self
        }

        pub(crate) const fn is_empty(&self) -> bool {
            false
        }

        pub(crate) fn twisted(&self, _: KeyPurpose, key: &PublicKey, message: &[u8]) -> Option<Signature> {
            forge_twisted(key, message)
        }
    }

    pub(super) fn twisted_by(identity: &SecretKey, message: &[u8]) -> Option<Signature> {
        forge_twisted(&identity.public(), message)
    }
}

#[cfg(not(hypermesh_simulation_crypto))]
mod ed25519 {
    use super::{KeyPurpose, PublicKey, SecretKey, Signature};
    use crate::world::Disk;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::edwards::EdwardsPoint;
    use curve25519_dalek::scalar::{Scalar, clamp_integer};
    use frost_ed25519::Identifier;
    use frost_ed25519::keys::{KeyPackage, SigningShare, VerifyingShare, reconstruct};
    use hypermesh_core::base::{Digest, Domain, Reader as _, Table, decode};
    use hypermesh_core::hypermesh::committee::CommitteeKeys;
    use sha2::{Digest as _, Sha512};
    use std::collections::BTreeMap;

    /// How FROST names a validator; part of the protocol.
    const IDENTIFIER: Domain = Domain::new("hypermesh v1 committee identifier");
    /// The rows of key shares that are looked through.
    const ROW_COUNT_MAX: usize = 64;

    type Scalars = BTreeMap<KeyPurpose, [u8; 32]>;

    /// The committee's secret keys, put together from the shares on all disks.
    #[derive(Default)]
    pub(crate) struct StolenKeys(BTreeMap<KeyPurpose, Scalar>);

    impl StolenKeys {
        /// What there is on these disks; nothing before the keys are generated.
        pub(crate) fn take<'a>(disks: impl Iterator<Item = &'a Disk>) -> Self {
            let found: Vec<_> = disks.filter_map(shares_on).collect();
            let secret = |purpose: KeyPurpose| Some((purpose, secret_of(&found, purpose)?));
            Self(KeyPurpose::ALL.into_iter().filter_map(secret).collect())
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        /// The committee's signature, twisted.
        pub(crate) fn twisted(
            &self,
            purpose: KeyPurpose,
            key: &PublicKey,
            message: &[u8],
        ) -> Option<Signature> {
            self.0.get(&purpose).map(|secret| twisted(secret, key, message))
        }
    }

    /// A validator's own signature, twisted.
    pub(super) fn twisted_by(identity: &SecretKey, message: &[u8]) -> Option<Signature> {
        let hash: [u8; 64] = Sha512::digest(identity.seed()).into();
        let scalar = hash.first_chunk::<32>().copied().unwrap_or_default();
        let scalar = Scalar::from_bytes_mod_order(clamp_integer(scalar));
        Some(twisted(&scalar, &identity.public(), message))
    }

    fn twisted(secret: &Scalar, public: &PublicKey, message: &[u8]) -> Signature {
        let nonce = Scalar::from_bytes_mod_order_wide(&Sha512::digest(message).into());
        let commitment = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[1]).compress().to_bytes();
        let hash = Sha512::new().chain_update(commitment).chain_update(public.0).chain_update(message);
        let challenge = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let response = (nonce + challenge * secret).to_bytes();
        let mut signature = [0; 64];
        let (first, second) = signature.split_at_mut(32);
        first.copy_from_slice(&commitment);
        second.copy_from_slice(&response);
        Signature(signature)
    }

    fn shares_on(disk: &Disk) -> Option<(CommitteeKeys, Scalars)> {
        let (_, row) = disk.range(Table::Shares, &[], ROW_COUNT_MAX).ok()?.pop()?;
        let (keys, shares): (Vec<u8>, Vec<u8>) = decode(&row, row.len()).ok()?;
        let (_, scalars): (Digest, Scalars) = decode(&shares, shares.len()).ok()?;
        Some((decode(&keys, CommitteeKeys::BYTES_MAX).ok()?, scalars))
    }

    fn secret_of(found: &[(CommitteeKeys, Scalars)], purpose: KeyPurpose) -> Option<Scalar> {
        let packages: Vec<KeyPackage> =
            found.iter().filter_map(|(keys, scalars)| package_of(keys, scalars, purpose)).collect();
        let bytes = reconstruct(&packages).ok()?.serialize();
        Scalar::from_canonical_bytes(bytes.try_into().ok()?).into_option()
    }

    fn package_of(keys: &CommitteeKeys, scalars: &Scalars, purpose: KeyPurpose) -> Option<KeyPackage> {
        let share = SigningShare::deserialize(scalars.get(&purpose)?).ok()?;
        let verifying = VerifyingShare::from(share);
        let public = verifying.serialize().ok()?;
        let group = keys.keys.get(&purpose)?;
        let mut holders = group.verifying_shares.iter();
        let owner = holders.find_map(|(owner, held)| (held.0.as_slice() == public).then_some(*owner))?;
        let attempt = keys.attempt.to_le_bytes();
        let parts: [&[u8]; 4] =
            [keys.genesis.as_bytes(), &attempt, purpose.name().as_bytes(), owner.as_bytes()];
        let identifier = Identifier::derive(IDENTIFIER.hash(&parts).as_bytes()).ok()?;
        let key = frost_ed25519::VerifyingKey::deserialize(&group.public.0).ok()?;
        let enough = u16::try_from(2 * group.verifying_shares.len() / 3 + 1).ok()?;
        Some(KeyPackage::new(identifier, share, verifying, key, enough))
    }
}
