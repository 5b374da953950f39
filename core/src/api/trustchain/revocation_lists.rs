//! The signed revocation lists. The node answers it, when they are signed.

use crate::base::UnixMillis;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for the newest revocation lists that are signed: those that are there, once at least one is.
    RevocationListRequest {
        /// Wait for the issuing key's list with this number, or one after it, to be signed: the number in the receipt of a
        /// revocation.
        at_least: Option<u64>,
        /// Wait for the root key's list with this number, or one after it, to be signed.
        root_at_least: Option<u64>,
    }
}

message! {
    /// The revocation lists (RFC 5280 §5) of the mesh's two authorities.
    PublishedLists {
        /// The issuing key's, which names revoked certificates; none while its first is not signed.
        issuing: Option<PublishedList>,
        /// The root key's: empty, for verifiers that want a list for each certificate of a chain. None while its first is not
        /// signed.
        root: Option<PublishedList>,
        /// The number of the issuing key's newest list that a block has fixed: a later one while that is being signed.
        newest: u64,
        /// The number of the root key's newest list that a block has fixed.
        root_newest: u64,
    }
}

message! {
    /// A revocation list that is signed.
    PublishedList {
        /// Its number.
        number: u64,
        /// When it was made: a block's time, in whole seconds.
        this_update: UnixMillis,
        /// When there is a newer one at the latest.
        next_update: UnixMillis,
        /// The list, DER.
        #[serde(with = "hex::serde")]
        crl_der: Vec<u8>,
    }
}
