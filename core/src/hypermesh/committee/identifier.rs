//! Who a validator is inside FROST: a scalar that no other key, attempt or mesh shares.
//!
//! The proofs of key generation (FROST's proof of knowledge hashes the identifier and no session) are bound
//! to the session by this alone: a package made for another genesis, attempt or purpose does not verify.

use super::KeyPurpose;
use super::suite::Identifier;
use crate::base::{Digest, Domain, PublicKey};

const IDENTIFIER: Domain = Domain::new("hypermesh v1 committee identifier");

/// The identifier of `validator` in the key for `purpose` that this attempt at key generation makes.
pub(super) fn identifier(
    genesis: &Digest,
    attempt: u32,
    purpose: KeyPurpose,
    validator: &PublicKey,
) -> Identifier {
    let digest = IDENTIFIER.hash(&[
        genesis.as_bytes(),
        &attempt.to_le_bytes(),
        purpose.name().as_bytes(),
        validator.as_bytes(),
    ]);
    Identifier::derive(digest.as_bytes()).expect("512 bits of hash are zero once in 2^252 times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_what_other_versions_derive() {
        let derived = identifier(&Digest([1; 32]), 2, KeyPurpose::Issuing, &PublicKey([3; 32]));
        assert_eq!(
            hex::encode(derived.serialize()),
            "5583398a50408b4b212f401a89619a698d782b89babdbed95e1ddb68dcc2f305"
        );
    }

    #[test]
    fn identifiers_differ_in_every_part() {
        let (genesis, validator) = (Digest([1; 32]), PublicKey([3; 32]));
        let derived = identifier(&genesis, 2, KeyPurpose::Issuing, &validator);
        assert_ne!(derived, identifier(&Digest([9; 32]), 2, KeyPurpose::Issuing, &validator));
        assert_ne!(derived, identifier(&genesis, 3, KeyPurpose::Issuing, &validator));
        assert_ne!(derived, identifier(&genesis, 2, KeyPurpose::Root, &validator));
        assert_ne!(derived, identifier(&genesis, 2, KeyPurpose::Issuing, &PublicKey([4; 32])));
    }
}
