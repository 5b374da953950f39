//! Caesar's reads: a file for each.

mod balance;
mod fees;
mod history;
mod movements;
mod rewards;
mod supply;

pub use balance::{Balance, BalanceRequest};
pub use fees::{FeeSchedule, FeesRequest, OperationFee};
pub use history::{HISTORY_COUNT_MAX, History, HistoryCursor, HistoryRequest};
pub use movements::{Movements, MovementsRequest};
pub use rewards::{Rewards, RewardsRequest, ValidatorRewards};
pub use supply::{Supply, SupplyRequest};
