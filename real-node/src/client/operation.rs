//! The owner's operations, signed, and what became of them.

use super::MeshClient;
use crate::failure::{Exit, Failure};
use crate::moment::now;
use hypermesh_core::base::{MicroCaesar, UnixMillis};
use hypermesh_core::caesar::{FEE_RATE_CEILING, FEE_RATE_FLOOR, at_rate};
use hypermesh_core::state::{
    Action, OPERATION_MS_LIFE_MAX, Operation, OperationBody, Outcome, Receipt, listed_fee,
};
use hypermesh_core::trust::Question;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The highest fee rate, in thousandths, at which an operation is paid for where nobody says another limit: ten times the
/// listed price. A mesh with more to do than that is one whose owner should be asked.
pub const FEE_RATE_MAX_DEFAULT: u64 = 10 * FEE_RATE_FLOOR;
/// How long after it was signed an operation may still happen: ten minutes.
pub const OPERATION_MS_LIFE: u64 = 10 * 60 * 1000;

/// A block time that was proved is asked for anew after this long.
const BLOCK_TIME_KEPT: Duration = Duration::from_secs(30);
/// Block time that is ahead of the clock by more than the tolerance of certificates' beginning is told.
const AHEAD_MS_TOLD: u64 = 60 * 1000;

const _: () = assert!(OPERATION_MS_LIFE < OPERATION_MS_LIFE_MAX);
const _: () = assert!(BLOCK_TIME_KEPT.as_millis() < OPERATION_MS_LIFE as u128);
const _: () = assert!(FEE_RATE_MAX_DEFAULT < FEE_RATE_CEILING);

/// The most that is paid for an operation of so many bytes, rent included, where nobody says another limit.
#[must_use]
pub fn fee_max_default(action: &Action, bytes: usize) -> MicroCaesar {
    let fee = at_rate(listed_fee(action, bytes), FEE_RATE_MAX_DEFAULT);
    fee.checked_add(action.rent_max()).unwrap_or(MicroCaesar(u64::MAX))
}

impl MeshClient {
    /// An operation of the owner's, signed. Sending it again does nothing new: make another for another effect.
    ///
    /// # Errors
    /// If the operating system gives no random bytes; with [`Exit::Usage`] if it is one that no mesh takes.
    pub async fn operation(&self, action: Action) -> Result<Operation, Failure> {
        self.operation_within(action, OPERATION_MS_LIFE).await
    }

    /// As [`Self::operation`], of one that may happen so many milliseconds after it was signed at most.
    pub(super) async fn operation_within(&self, action: Action, life_ms: u64) -> Result<Operation, Failure> {
        let nonce = getrandom::u64().map_err(|error| {
            Failure::new(Exit::Failed, format!("the operating system's randomness: {error}"))
        })?;
        let mut body = OperationBody {
            genesis: self.genesis.hash(),
            owner: self.secret.public(),
            nonce,
            expires: self.signing_time().await.plus(life_ms),
            fee_max: MicroCaesar::ZERO,
            action,
        };
        body.fee_max = self.fee_max.unwrap_or_else(|| fee_max_default(&body.action, body.signed_bytes()));
        let operation = body.sign(&self.secret);
        self.has_paid.store(true, Relaxed);
        // What no mesh takes is the caller's to put right, and needs no answer of a node.
        let checked = operation.clone().check(&self.genesis.hash());
        checked.map(|_| operation).map_err(|fault| Failure::new(Exit::Usage, fault))
    }
}

impl MeshClient {
    /// Whether a mesh may still take this operation: not if it has expired, and not if it expires too late, because it was signed
    /// by a clock that was ahead.
    pub(crate) async fn is_sendable(&self, operation: &Operation) -> bool {
        is_sendable(operation.body.expires, self.signing_time().await)
    }

