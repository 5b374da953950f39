//! Calling a service of anybody's by its name: which of its instances, and which next when one does not answer.
//!
//! Each call draws the order of the instances anew (RFC 2782), so calls spread by weight. Those that failed lately come last.
//! Whether an instance is there is asked a moment before the call itself, and of the next one a moment later, so one that is
//! gone costs a quarter of a second and no more. When all have failed, what is remembered of the service is forgotten, and
//! those that are found then are asked.

use super::fault::{failure_of, is_of_the_node};
use super::walk::{NodeErrors, Target, first_to_answer};
use super::{Answers, MeshClient};
use crate::failure::{Exit, Failure};
use hypermesh_core::api::{Request, SubscribeServiceRequest};
use hypermesh_core::trustchain::DomainName;
use std::sync::Arc;
use std::time::Duration;
use stoq::{Advice, Bytes, CallError, CallOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How long an instance that failed comes after the others.
pub(super) const FAILED_FOR: Duration = Duration::from_secs(10);
/// The most instances that are known to have failed lately.
pub(super) const FAILED_COUNT_MAX: usize = 256;
/// How long one subscription is listened to before another takes its place.
const FOLLOW_FOR: Duration = Duration::from_secs(30 * 60);
/// How long to wait before following again, at first; twice as long each time that it fails.
const FOLLOW_AGAIN_FIRST: Duration = Duration::from_millis(250);
/// The longest such wait.
const FOLLOW_AGAIN_LONGEST: Duration = Duration::from_secs(30);

/// A service that is followed: see [`MeshClient::follow`]. Dropped, it is followed no more.
pub struct Followed(JoinHandle<()>);

impl MeshClient {
    /// Calls a method of a service that is found by name, on the first of its instances that answers. The options' deadline
    /// is for all of it. A call that may not be repeated goes to another instance only where nothing was asked of the one
    /// before.
    ///
    /// # Errors
    /// If nobody is found, no instance answers in time, or one refuses.
    pub async fn call_service(
        &self,
        name: &DomainName,
        (service, method): (&str, &str),
        body: impl Into<Bytes>,
        options: CallOptions,
    ) -> Result<Bytes, Failure> {
        let end = Instant::now() + options.deadline;
        let body: Bytes = body.into();
        let mut errors = NodeErrors::default();
        let mut asked: Vec<Target> = Vec::new();
        // As it is remembered, and once more as it is now.
        for _ in 0..2 {
            let mut targets = match self.instances(name).await {
                Ok(targets) => targets,
                Err(failure) if asked.is_empty() => return Err(failure),
                Err(_) => break,
            };
            targets.retain(|target| !asked.contains(target));
            asked.extend(targets.iter().cloned());
            while let Some(target) = self.next_to_ask(&mut targets, end, &mut errors).await {
                let left = end.saturating_duration_since(Instant::now());
                let deadline = if targets.is_empty() { left } else { left / 2 };
                let options = CallOptions { deadline, ..options.clone() };
                let idempotent = options.idempotent;
                let error = match self.stoq().call(&target.peer, service, method, body.clone(), options).await
                {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                if !may_ask_the_next(&error, idempotent) {
                    let Failure { exit, message } = failure_of(&error);
                    return Err(Failure::new(exit, format!("{name} {service}/{method}: {message}")));
                }
                self.note_failed(std::iter::once(&target));
                errors.missed(target, &error);
            }
            self.forget(name, &asked);
        }
        Err(errors.failure((service, method)))
    }

    /// Follows a service's instances from now on, by subscription: what is remembered of it is forgotten when they change,
    /// so the next call finds those that there are. Without it, a client hears of changes when records' times to live are
    /// over, or when an instance fails.
    ///
    /// Must be called from within a tokio runtime.
    #[must_use]
    pub fn follow(self: &Arc<Self>, name: &DomainName) -> Followed {
        let (client, name) = (Arc::clone(self), name.clone());
        Followed(tokio::spawn(async move {
            let mut wait = FOLLOW_AGAIN_FIRST;
            loop {
                let request = Request::SubscribeService(SubscribeServiceRequest { name: name.clone() });
                match client.stream_for(&request, FOLLOW_FOR).await {
                    Ok(answers) => {
                        wait = FOLLOW_AGAIN_FIRST;
                        client.listen_to(&name, answers).await;
                    }
                    Err(failure) => {
                        tracing::debug!(%name, %failure, "cannot subscribe: retrying");
                        wait = wait.saturating_mul(2).min(FOLLOW_AGAIN_LONGEST);
                    }
                }
                sleep(wait).await;
            }
        }))
    }

    /// Forgets what is remembered of a service each time that it is told to be another, until nothing more is told.
    async fn listen_to(&self, name: &DomainName, mut answers: Answers) {
        loop {
            match answers.next().await {
                Ok(Some(_)) => self.forget(name, &[]),
                Ok(None) => return,
                Err(failure) => return tracing::debug!(%name, %failure, "the subscription ended: retrying"),
            }
        }
    }

    /// The first instance that is there. Those before it that did not say so in time come last for a while.
    async fn next_to_ask(
        &self,
        targets: &mut Vec<Target>,
        end: Instant,
        errors: &mut NodeErrors,
    ) -> Option<Target> {
        let order = targets.clone();
        let first = first_to_answer(self.stoq(), targets, end, errors).await;
        self.note_failed(order.iter().take_while(|target| Some(*target) != first.as_ref()));
        first
    }

    /// The instances in the order in which to ask them.
    async fn instances(&self, name: &DomainName) -> Result<Vec<Target>, Failure> {
        let targets = self.targets(name).await?;
        if targets.is_empty() {
            return Err(not_found(name));
        }
        let (failed, well): (Vec<_>, Vec<_>) =
            targets.into_iter().partition(|target| self.failed_lately(target));
        Ok(well.into_iter().chain(failed).collect())
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What to say of a name at which nothing can be called.
pub(super) fn not_found(name: &DomainName) -> Failure {
    let message = format!(
        "no STOQ service at {name}: an instance of it has to be announced (`hypermesh service announce`, or an SRV record at \
         _stoq._udp.{name}), and its host needs an address and a certificate for the port with \
         `cert issue --key-type ed25519 --port PORT/udp`"
    );
    Failure::new(Exit::NotFound, message)
}

/// Whether another instance may be asked after one failed so.
fn may_ask_the_next(error: &CallError, idempotent: bool) -> bool {
    let nothing_was_asked = match error {
        CallError::Dial(_) => true,
        CallError::Refused { status } => matches!(status.advice(), Some(Advice::RetryAfter { .. })),
        _ => false,
    };
    nothing_was_asked || (idempotent && is_of_the_node(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stoq::{DialError, Status, StatusCode};

    #[test]
    fn another_instance_is_asked_where_nothing_can_have_happened_twice() {
        let addr = "[::1]:7000".parse().unwrap();
        let lost = CallError::Lost { reason: "reset".to_owned() };
        let refused = |code| CallError::Refused { status: Status::new(code, "no") };
        for idempotent in [true, false] {
            assert!(may_ask_the_next(&DialError::WrongKey { addr }.into(), idempotent));
            assert_eq!(may_ask_the_next(&lost, idempotent), idempotent);
            assert_eq!(may_ask_the_next(&CallError::DeadlineExceeded, idempotent), idempotent);
            assert_eq!(may_ask_the_next(&refused(StatusCode::Unavailable), idempotent), idempotent);
            assert!(!may_ask_the_next(&refused(StatusCode::NotFound), idempotent), "an answer is an answer");
            // Another instance may be of another version.
            assert_eq!(may_ask_the_next(&refused(StatusCode::Unimplemented), idempotent), idempotent);
        }
    }
}
