//! What the fuzz targets share: choosing a parser, and what must hold of anything that one of them took.

use borsh::{BorshDeserialize, BorshSerialize};
use hypermesh_core::base::{Profile, PublicKey, decode, encode};
use hypermesh_core::hypermesh::proof::ProofParameters;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Splits the input into the byte that chooses a parser and the bytes for it.
#[must_use]
pub fn select(input: &[u8]) -> Option<(usize, &[u8])> {
    input.split_first().map(|(which, bytes)| (usize::from(*which), bytes))
}

/// The value that these bytes encode. What was taken encodes to the same bytes and to no others near them.
///
/// # Panics
/// If it does not.
pub fn canonical<T: BorshSerialize + BorshDeserialize>(bytes: &[u8], bytes_max: usize) -> Option<T> {
    let value: T = decode(bytes, bytes_max).ok()?;
    assert!(bytes.len() <= bytes_max, "taken past the bound");
    assert_eq!(encode(&value), bytes, "taken, but encoded otherwise");
    assert!(decode::<T>(&[bytes, &[0]].concat(), bytes_max + 1).is_err(), "bytes left over");
    if let Some((_, cut)) = bytes.split_last() {
        assert!(decode::<T>(cut, bytes_max).is_err(), "the last byte is missing");
    }
    Some(value)
}

/// As [`canonical`], of a value that reaches people: its JSON reads back to the same value, unless it holds a key
/// that is none. Of those two forms JSON alone looks whether 32 bytes are a key; else that is seen at first use.
///
/// # Panics
/// If it does not.
pub fn shown<T>(bytes: &[u8], bytes_max: usize) -> Option<T>
where
    T: BorshSerialize + BorshDeserialize + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let value: T = canonical(bytes, bytes_max)?;
    let json = serde_json::to_string(&value).expect("what is taken can be shown");
    match serde_json::from_str::<T>(&json) {
        Ok(again) => assert!(again == value, "{json} reads back otherwise"),
        Err(error) => assert!(error.to_string().contains("usable Ed25519 public key"), "{json}: {error}"),
    }
    Some(value)
}

/// The bytes as text, if they are.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The proofs' parameters: those of the simulator, whose proofs are small.
#[must_use]
pub const fn parameters() -> ProofParameters {
    Profile::Sim.proofs()
}

/// A member's key.
#[must_use]
pub fn member() -> PublicKey {
    hypermesh_core::base::SecretKey::from_seed([7; 32]).public()
}
