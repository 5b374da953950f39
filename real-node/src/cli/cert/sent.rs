//! The operations that may have got a certificate for one key: each was sent, or was about to be, by a command that did not hear
//! what became of it, or heard it from one node only.
//!
//! A node that refuses, has too much to do or lies says nothing of whether the operation is committed. The key is of use until the
//! mesh proves that the operation has expired and that no certificate came of it.

use crate::failure::{Exit, Failure};
use hypermesh_core::base::{Digest, UnixMillis};
use hypermesh_core::state::{Certificate, Operation};
use hypermesh_core::trustchain::ca::SerialNumber;
use serde::{Deserialize, Serialize};

/// What has to be known of an operation to prove that it never got a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SentOperation {
    /// The genesis hash of the mesh that it is for: another mesh proves nothing of it.
    genesis: Digest,
    /// The serial number that its certificate has, if it gets one.
    pub(super) serial_number: SerialNumber,
    /// The last block time at which it may be committed.
    pub(super) expires: UnixMillis,
}

impl SentOperation {
    pub(super) fn of(operation: &Operation) -> Self {
        Self {
            genesis: operation.body.genesis,
            serial_number: SerialNumber::from_operation(&operation.id().0),
            expires: operation.body.expires,
        }
    }

    /// Whether it got no certificate and never will, as the state of a block with this time has this row of it.
    pub(super) fn is_never_done(&self, row: Option<&Certificate>, proved: UnixMillis) -> bool {
        row.is_none() && proved > self.expires
    }

    /// Refuses a mesh that none of these was sent to.
    pub(super) fn require_same_mesh(sent: &[Self], genesis: Digest) -> Result<(), Failure> {
        let Some(other) = sent.iter().find(|sent| sent.genesis != genesis) else { return Ok(()) };
        let message = format!(
            "the certificate was asked of the mesh with genesis {}, and the context is of the one with genesis {genesis}: use a \
             context of the mesh that was asked",
            other.genesis
        );
        Err(Failure::new(Exit::Input, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES: UnixMillis = UnixMillis(1_796_000_000_000);

    fn sent(genesis: Digest) -> SentOperation {
        let serial_number = SerialNumber::from_operation(&Digest([7; 32]));
        SentOperation { genesis, serial_number, expires: EXPIRES }
    }

    #[test]
    fn an_operation_may_be_committed_at_its_expiry_and_not_after_it() {
        // The mesh takes it in a block whose time is its expiry.
        assert!(!sent(Digest::ZERO).is_never_done(None, EXPIRES));
        assert!(sent(Digest::ZERO).is_never_done(None, EXPIRES.plus(1)));
    }

    #[test]
    fn another_mesh_proves_nothing() {
        let (own, other) = (Digest([1; 32]), Digest([2; 32]));
        assert!(SentOperation::require_same_mesh(&[sent(own)], own).is_ok());
        let failure = SentOperation::require_same_mesh(&[sent(own), sent(other)], own).unwrap_err();
        assert!(failure.exit == Exit::Input && failure.message.contains(&other.to_string()), "{failure}");
    }
}
