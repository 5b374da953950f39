//! Hashing with domains: BLAKE3 in its derive-key mode, one context string for each use, and inputs that
//! are length-prefixed, so that no two different lists of parts hash alike.

use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 32 bytes of hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 32 zero bytes: the parent of the first block, the root of an empty tree.
    pub const ZERO: Self = Self([0; 32]);

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The use that a hash is made for. Two domains never give the same hash for the same input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain(&'static str);

impl Domain {
    /// A domain by its context string, which must be unique in the code base: "hypermesh v1 …".
    #[must_use]
    pub const fn new(context: &'static str) -> Self {
        Self(context)
    }

    /// The hash of these parts, each prefixed with its length as eight little-endian bytes.
    #[must_use]
    pub fn hash(self, parts: &[&[u8]]) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key(self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// The hash of a value's canonical encoding.
    #[must_use]
    pub fn hash_of<T: BorshSerialize>(self, value: &T) -> Digest {
        self.hash(&[&super::encode(value)])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom("expected 64 hexadecimal digits"))
    }
}
