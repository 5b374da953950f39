//! The tickets with which a client resumes its sessions with one peer. They are kept in memory, as long as the client runs.

use crate::lock::lock;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

/// SessionTickets of one peer, the newest last. Each is used once (RFC 8446 §C.4).
#[derive(Default)]
pub(crate) struct SessionTickets(Mutex<VecDeque<Tls13ClientSessionValue>>);

/// SessionTickets that are kept of a peer; the oldest goes one past it.
const TICKETS_MAX: usize = 2;

impl SessionTickets {
    /// Whether there is one to be used.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl ClientSessionStore for SessionTickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = lock(&self.0);
        if tickets.len() >= TICKETS_MAX {
            tickets.pop_front();
        }
        tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        lock(&self.0).pop_back()
    }
}

impl fmt::Debug for SessionTickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SessionTickets({})", lock(&self.0).len())
    }
}
