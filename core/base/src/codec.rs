//! The canonical encoding of all that is hashed, signed, stored or sent: borsh, strictly.
//!
//! One value has one encoding. Decoding refuses bytes left over, bytes past the bound, unordered maps, and
//! anything that does not encode back to itself.

use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than this kind of value may take.
    #[error("{bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// What came.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// Not an encoding of such a value, or one with bytes left over.
    #[error("malformed encoding")]
    Malformed,
    /// An encoding of such a value, but not the canonical one.
    #[error("encoding is not canonical")]
    NotCanonical,
}

/// The canonical bytes of a value.
#[must_use]
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("encoding into memory fails only past 4 GiB, which every bound excludes")
}

/// The value that these bytes are the canonical encoding of.
///
/// # Errors
/// If there are more than `bytes_max` bytes, or they are not the one encoding of a `T`.
pub fn decode<T: BorshSerialize + BorshDeserialize>(
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > bytes_max {
        return Err(DecodeError::TooLong { bytes: bytes.len(), bytes_max });
    }
    let value = T::try_from_slice(bytes).map_err(|_| DecodeError::Malformed)?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = encode(&7_u64);
        assert_eq!(decode::<u64>(&bytes, 8), Ok(7));
        bytes.push(0);
        assert_eq!(decode::<u64>(&bytes, 9), Err(DecodeError::Malformed));
    }

    #[test]
    fn the_bound_holds_at_it_and_one_past_it() {
        let bytes = encode(&alloc::vec![1_u8; 12]);
        assert!(decode::<Vec<u8>>(&bytes, bytes.len()).is_ok());
        let refused = decode::<Vec<u8>>(&bytes, bytes.len() - 1);
        assert_eq!(refused, Err(DecodeError::TooLong { bytes: 16, bytes_max: 15 }));
    }

    #[test]
    fn a_map_out_of_order_is_refused() {
        let pair = |key: u8| [key, 9];
        let bytes = [&2_u32.to_le_bytes()[..], &pair(2), &pair(1)].concat();
        assert_eq!(decode::<BTreeMap<u8, u8>>(&bytes, 64), Err(DecodeError::Malformed));
    }
}
