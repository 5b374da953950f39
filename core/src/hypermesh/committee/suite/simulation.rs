//! FROST over the group of the simulation's signatures: key generation, threshold signatures, bad shares and repair go
//! as with Ed25519, and cost next to nothing. **Anybody can forge these.**

use crate::base::simulation::{Element as GroupElement, FOR_CHALLENGES, Scalar};
use frost_core::{Ciphersuite, Field, FieldError, Group, GroupError};
use rand_core::{CryptoRng, RngCore};

/// The committee's own uses of the hash, after those of plain signatures.
const FOR_BINDING: u8 = 11;
const FOR_NONCES: u8 = 12;
const FOR_MESSAGES: u8 = 13;
const FOR_COMMITMENTS: u8 = 14;
const FOR_GENERATION: u8 = 15;
const FOR_IDENTIFIERS: u8 = 16;

/// The field.
#[derive(Clone, Copy)]
pub(in super::super) struct SimulationField;

/// The group.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct SimulationGroup;

/// The ciphersuite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Suite;

impl Field for SimulationField {
    type Scalar = Scalar;
    type Serialization = [u8; 32];

    fn zero() -> Scalar {
        Scalar::ZERO
    }

    fn one() -> Scalar {
        Scalar::ONE
    }

    fn invert(scalar: &Scalar) -> Result<Scalar, FieldError> {
        if *scalar == Scalar::ZERO { Err(FieldError::InvalidZeroScalar) } else { Ok(scalar.invert()) }
    }

    fn random<R: RngCore + CryptoRng>(random: &mut R) -> Scalar {
        Scalar::random(random)
    }

    fn serialize(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn little_endian_serialize(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn deserialize(bytes: &[u8; 32]) -> Result<Scalar, FieldError> {
        Scalar::from_bytes(bytes).ok_or(FieldError::MalformedScalar)
    }
}

impl Group for SimulationGroup {
    type Field = SimulationField;
    type Element = GroupElement;
    type Serialization = [u8; 32];

    fn cofactor() -> Scalar {
        Scalar::ONE
    }

    fn identity() -> GroupElement {
        GroupElement::IDENTITY
    }

    fn generator() -> GroupElement {
        GroupElement::GENERATOR
    }

    fn serialize(element: &GroupElement) -> Result<[u8; 32], GroupError> {
        match *element == GroupElement::IDENTITY {
            true => Err(GroupError::InvalidIdentityElement),
            false => Ok(element.to_bytes()),
        }
    }

    fn deserialize(bytes: &[u8; 32]) -> Result<GroupElement, GroupError> {
        match GroupElement::from_bytes(bytes) {
            None => Err(GroupError::MalformedElement),
            Some(GroupElement::IDENTITY) => Err(GroupError::InvalidIdentityElement),
            Some(element) if !element.is_torsion_free() => Err(GroupError::InvalidNonPrimeOrderElement),
            Some(element) => Ok(element),
        }
    }
}

impl Ciphersuite for Suite {
    const ID: &'static str = "hypermesh v1 simulation";

    type Group = SimulationGroup;
    type HashOutput = [u8; 32];
    type SignatureSerialization = [u8; 64];

    fn H1(message: &[u8]) -> Scalar {
        Scalar::hash(FOR_BINDING, &[message])
    }

    fn H2(message: &[u8]) -> Scalar {
        Scalar::hash(FOR_CHALLENGES, &[message])
    }

    fn H3(message: &[u8]) -> Scalar {
        Scalar::hash(FOR_NONCES, &[message])
    }

    fn H4(message: &[u8]) -> [u8; 32] {
        Scalar::hash(FOR_MESSAGES, &[message]).to_bytes()
    }

    fn H5(message: &[u8]) -> [u8; 32] {
        Scalar::hash(FOR_COMMITMENTS, &[message]).to_bytes()
    }

    fn HDKG(message: &[u8]) -> Option<Scalar> {
        Some(Scalar::hash(FOR_GENERATION, &[message]))
    }

    fn HID(message: &[u8]) -> Option<Scalar> {
        Some(Scalar::hash(FOR_IDENTIFIERS, &[message]))
    }
}

pub(in super::super) fn encode_element(element: &GroupElement) -> [u8; 32] {
    element.to_bytes()
}

/// An element of the group; the identity too.
pub(in super::super) fn decode_element(bytes: &[u8; 32]) -> Option<GroupElement> {
    GroupElement::from_bytes(bytes)
}

/// The generator times a scalar.
pub(in super::super) fn multiply_generator(scalar: &Scalar) -> GroupElement {
    GroupElement::GENERATOR * *scalar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::simulation::verify;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use frost_core::keys::dkg::{part1, part2, part3};
    use frost_core::{CheaterDetection, Error, Identifier, SigningPackage, aggregate_custom, round1, round2};
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    #[test]
    fn three_of_four_sign_and_a_bad_share_names_its_signer() {
        let mut random = ChaCha12Rng::from_seed([1; 32]);
        let ids: Vec<Identifier<Suite>> =
            (1..=4_u16).map(|number| Identifier::derive(&number.to_le_bytes()).unwrap()).collect();
        let begun = ids.iter().map(|id| (*id, part1::<Suite, _>(*id, 4, 3, &mut random).unwrap()));
        let begun: BTreeMap<_, _> = begun.collect();
        let others = |me: &Identifier<Suite>| {
            let others = begun.iter().filter(|(id, _)| *id != me);
            others.map(|(id, (_, package))| (*id, package.clone())).collect::<BTreeMap<_, _>>()
        };
        let dealt = begun.iter().map(|(id, (secret, _))| (*id, part2(secret.clone(), &others(id)).unwrap()));
        let dealt: BTreeMap<_, _> = dealt.collect();
        let ended = dealt.iter().map(|(me, (secret, _))| {
            let from = dealt.iter().filter(|(id, _)| *id != me);
            let received = from.map(|(id, (_, to))| (*id, to[me].clone())).collect();
            (*me, part3(secret, &others(me), &received).unwrap())
        });
        let ended: BTreeMap<_, _> = ended.collect();
        let signers = &ids[..3];
        let nonces = signers.iter().map(|id| (*id, round1::commit(ended[id].0.signing_share(), &mut random)));
        let nonces: BTreeMap<_, _> = nonces.collect();
        let package =
            SigningPackage::new(nonces.iter().map(|(id, (_, open))| (*id, *open)).collect(), b"message");
        let shares =
            signers.iter().map(|id| (*id, round2::sign(&package, &nonces[id].0, &ended[id].0).unwrap()));
        let mut shares: BTreeMap<_, _> = shares.collect();
        let public = &ended[&ids[0]].1;
        let signature = aggregate_custom(&package, &shares, public, CheaterDetection::AllCheaters).unwrap();
        let key: [u8; 32] = public.verifying_key().serialize().unwrap().try_into().unwrap();
        let signature: [u8; 64] = signature.serialize().unwrap().try_into().unwrap();
        assert!(verify(&key, b"message", &signature), "an ordinary signature under the group key");
        assert!(!verify(&key, b"other", &signature));
        let bad = round2::SignatureShare::deserialize(&multiply_generator(&Scalar::ONE).to_bytes()).unwrap();
        shares.insert(ids[1], bad);
        let refused = aggregate_custom(&package, &shares, public, CheaterDetection::AllCheaters);
        assert_eq!(refused, Err(Error::InvalidSignatureShare { culprits: alloc::vec![ids[1]] }));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let element = multiply_generator(&Scalar::ONE);
        assert_eq!(decode_element(&encode_element(&element)), Some(element));
        assert_eq!(decode_element(&[0xff; 32]), None);
    }
}
