//! What a DNS listener has done, in numbers.

use super::class::RateClass;
use super::connections::Eviction;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers for each transport, and of what is limited.
#[derive(Debug, Default)]
pub struct DnsCounters {
    /// Over UDP.
    pub udp: DnsTally,
    /// Over TCP.
    pub tcp: DnsTally,
    limited: [AtomicU64; RateClass::ALL.len()],
    connections: AtomicU64,
    evicted: [AtomicU64; Eviction::ALL.len()],
}

impl DnsCounters {
    pub(super) fn count_limited(&self, class: RateClass) {
        self.limited[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_eviction(&self, reason: Eviction) {
        self.evicted[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Queries over UDP past their prefix's rate of this class: answered with a truncated response, or not at all.
    #[must_use]
    pub fn limited(&self, class: RateClass) -> u64 {
        self.limited[class as usize].load(Ordering::Relaxed)
    }

    /// TCP connections that were taken.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// TCP connections that were closed to make room for others.
    #[must_use]
    pub fn evicted(&self, reason: Eviction) -> u64 {
        self.evicted[reason as usize].load(Ordering::Relaxed)
    }
}

/// Numbers of one transport. They only grow.
#[derive(Debug, Default)]
pub struct DnsTally {
    responses: [AtomicU64; ResponseKind::ALL.len()],
    truncated: AtomicU64,
    dropped: AtomicU64,
    errors: AtomicU64,
}

/// The response code in a message's header (RFC 1035 §4.1.1). The upper bits that EDNS adds are not looked
/// at, so BADVERS counts as NOERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseKind {
    /// Answered, or the name has no such records.
    NoError,
    /// The query was malformed.
    FormErr,
    /// The server failed.
    ServFail,
    /// There is no such name.
    NxDomain,
    /// The operation is not known.
    NotImp,
    /// The server does not answer this.
    Refused,
    /// Another code, which nothing here gives.
    Other,
}

impl ResponseKind {
    /// Every kind, in the order of the codes.
    pub const ALL: [Self; 7] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::Other,
    ];

    /// The code's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::Other => "OTHER",
        }
    }
}

impl DnsTally {
    pub(super) fn count(&self, response: Option<&[u8]>) {
        let counter = match response {
            Some([_, _, flags, code, ..]) => {
                if flags & 2 != 0 {
                    self.truncated.fetch_add(1, Ordering::Relaxed);
                }
                self.responses.get(usize::from(code & 15)).unwrap_or(&self.responses[6])
            }
            Some(_) => &self.responses[6],
            None => &self.dropped,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Responses with this code.
    #[must_use]
    pub fn responses(&self, kind: ResponseKind) -> u64 {
        self.responses[kind as usize].load(Ordering::Relaxed)
    }

    /// Responses that were truncated, among those of [`Self::responses`].
    #[must_use]
    pub fn truncated(&self) -> u64 {
        self.truncated.load(Ordering::Relaxed)
    }

    /// Messages that deserved no response.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Errors of sockets, and connections that were cut off.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }
}
