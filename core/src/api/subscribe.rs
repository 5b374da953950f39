//! Subscriptions: what a caller is told without asking again, as the chain and the log grow.
//!
//! A [`Subscription`] decides what comes next and touches nothing: the driver shows it the newest view, looks up for it
//! what is not in there, sends what it says, and waits for another view when it has nothing to say. It remembers
//! how far its caller has been told, so that a caller that comes back goes on from there, at this or another node.
//!
//! What is told is as honest as the node that tells it: blocks prove themselves by their commit certificates, entries by
//! inclusion proofs that the caller asks for. That nothing was left out, only a caller can know who watches every entry
//! (no names given) and checks them against checkpoints.

use super::{
    ApiFault, BlockProof, HeaderRequest, LogEntry, LogEntryRequest, Request, Response, ServiceState,
    SubscribeServiceRequest, View,
};
use crate::base::{Height, LeafIndex};
use crate::trustchain::DomainName;
use crate::trustchain::ca::{CertificateRole, role_of_tbs};
use crate::trustchain::ct;
use alloc::boxed::Box;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

message! {
    /// Asks for each block's header, with the proof that it was decided, in order.
    SubscribeBlocksRequest {
        /// The first height to tell of; if not given, the next block's.
        #[serde(default)]
        from: Option<Height>,
    }
}

message! {
    /// Asks for the log's entries for certain names. Sent again on the same call, it changes what is asked for: which
    /// names, and if `from` is given, from where on.
    SubscribeLogRequest {
        /// Names to watch, each with all that lies below it; every entry if there are none. Authorities' certificates are
        /// told of in any case, since such a one could certify any name.
        #[serde(default)]
        names: Vec<DomainName>,
        /// The first entry to look at; if not given, the next one.
        #[serde(default)]
        from: Option<LeafIndex>,
    }
}

message! {
    /// What is new in the log.
    LogNews {
        /// The log was looked through up to this size: a caller that comes back goes on from here.
        size: u64,
        /// Those of the entries that were asked for, in order: at most [`LOG_NEWS_ENTRIES_MAX`].
        entries: Vec<LogEntry>,
    }
}

/// The most names that one subscription watches.
pub const WATCHED_NAMES_MAX: usize = 64;
/// The most entries that are told at once.
pub const LOG_NEWS_ENTRIES_MAX: usize = 64;
/// The most entries that are looked at before the caller is told how far the log was looked through.
pub const LOG_NEWS_SCAN_MAX: u64 = 256;
/// What lies no further back than this is asked for by many at once: a driver does well to keep it at hand.
pub const RECENT_COUNT_MAX: u64 = 128;

/// What a subscription wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionStep {
    /// The node's answer to a request, given to [`Subscription::take`].
    Look {
        /// The request.
        request: Request,
        /// Whether other subscriptions are likely to want the same at the same time.
        recent: bool,
    },
    /// This is told to the caller.
    Tell(Response),
    /// There is nothing to say until the view is another.
    Wait,
}

/// How far a caller has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    kind: SubscriptionKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum SubscriptionKind {
    Blocks {
        next: Option<Height>,
        found: Option<Box<BlockProof>>,
    },
    Log {
        names: Vec<DomainName>,
        next: Option<u64>,
        /// The size up to which the caller was told.
        sent: u64,
        found: Vec<LogEntry>,
    },
    Service {
        name: DomainName,
        /// What the caller was told last.
        sent: Option<Box<ServiceState>>,
    },
}

impl Subscription {
    /// The subscription that a request asks for.
    ///
    /// # Errors
    /// If the request is for no subscription, or past a limit.
    pub fn open(request: Request) -> Result<Self, ApiFault> {
        let kind = match request {
            Request::SubscribeBlocks(SubscribeBlocksRequest { from }) => {
                // There is no block 0 to tell of: genesis is asked for by its own method.
                SubscriptionKind::Blocks { next: from.map(|from| from.max(Height(1))), found: None }
            }
            Request::SubscribeLog(SubscribeLogRequest { names, from }) => {
                check(&names)?;
                let next = from.map(|from| from.0);
                SubscriptionKind::Log { names, next, sent: next.unwrap_or_default(), found: Vec::new() }
            }
            Request::SubscribeService(SubscribeServiceRequest { name }) => {
                SubscriptionKind::Service { name, sent: None }
            }
            _ => return Err(ApiFault::invalid("this method is not a subscription: call it")),
        };
        Ok(Self { kind })
    }

    /// Takes another request of the caller's, which changes what is asked for.
    ///
    /// # Errors
    /// If it is not of the method that was subscribed to, past a limit, or the subscription does not change.
    pub fn change(&mut self, request: Request) -> Result<(), ApiFault> {
        match (&mut self.kind, request) {
            (SubscriptionKind::Log { names, next, sent, found }, Request::SubscribeLog(request)) => {
                check(&request.names)?;
                *names = request.names;
                if let Some(LeafIndex(from)) = request.from {
                    (*next, *sent) = (Some(from), from);
                    found.clear();
                }
                Ok(())
            }
            _ => Err(ApiFault::invalid("this subscription cannot be changed: cancel it and subscribe again")),
        }
    }

