//! An account that runs out: told while there is time to fill it, before renewals stop.

use super::MeshClient;
use crate::amount::Amount;
use hypermesh_core::api::{BalanceRequest, FeesRequest};
use hypermesh_core::base::{MicroCaesar, PublicKey};
use hypermesh_core::state::IssueCertificate;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

/// Fewer certificates than this that an account can still pay for are told of.
pub const CERTIFICATES_LEFT_TOLD: u64 = 10;

/// An account that is about to run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowBalance {
    owner: PublicKey,
    balance: MicroCaesar,
    fee: MicroCaesar,
}

impl LowBalance {
    /// That an account with this balance is about to run out, where a certificate costs so much, if it is.
    #[must_use]
    pub fn of(owner: PublicKey, balance: MicroCaesar, fee: MicroCaesar) -> Option<Self> {
        (certificates_left(balance, fee) < CERTIFICATES_LEFT_TOLD).then_some(Self { owner, balance, fee })
    }
}

impl MeshClient {
    /// That the owner's account is about to run out, if something was paid from it and it is. Not proved; as slow as the
    /// nodes are.
    pub(super) async fn low_balance(&self) -> Option<LowBalance> {
        if !self.has_paid.load(Relaxed) {
            return None;
        }
        let owner = self.secret().public();
        let balance = self.call(&BalanceRequest { owner }).await.ok()?.balance;
        LowBalance::of(owner, balance, self.call(&FeesRequest {}).await.ok()?.of(&IssueCertificate::KIND))
    }
}

/// How many certificates an amount pays for.
fn certificates_left(balance: MicroCaesar, fee: MicroCaesar) -> u64 {
    balance.0.checked_div(fee.0).unwrap_or(u64::MAX)
}

impl fmt::Display for LowBalance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, balance, fee } = self;
        let (balance_text, fee_text) = (Amount(*balance), Amount(*fee));
        let left = match certificates_left(*balance, *fee) {
            0 => "no certificate more".to_owned(),
            1 => "1 more certificate".to_owned(),
            left => format!("{left} more certificates"),
        };
        write!(
            formatter,
            "the account holds {balance_text}, which pays for {left} at the present fee of {fee_text}; \
            after that, renewals stop. Add to it with `hypermesh caesar transfer {owner} AMOUNT` and the \
            key of another account"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_below_so_many_certificates_and_not_at_them() {
        let (owner, fee) = (PublicKey([7; 32]), MicroCaesar(10_000));
        assert_eq!(LowBalance::of(owner, MicroCaesar(CERTIFICATES_LEFT_TOLD * fee.0), fee), None);
        let told = |balance| LowBalance::of(owner, MicroCaesar(balance), fee).unwrap().to_string();
        assert!(told(CERTIFICATES_LEFT_TOLD * fee.0 - 1).contains("pays for 9 more certificates"));
        assert!(told(19_999).contains("pays for 1 more certificate at"));
        assert!(told(9_999).contains("no certificate more") && told(9_999).contains(&owner.to_string()));
        assert_eq!(
            LowBalance::of(owner, MicroCaesar(0), MicroCaesar(0)),
            None,
            "what costs nothing never stops"
        );
    }
}
