//! Serial numbers: unpredictable before the operation exists, the same on every node after.

use crate::base::{Digest, Domain};
use alloc::string::{String, ToString};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

const SERIAL: Domain = Domain::new("hypermesh v1 certificate serial number");
/// The leading byte: keeps the number positive and its encoding at exactly 16 bytes.
const LEADING: u8 = 1;

/// A certificate's serial number: `0x01` and 15 bytes of a hash (RFC 5280 §4.1.2.2: positive, at most 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SerialNumber([u8; 16]);

/// A text or bytes that are no serial number of this authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a serial number of this authority: expected 32 hexadecimal digits that begin with 01")]
pub struct InvalidSerial;

impl SerialNumber {
    /// The number of the certificate that this operation asks for. The root's and the first issuing
    /// certificate's come from digests that genesis makes for them.
    #[must_use]
    pub fn from_operation(operation: &Digest) -> Self {
        let hash = SERIAL.hash(&[operation.as_bytes()]);
        let mut bytes = [LEADING; 16];
        bytes.iter_mut().skip(1).zip(hash.as_bytes()).for_each(|(byte, hashed)| *byte = *hashed);
        Self(bytes)
    }

    /// The number with these big-endian bytes.
    ///
    /// # Errors
    /// Unless they are 16 and begin with `0x01`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSerial> {
        match <[u8; 16]>::try_from(bytes) {
            Ok(bytes) if bytes.starts_with(&[LEADING]) => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(InvalidSerial),
        }
    }

    /// The big-endian bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl BorshDeserialize for SerialNumber {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let bytes = <[u8; 16] as BorshDeserialize>::deserialize_reader(reader)?;
        Self::from_bytes(&bytes)
            .map_err(|_| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, "not a serial number"))
    }
}

impl FromStr for SerialNumber {
    type Err = InvalidSerial;

    fn from_str(text: &str) -> Result<Self, InvalidSerial> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidSerial)?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for SerialNumber {
    type Error = InvalidSerial;

    fn try_from(text: String) -> Result<Self, InvalidSerial> {
        text.parse()
    }
}

impl From<SerialNumber> for String {
    fn from(serial: SerialNumber) -> Self {
        serial.to_string()
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_pinned_by_its_operation() {
        let serial = SerialNumber::from_operation(&Digest([7; 32]));
        assert_eq!(serial.to_string(), "01e7c0efbaa923c40c2a34567d620008");
        assert_eq!(serial.to_string().parse(), Ok(serial));
        assert_ne!(serial, SerialNumber::from_operation(&Digest([8; 32])));
    }

    #[test]
    fn other_numbers_are_refused() {
        assert_eq!(SerialNumber::from_bytes(&[2; 16]), Err(InvalidSerial));
        assert_eq!(SerialNumber::from_bytes(&[1; 15]), Err(InvalidSerial));
        assert_eq!(SerialNumber::from_bytes(&[1; 17]), Err(InvalidSerial));
        assert!(crate::base::decode::<SerialNumber>(&[0; 16], 16).is_err());
    }
}