    /// What is to be done next, as things stand in this view.
    pub fn step(&mut self, view: &View) -> SubscriptionStep {
        match &mut self.kind {
            SubscriptionKind::Blocks { next, found } => blocks(view, next, found),
            SubscriptionKind::Log { next, sent, found, .. } => log(view, next, sent, found),
            SubscriptionKind::Service { name, sent } => service(view, name, sent),
        }
    }

    /// Takes the answer to what was to be looked up.
    ///
    /// # Errors
    /// If the node did not find it: the subscription ends with that.
    pub fn take(&mut self, answer: Result<Response, ApiFault>) -> Result<(), ApiFault> {
        match (&mut self.kind, answer?) {
            (SubscriptionKind::Blocks { found, .. }, Response::Header(proof)) => {
                *found = Some(Box::new(proof))
            }
            (SubscriptionKind::Log { names, next, found, .. }, Response::LogEntry(entry)) => {
                *next = Some(entry.index.0.saturating_add(1));
                if is_wanted(names, &entry.entry) {
                    found.push(entry);
                }
            }
            _ => return Err(ApiFault::invalid("an answer to another request")),
        }
        Ok(())
    }
}

fn blocks(view: &View, next: &mut Option<Height>, found: &mut Option<Box<BlockProof>>) -> SubscriptionStep {
    let newest = view.state.height();
    let height = *next.get_or_insert(Height(newest.0.saturating_add(1)));
    let ready =
        found.take().map(|proof| *proof).or_else(|| (height == newest).then(|| last_block(view)).flatten());
    match ready {
        Some(proof) => {
            *next = Some(Height(height.0.saturating_add(1)));
            SubscriptionStep::Tell(Response::SubscribeBlocks(proof))
        }
        None if height <= newest => SubscriptionStep::Look {
            request: Request::Header(HeaderRequest { height: Some(height) }),
            recent: newest.0 - height.0 <= RECENT_COUNT_MAX,
        },
        None => SubscriptionStep::Wait,
    }
}

/// The last block of a view, which has all that proves it.
fn last_block(view: &View) -> Option<BlockProof> {
    Some(BlockProof { header: view.state.head()?.clone(), commit: view.commit.clone()? })
}

fn log(view: &View, next: &mut Option<u64>, sent: &mut u64, found: &mut Vec<LogEntry>) -> SubscriptionStep {
    let size = view.state.log().size();
    if next.is_none() {
        (*next, *sent) = (Some(size), size);
    }
    let index = next.unwrap_or(size);
    let looked_at = index.saturating_sub(*sent);
    let is_full = found.len() >= LOG_NEWS_ENTRIES_MAX || looked_at >= LOG_NEWS_SCAN_MAX;
    if looked_at > 0 && (is_full || index >= size) {
        *sent = index;
        return SubscriptionStep::Tell(Response::SubscribeLog(LogNews {
            size: index,
            entries: core::mem::take(found),
        }));
    }
    if index >= size {
        return SubscriptionStep::Wait;
    }
    SubscriptionStep::Look {
        request: Request::LogEntry(LogEntryRequest { index: LeafIndex(index) }),
        recent: size - index <= RECENT_COUNT_MAX,
    }
}

/// The instances as they are now, if they are others than those that were told: what came and went in between, nobody hears.
fn service(view: &View, name: &DomainName, sent: &mut Option<Box<ServiceState>>) -> SubscriptionStep {
    let now = ServiceState::of(&view.state, name);
    if sent.as_ref().is_some_and(|sent| sent.is_same(&now)) {
        return SubscriptionStep::Wait;
    }
    *sent = Some(Box::new(now.clone()));
    SubscriptionStep::Tell(Response::SubscribeService(now))
}

fn check(names: &[DomainName]) -> Result<(), ApiFault> {
    match names.len() {
        0..=WATCHED_NAMES_MAX => Ok(()),
        count => Err(ApiFault::invalid(alloc::format!(
            "{count} names, and one subscription watches at most {WATCHED_NAMES_MAX}: use several \
            subscriptions"
        ))),
    }
}

/// Whether an entry is for one who watches these names. What cannot be read is: better too much than too little.
fn is_wanted(names: &[DomainName], entry: &[u8]) -> bool {
    let role = ct::LogEntry::decode(entry).ok().and_then(|entry| role_of_tbs(&entry.tbs).ok());
    match role {
        Some(CertificateRole::Leaf(subject)) if !names.is_empty() => {
            subject.dns().iter().any(|name| names.iter().any(|watched| name.is_within(watched)))
        }
        _ => true,
    }
}
