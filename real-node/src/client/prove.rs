//! Asking with proof: the answer is worked out here, from rows of the state that a quorum's header commits to.

use super::MeshClient;
use super::malformed;
use crate::failure::{Exit, Failure};
use crate::moment;
use hypermesh_core::api::{History, HistoryRequest, ProveRequest, RESPONSE_BYTES_MAX, STALE_HEARTBEATS};
use hypermesh_core::base::{decode, encode};
use hypermesh_core::caesar::{HistoryHead, Holder};
use hypermesh_core::state::StateProof;
use hypermesh_core::trust::{Answer, Proved, Question};
use std::sync::PoisonError;

/// An answer that was proved, and whose answers were not.
#[derive(Debug)]
pub struct ProvedAnswer {
    /// The answer, and the block that it is of.
    pub proved: Proved,
    /// How long ago that block was, in milliseconds, by this machine's clock.
    pub age_ms: u64,
    /// Whether there should have been a later block since.
    pub stale: bool,
    /// The nodes that answered before with what does not hold, and why it does not, a line each.
    pub refused: Vec<String>,
}

impl MeshClient {
    /// Asks one node after the other until the answer of one is proved.
    ///
    /// # Errors
    /// If no node proves an answer in time; with [`Exit::NotValid`] if one answered with what does not hold.
    pub async fn prove(&self, question: &Question) -> Result<ProvedAnswer, Failure> {
        let method = ProveRequest::METHOD;
        let what = (method.service, method.name);
        let body = encode(&ProveRequest { question: question.clone() });
        let accept = |bytes: &[u8]| {
            let proof: StateProof =
                decode(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))?;
            question.check(&proof, self.genesis()).map_err(|fault| Failure::new(Exit::NotValid, fault))
        };
        let (proved, trail) = self.walk(what, &body, accept).await?;
        let asked = self.clock.now().mono;
        *self.block_time.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, proved.time));
        let age_ms = moment::now().since(proved.time);
        let heartbeat = self.genesis().profile.heartbeat().as_millis();
        let stale = u128::from(age_ms) > heartbeat * u128::from(STALE_HEARTBEATS);
        Ok(ProvedAnswer { proved, age_ms, stale, refused: trail.refused() })
    }

    /// The newest movements of a history, at most so many, with proof: first how far the history goes, and then a page that
    /// ends there, of the first node that has one.
    ///
    /// # Errors
    /// As [`Self::prove`]; with [`Exit::NotValid`] too if no node has such a page.
    pub async fn prove_history(
        &self,
        holder: Holder,
        limit: u32,
    ) -> Result<(History, ProvedAnswer), Failure> {
        let method = HistoryRequest::METHOD;
        let what = (method.service, method.name);
        let body = encode(&HistoryRequest { holder, before: None, limit });
        let mut attempts_left = HISTORY_ATTEMPTS_MAX;
        loop {
            let mut answer = self.prove(&Question::History { holder }).await?;
            let Answer::History(head) = answer.proved.answer else {
                return Err(Failure::new(Exit::Failed, "the proof answers another request"));
            };
            let accept = |bytes: &[u8]| {
                let page: History =
                    decode(bytes, RESPONSE_BYTES_MAX).map_err(|fault| malformed(what, &fault))?;
                ends_at(&page, &head).map(|()| page)
            };
            attempts_left -= 1;
            match self.walk(what, &body, accept).await {
                Ok((page, trail)) => {
                    answer.refused.extend(trail.refused());
                    return Ok((page, answer));
                }
                // Something may have moved since.
                Err(failure) if failure.exit == Exit::NotValid && attempts_left > 0 => {}
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// So often a history is asked for that goes on growing.
const HISTORY_ATTEMPTS_MAX: u32 = 5;

/// Refuses a page that has gaps, or does not end where the history does.
fn ends_at(page: &History, head: &HistoryHead) -> Result<(), Failure> {
    let fault = |what: &str| Err(Failure::new(Exit::NotValid, format!("a history that {what}")));
    match page.page.after() {
        None => fault("has gaps"),
        Some(digest) if digest != head.digest || page.head != *head => {
            fault("does not end where the state says that it does")
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, Height, MicroCaesar, PublicKey, UnixMillis};
    use hypermesh_core::caesar::{HistoryPage, LedgerAccount, Movement, MovementReason, NumberedMovement};

    #[test]
    fn a_page_is_taken_only_if_it_ends_where_the_state_says() {
        let owner = PublicKey([1; 32]);
        let movement = Movement {
            source: LedgerAccount::Account(owner),
            target: LedgerAccount::Reserve,
            amount: MicroCaesar(10_000),
            reason: MovementReason::Fee,
            operation: None,
        };
        let time = UnixMillis(1_796_000_000_000);
        let entry = |number| NumberedMovement { number, height: Height(9), time, movement };
        let page = HistoryPage { before: Digest([2; 32]), movements: vec![entry(4), entry(5)] };
        let head = HistoryHead { count: 6, last: Height(9), digest: page.after().unwrap() };
        let good = History { head, page, next: None, height: Height(12) };
        assert!(ends_at(&good, &head).is_ok());
        let mut altered = good.clone();
        altered.page.movements[1].movement.amount = MicroCaesar(1);
        let mut short = good.clone();
        short.page.movements.pop();
        let mut longer = good.clone();
        longer.head.count = 7;
        let mut torn = good;
        torn.page.movements[0].number = 3;
        for wrong in [altered, short, longer, torn] {
            assert_eq!(ends_at(&wrong, &head).unwrap_err().exit, Exit::NotValid, "{wrong:?}");
        }
    }
}