    /// The time that operations are signed at: this machine's clock, or the time of the newest block where that is ahead of
    /// it, because validators' clocks were. Only a proved block's time counts: a node could otherwise make up a later one,
    /// and keep an operation that it refuses until it holds. Without a proof the clock alone counts.
    async fn signing_time(&self) -> UnixMillis {
        let asked = self.clock.now().mono;
        let known = *self.block_time.lock().unwrap_or_else(PoisonError::into_inner);
        let proved = match known {
            Some((at, time)) if asked.since(at) < BLOCK_TIME_KEPT => Some(time),
            _ => {
                let question = Question::Balance { owner: self.secret.public() };
                self.prove(&question).await.ok().map(|answer| answer.proved.time)
            }
        };
        signing_time(now(), proved)
    }
}

fn is_sendable(expires: UnixMillis, at: UnixMillis) -> bool {
    expires > at && expires.since(at) <= OPERATION_MS_LIFE_MAX
}

/// The later of this machine's clock and a proved block time.
fn signing_time(clock: UnixMillis, proved: Option<UnixMillis>) -> UnixMillis {
    let time = proved.map_or(clock, |proved| proved.max(clock));
    let ahead_ms = time.since(clock);
    if ahead_ms > AHEAD_MS_TOLD {
        tracing::warn!(
            "block time is {} s ahead of this machine's clock: this clock is behind, or validators' clocks \
            were ahead; certificates issued now become valid only when real time reaches block time",
            ahead_ms / 1000
        );
    }
    time
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
            Err(Failure::new(if refusal.is_absence() { Exit::NotFound } else { Exit::Refused }, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, PublicKey, SecretKey};
    use hypermesh_core::caesar::{FEE_BYTES_INCLUDED, FEE_PER_BYTE, NAME_RENT, REGISTER_FEE, TRANSFER_FEE};
    use hypermesh_core::state::{GrantLimits, RegisterName, Transfer};

    #[test]
    fn the_default_limit_is_ten_times_the_price_and_the_rent() {
        let owner = PublicKey([7; 32]);
        let transfer = Action::Transfer(Transfer { to: owner, amount: MicroCaesar(1) });
        assert_eq!(fee_max_default(&transfer, 200), MicroCaesar(10 * TRANSFER_FEE.0));
        let (name, limits) = ("a.mesh".parse().unwrap(), GrantLimits::default());
        let register = Action::RegisterName(RegisterName { name, owner, limits });
        assert_eq!(fee_max_default(&register, 200), MicroCaesar(10 * REGISTER_FEE.0 + NAME_RENT.0));
        let long = FEE_BYTES_INCLUDED + 1_000;
        let expected = MicroCaesar(10 * (TRANSFER_FEE.0 + 1_000 * FEE_PER_BYTE.0));
        assert_eq!(fee_max_default(&transfer, long), expected);
    }

    #[test]
    fn an_operation_is_as_long_as_was_counted_before_it_was_signed() {
        let secret = SecretKey::from_seed([7; 32]);
        let body = OperationBody {
            genesis: Digest::ZERO,
            owner: secret.public(),
            nonce: 1,
            expires: UnixMillis(1),
            fee_max: MicroCaesar::ZERO,
            action: Action::Transfer(Transfer { to: secret.public(), amount: MicroCaesar(1) }),
        };
        let counted = body.signed_bytes();
        assert_eq!(OperationBody { fee_max: MicroCaesar(u64::MAX), ..body }.sign(&secret).bytes(), counted);
    }

    #[test]
    fn what_has_expired_is_not_sent_again_nor_what_expires_later_than_any_mesh_takes() {
        let at = UnixMillis(1_800_000_000_000);
        assert!(!is_sendable(at, at) && is_sendable(at.plus(1), at));
        assert!(is_sendable(at.plus(OPERATION_MS_LIFE_MAX), at));
        assert!(!is_sendable(at.plus(OPERATION_MS_LIFE_MAX + 1), at));
    }

    #[test]
    fn operations_are_signed_at_the_later_of_the_clock_and_the_proved_block_time() {
        let clock = UnixMillis(1_800_000_000_000);
        assert_eq!(signing_time(clock, None), clock);
        assert_eq!(signing_time(clock, Some(clock.minus(5))), clock, "an old block moves nothing");
        let ahead = clock.plus(365 * 24 * 3600 * 1000);
        assert_eq!(signing_time(clock, Some(ahead)), ahead);
    }
}
