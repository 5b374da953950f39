//! Asking every validator at once, where one that lies or lags must not have the last word.

use super::MeshClient;
use hypermesh_core::api::{Call, RESPONSE_BYTES_MAX};
use hypermesh_core::base::{decode, encode};
use std::time::Duration;
use stoq::{CallOptions, Expect, Peer};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

impl MeshClient {
    /// Calls a method on every validator, where it is by the best that is known and with the key that genesis gives it, and gathers answers
    /// until there are so many, all have answered or failed, or the time is up. Failures are passed over.
    pub async fn call_validators<C: Call>(
        &self,
        request: &C,
        enough: usize,
        within: Duration,
    ) -> Vec<C::Response> {
        let until = Instant::now() + within.min(self.timeout);
        let (method, body) = (request.method(), encode(request));
        let mut calls = JoinSet::new();
        for validator in &self.genesis.validators {
            let peer = Peer { addr: self.address_of(validator), expect: Expect::Key(validator.member.key) };
            let (stoq, body, options) = (self.stoq.clone(), body.clone(), CallOptions::repeatable(within));
            calls.spawn(async move { stoq.call(&peer, method.service, method.name, body, options).await });
        }
        let mut answers = Vec::new();
        while answers.len() < enough
            && let Ok(Some(joined)) = timeout_at(until, calls.join_next()).await
        {
            let Ok(Ok(bytes)) = joined else { continue };
            answers.extend(decode::<C::Response>(&bytes, RESPONSE_BYTES_MAX));
        }
        answers
    }
}
