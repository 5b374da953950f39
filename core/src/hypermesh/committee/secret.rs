//! A secret scalar as bytes: wiped when dropped, printed as nothing.

use super::suite::keys::SigningShare;
use alloc::vec::Vec;
use borsh::io::{Read, Result, Write};
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use zeroize::Zeroizing;

/// 32 secret bytes. Not comparable and not printable.
#[derive(Clone)]
pub(super) struct SecretScalar(Zeroizing<[u8; 32]>);

impl SecretScalar {
    pub(super) fn of(share: &SigningShare) -> Self {
        let serialized = Zeroizing::new(share.serialize());
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&serialized);
        Self(bytes)
    }

    /// The scalar, or `None` if the bytes are not below the group's order.
    pub(super) fn signing_share(&self) -> Option<SigningShare> {
        SigningShare::deserialize(&*self.0).ok()
    }

    /// Whether both are the same, in constant time.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0.iter()).fold(0, |difference, (one, two)| difference | (one ^ two)) == 0
    }
}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

impl BorshSerialize for SecretScalar {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        writer.write_all(&*self.0)
    }
}

impl BorshDeserialize for SecretScalar {
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        reader.read_exact(&mut *bytes)?;
        Ok(Self(bytes))
    }
}

/// The canonical encoding of a value that holds secrets, in memory that is wiped when dropped and that was
/// never moved while it grew.
pub(super) fn encode_secret<T: BorshSerialize>(value: &T, bytes_max: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max));
    value.serialize(&mut *bytes).expect("writing into memory does not fail");
    bytes
}
