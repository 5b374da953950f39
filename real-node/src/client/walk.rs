//! Asking one of several nodes that can do the same: the first that answers, and the next when it fails.
//!
//! Every method is idempotent (an operation happens once however often it is sent), so asking a second node
//! after the first fell silent is safe. Trying the same node again is left to the transport.

use super::fault::{failure_of, is_of_the_node, unanswered};
use crate::failure::{Exit, Failure};
use hypermesh_core::api::Method;
use hypermesh_core::base::PublicKey;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stoq::{CallError, CallOptions, Client, DialError, Expect, MessageStream, Peer};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// A node to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What it is called in messages.
    pub(super) name: String,
    /// Where it is, and who.
    pub(super) peer: Peer,
}

/// Nodes that can do the same, and which of them answered last.
pub(super) struct Targets(Mutex<Known>);

#[derive(Clone)]
struct Known {
    list: Vec<Target>,
    /// The first of the list answered the last call.
    first_is_live: bool,
    /// Why hosts led nowhere.
    faults: Vec<String>,
}

/// What went wrong at which node.
#[derive(Default)]
pub(super) struct NodeErrors {
    missed: Vec<(Target, Failure)>,
    /// Whether a node answered, if not what was asked for.
    reached: bool,
    /// Why hosts led nowhere.
    faults: Vec<String>,
}

impl Targets {
    pub(super) const fn new(list: Vec<Target>) -> Self {
        Self(Mutex::new(Known { list, first_is_live: false, faults: Vec::new() }))
    }

    /// Notes why hosts led nowhere, to be told where no node answers.
    pub(super) fn note_faults(&self, faults: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).faults = faults;
    }

    /// Adds nodes that are not in the list.
    pub(super) fn add(&self, more: Vec<Target>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for target in more {
            let room = known.list.len() < LIST_COUNT_MAX;
            if room && !known.list.iter().any(|other| other.peer == target.peer) {
                known.list.push(target);
            }
        }
    }

    /// Adds the announced addresses of the nodes that are in the list.
    pub(super) fn follow(&self, announced: &BTreeMap<PublicKey, SocketAddrV6>) {
        let known = self.known().list;
        let moved = known.into_iter().filter_map(|target| match &target.peer.expect {
            Expect::Key(key) => {
                let peer = Peer { addr: *announced.get(key)?, expect: target.peer.expect.clone() };
                Some(Target { peer, ..target })
            }
            _ => None,
        });
        self.add(moved.collect());
    }

    /// The node that answered the last call.
    pub(super) fn live(&self) -> Option<Target> {
        let Known { list, first_is_live, .. } = self.known();
        list.into_iter().next().filter(|_| first_is_live)
    }

    fn known(&self) -> Known {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answered(&self, target: &Target) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.list.iter().position(|other| other == target) {
            known.list.swap(0, place);
            known.first_is_live = true;
        }
    }

    fn failed(&self, target: &Target) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.list.iter().position(|other| other == target) {
            let target = known.list.remove(place);
            known.list.push(target);
            known.first_is_live &= place > 0;
        }
    }
}

/// Calls a method on the first node that answers and whose answer is accepted. Gives the answer, and what went wrong at the
/// nodes before.
pub(super) async fn walk<T>(
    stoq: &Client,
    targets: &Targets,
    (service, method): (&str, &str),
    body: &[u8],
    timeout: Duration,
    accept: impl Fn(&[u8]) -> Result<T, Failure>,
) -> Result<(T, NodeErrors), Failure> {
    let end = Instant::now() + timeout;
    let Known { list: mut left, first_is_live, faults } = targets.known();
    let mut live = (first_is_live && !left.is_empty()).then(|| left.remove(0));
    let mut errors = NodeErrors { faults, ..NodeErrors::default() };
    loop {
        let next = match live.take() {
            Some(target) => Some(target),
            None => first_to_answer(stoq, &mut left, end, &mut errors).await,
        };
        let Some(target) = next else { return Err(errors.failure((service, method))) };
        let time_left = end.saturating_duration_since(Instant::now());
        let deadline = if left.is_empty() { time_left } else { time_left / 2 };
        let early = Method::find(service, method).is_some_and(|method| method.early);
        let options = CallOptions { early, ..CallOptions::repeatable(deadline) };
        match stoq.call(&target.peer, service, method, body.to_vec(), options).await {
            Ok(bytes) => match accept(&bytes) {
                Ok(accepted) => {
                    targets.answered(&target);
                    return Ok((accepted, errors));
                }
                Err(failure) => errors.add(target.clone(), failure),
            },
            Err(error) if is_of_the_node(&error) => errors.missed(target.clone(), &error),
            Err(error) => {
                targets.answered(&target);
                let Failure { exit, message } = failure_of(&error);
                return Err(Failure::new(exit, format!("{service}/{method}: {message}")));
            }
        }
        targets.failed(&target);
    }
}

/// Opens a streaming call of so long at the first node that answers in time. What comes of it is for the caller: a node that fails later
/// does so in the middle.
pub(super) async fn open(
    stoq: &Client,
    targets: &Targets,
    (service, method): (&str, &str),
    body: &[u8],
    timeout: Duration,
    listening: Duration,
) -> Result<MessageStream, Failure> {
    let end = Instant::now() + timeout;
    let Known { list: mut left, faults, .. } = targets.known();
    let mut errors = NodeErrors { faults, ..NodeErrors::default() };
    while let Some(target) = first_to_answer(stoq, &mut left, end, &mut errors).await {
        let options = CallOptions::once(listening);
        match stoq.stream(&target.peer, service, method, body.to_vec(), options).await {
            Ok(stream) => {
                targets.answered(&target);
                return Ok(stream);
            }
            Err(error) => {
                errors.missed(target.clone(), &error);
                targets.failed(&target);
            }
        }
    }
    Err(errors.failure((service, method)))
}

