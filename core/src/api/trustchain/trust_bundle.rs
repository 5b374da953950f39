//! What a client needs to verify certificates offline. The node answers it, once the root is signed.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for what a client needs to verify certificates offline.
    TrustBundleRequest {}
}
