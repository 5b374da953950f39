//! Asking with proof: the answer is worked out here, from rows of the state that a quorum's header commits to.

use super::MeshClient;
use super::malformed;
use crate::failure::{Exit, Failure};
use crate::moment;
use hypermesh_core::api::{Call, ProveRequest, RESPONSE_BYTES_MAX, STALE_HEARTBEATS};
use hypermesh_core::base::{decode, encode};
use hypermesh_core::state::StateProof;
use hypermesh_core::trust::{Proved, Question};

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
        let age_ms = moment::now().since(proved.time);
        let heartbeat = self.genesis().profile.heartbeat().as_millis();
        let stale = u128::from(age_ms) > heartbeat * u128::from(STALE_HEARTBEATS);
        Ok(ProvedAnswer { proved, age_ms, stale, refused: trail.refused() })
    }
}