/// The first node that answers a ping, each being asked a moment after the one before. Nodes that fail leave
/// the list and are added to the errors; the winner leaves the list too.
pub(super) async fn first_to_answer(
    stoq: &Client,
    left: &mut Vec<Target>,
    end: Instant,
    errors: &mut NodeErrors,
) -> Option<Target> {
    let mut pings = JoinSet::new();
    for (turn, target) in (0..).zip(left.iter()) {
        let (stoq, target) = (stoq.clone(), target.clone());
        pings.spawn(async move {
            sleep(STAGGER * turn).await;
            let deadline = end.saturating_duration_since(Instant::now()).min(PING_TIMEOUT);
            let reached = stoq.reach(&target.peer, deadline).await;
            let outcome = reached.map_err(|error| unanswered(error, target.peer.addr, deadline));
            (target, outcome)
        });
    }
    while let Some(joined) = pings.join_next().await {
        let Ok((target, outcome)) = joined else { continue };
        left.retain(|other| *other != target);
        match outcome {
            Ok(()) => return Some(target),
            Err(error) => errors.missed(target, &error),
        }
    }
    None
}

impl NodeErrors {
    /// Whether nothing went wrong.
    pub(super) const fn is_empty(&self) -> bool {
        self.missed.is_empty()
    }

    /// Notes what was wrong with a node's answer.
    pub(super) fn add(&mut self, target: Target, failure: Failure) {
        self.reached = true;
        self.missed.push((target, failure));
    }

    /// Notes why a node gave no answer.
    pub(super) fn missed(&mut self, target: Target, error: &CallError) {
        let failure = match error {
            CallError::Dial(DialError::Timeout { addr, .. }) => match unroutable(*addr) {
                Some(reason) => Failure::new(Exit::Unreachable, reason),
                None => failure_of(error),
            },
            _ => failure_of(error),
        };
        self.reached |= !matches!(error, CallError::Dial(_));
        self.missed.push((target, failure));
    }

    /// Whose answers were refused, and why, a line each.
    pub(super) fn refused(&self) -> Vec<String> {
        let refused = self.missed.iter().filter(|(_, failure)| failure.exit == Exit::NotValid);
        let lines = refused
            .map(|(target, failure)| format!("{} at {}: {}", target.name, target.peer.addr, failure.message));
        lines.collect()
    }

    /// What to say when every node failed: what each of them did, and the exit code that says most.
    pub(super) fn failure(self, (service, method): (&str, &str)) -> Failure {
        let answered = self.missed.iter().find(|(_, failure)| failure.exit != Exit::Unreachable);
        let exit = answered.map_or(Exit::Unreachable, |(_, failure)| failure.exit);
        let outcome = if self.reached { "no node answered" } else { "no node is reachable" };
        let mut message = format!("{service}/{method}: {outcome}");
        for (target, failure) in &self.missed {
            let written = write!(message, "\n  {} at {}: {}", target.name, target.peer.addr, failure.message);
            written.expect("writing into a string does not fail");
        }
        for fault in &self.faults {
            write!(message, "\n  {fault}").expect("writing into a string does not fail");
        }
        if exit == Exit::Unreachable {
            message.push_str("\ncheck that the mesh runs, or allow more time with --timeout");
        }
        Failure::new(exit, message)
    }
}

/// Why this machine has no way to an address, if it has none. Nothing is sent.
fn unroutable(addr: SocketAddrV6) -> Option<String> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect(addr));
    let error = socket.err()?;
    Some(format!("this machine has no route to {addr}: {error}: check its IPv6 address and its routes"))
}

/// The most nodes of a list, with those that were added to it.
const LIST_COUNT_MAX: usize = 512;
/// How much later each next node is asked whether it is there.
const STAGGER: Duration = Duration::from_millis(250);
/// How long a node has to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::SecretKey;

    fn target(seed: u8, port: usize) -> Target {
        let addr = format!("[::1]:{port}").parse().unwrap();
        let expect = Expect::Key(SecretKey::from_seed([seed; 32]).public());
        Target { name: "node".into(), peer: Peer { addr, expect } }
    }

    #[test]
    fn a_list_takes_each_node_once_and_no_more_than_its_bound() {
        let targets = Targets::new(vec![target(1, 1)]);
        targets.add(vec![target(1, 1), target(1, 2)]);
        assert_eq!(targets.known().list, [target(1, 1), target(1, 2)]);
        targets.add((3..=LIST_COUNT_MAX + 1).map(|port| target(1, port)).collect());
        assert_eq!(targets.known().list.len(), LIST_COUNT_MAX);
    }

    #[test]
    fn of_the_nodes_in_a_list_the_announced_addresses_are_added_and_of_others_not() {
        let key = |seed: u8| SecretKey::from_seed([seed; 32]).public();
        let at = |port: usize| target(1, port).peer.addr;
        let targets = Targets::new(vec![target(1, 1)]);
        targets.follow(&BTreeMap::from([(key(1), at(7)), (key(2), at(8))]));
        assert_eq!(targets.known().list, [target(1, 1), target(1, 7)]);
    }
}
