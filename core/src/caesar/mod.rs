//! Caesar, the ledger: stake, fees, rewards. Who may take part, and what it costs.
//!
//! Amounts are integer millionths. Every movement takes from one place what it puts into another, so the
//! supply that genesis fixed is conserved by construction; [`Ledger`] counts both sides and says so. What moved,
//! why, and because of which operation stands in the history of both sides (the module `history`).

mod fee;
mod history;
mod movement;
mod reward;

pub use fee::{
    FEE_BYTES_INCLUDED, FEE_PER_BYTE, FEE_RATE_CEILING, FEE_RATE_CHANGE_DIVISOR, FEE_RATE_FLOOR, at_rate,
    next_fee_rate, with_bytes,
};
pub use history::{BlockMovements, HistoryHead, HistoryPage, Holder, JournalHead, NumberedMovement};
pub use movement::{Ledger, LedgerAccount, LedgerFault, Movement, MovementReason};
pub use reward::{REWARD_MS_DIVISOR, REWARD_MS_MAX, reward};

use crate::base::MicroCaesar;

/// The least that a member has at stake.
pub const STAKE_MINIMUM: MicroCaesar = MicroCaesar(1000 * MicroCaesar::ONE.0);
/// The most amounts of one member that are on their way out of its stake at once.
pub const UNBONDING_COUNT_MAX: usize = 16;
/// What issuing a certificate costs.
pub const ISSUE_FEE: MicroCaesar = MicroCaesar(10_000);
/// What registering a name costs.
pub const REGISTER_FEE: MicroCaesar = MicroCaesar(100_000);
/// What renewing a name costs, beside its rent.
pub const RENEW_FEE: MicroCaesar = MicroCaesar(1_000);
/// What a name directly below a zone costs for each period.
pub const NAME_RENT: MicroCaesar = MicroCaesar(100_000);
/// The period that a name is paid for at a time: 365 days.
pub const NAME_MS_PERIOD: u64 = 365 * 24 * 60 * 60 * 1000;
/// A name that was not paid for is kept from others this long, unanswered: 91 days. The longest life of a certificate is a
/// day less, so that none of its old owner's holds any more when it is somebody else's.
pub const NAME_MS_GRACE: u64 = 91 * 24 * 60 * 60 * 1000;
/// A name is paid for at most this far ahead.
pub const NAME_MS_AHEAD_MAX: u64 = 2 * NAME_MS_PERIOD;
/// What setting records costs.
pub const RECORDS_FEE: MicroCaesar = MicroCaesar(1_000);
/// What announcing an instance of a service costs, renewing its lease, and taking it away. Leases are renewed all the time.
pub const ANNOUNCE_FEE: MicroCaesar = MicroCaesar(100);
/// What a transfer costs.
pub const TRANSFER_FEE: MicroCaesar = MicroCaesar(1_000);
/// What revoking a certificate costs.
pub const REVOKE_FEE: MicroCaesar = MicroCaesar(1_000);
/// What taking a name back costs: as much as the most that it may do, which is to revoke 32 certificates.
pub const RECLAIM_FEE: MicroCaesar = MicroCaesar(32 * REVOKE_FEE.0);
/// What bonding and unbonding cost.
pub const BOND_FEE: MicroCaesar = MicroCaesar(1_000);
