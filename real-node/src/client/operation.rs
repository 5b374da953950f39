//! The owner's operations, signed, and what became of them.

use super::MeshClient;
use crate::failure::{Exit, Failure};
use crate::moment::now;
use hypermesh_core::base::MicroCaesar;
use hypermesh_core::state::{Action, OPERATION_MS_LIFE_MAX, Operation, OperationBody, Outcome, Receipt};

/// The most that is paid for an operation, rent included, where nobody says another limit: one Caesar.
pub const FEE_MAX_DEFAULT: MicroCaesar = MicroCaesar::ONE;
/// How long after it was signed an operation may still happen: ten minutes.
pub const OPERATION_MS_LIFE: u64 = 10 * 60 * 1000;

const _: () = assert!(OPERATION_MS_LIFE < OPERATION_MS_LIFE_MAX);

impl MeshClient {
    /// An operation of the owner's, signed. Sending it again does nothing new: make another for another effect.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub fn operation(&self, action: Action) -> Result<Operation, Failure> {
        self.operation_within(action, OPERATION_MS_LIFE)
    }

    /// As [`Self::operation`], of one that may happen so many milliseconds after it was signed at most.
    pub(super) fn operation_within(&self, action: Action, life_ms: u64) -> Result<Operation, Failure> {
        let nonce = getrandom::u64().map_err(|error| {
            Failure::new(Exit::Failed, format!("the operating system's randomness: {error}"))
        })?;
        let body = OperationBody {
            genesis: self.genesis.hash(),
            owner: self.secret.public(),
            nonce,
            expires: now().plus(life_ms),
            fee_max: self.fee_max,
            action,
        };
        Ok(body.sign(&self.secret))
    }
}

/// The receipt of an operation that happened.
///
/// # Errors
/// If it was refused, with the reason and the fee.
pub fn done(receipt: Receipt) -> Result<Receipt, Failure> {
    match &receipt.outcome {
        Outcome::Done(_) => Ok(receipt),
        Outcome::Refused(refusal) => {
            let fee = crate::amount::Amount(receipt.fee);
            let message = format!("refused at height {}: {refusal} (fee {fee})", receipt.height);
            Err(Failure::new(Exit::Refused, message))
        }
    }
}
