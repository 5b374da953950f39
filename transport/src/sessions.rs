//! The TLS sessions that callers may resume, so that a caller who comes back needs no round trip to set a connection up.
//!
//! A session is what rustls wants kept of a connection: the secret that a ticket's holder proves to know, and the certificate
//! that the caller showed. The ticket is the number that the session is kept under; it is good for one connection, since
//! the session is taken out with its first use. So an overheard first flight, sent again, resumes nothing.
//!
//! Bounded: the oldest goes when there are too many, and each ends with its lifetime. Sessions outlive a restart sealed under
//! a key that follows from the node's own: written when the node stops, read and gone when it starts, so that none is
//! there twice. A node that crashes loses them, and its callers need a round trip more, once.
//!
//! What a thief of the node's key and of the sealed sessions could do until they end: read what callers said in first
//! flights (reads of public things), and be taken for such a caller, which gives nobody a right to change anything. What
//! is said after the first flight stays secret: each connection has a key exchange of its own.

use crate::env::{Clock, Env};
use crate::lock::lock;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use borsh::{BorshDeserialize, BorshSerialize};
use hypermesh_base::{Domain, UnixMillis, decode, encode};
use rustls::server::StoresServerSessions;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Sessions by their tickets.
pub(crate) struct TlsSessions {
    clock: Arc<dyn Clock>,
    cache: Mutex<SessionCache>,
}

#[derive(Default)]
struct SessionCache {
    sessions: BTreeMap<Vec<u8>, TlsSession>,
    /// The tickets in the order in which they were made.
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

struct TlsSession {
    number: u64,
    made: UnixMillis,
    value: Vec<u8>,
}

/// A session as it outlives a restart.
#[derive(BorshSerialize, BorshDeserialize)]
struct StoredSession {
    ticket: Vec<u8>,
    made: UnixMillis,
    value: Vec<u8>,
}

/// Sealed sessions that are not this node's, or were changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TLS sessions were not sealed by this node, or were changed: callers set up new connections")]
pub struct UnsealFault;

impl TlsSessions {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, cache: Mutex::default() }
    }

    /// All sessions, sealed for this node's next life.
    pub(crate) fn seal(&self, env: &Env) -> Vec<u8> {
        let cache = lock(&self.cache);
        let rows = cache.order.values().filter_map(|ticket| {
            let session = cache.sessions.get(ticket)?;
            Some(StoredSession { ticket: ticket.clone(), made: session.made, value: session.value.clone() })
        });
        let mut bytes = encode(&rows.collect::<Vec<_>>());
        let nonce: [u8; NONCE_LEN] = env.random();
        let sealed =
            key(env).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes);
        sealed.expect("so few bytes can be sealed");
        [&nonce[..], &bytes].concat()
    }

    /// Takes the sessions of an earlier life, as far as their lifetimes go.
    pub(crate) fn restore(&self, env: &Env, sealed: &[u8]) -> Result<(), UnsealFault> {
        if sealed.len() > SEALED_SESSIONS_BYTES_MAX {
            return Err(UnsealFault);
        }
        let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(UnsealFault)?;
        let mut bytes = bytes.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key(env).open_in_place(nonce, Aad::empty(), &mut bytes).map_err(|_| UnsealFault)?;
        let rows: Vec<StoredSession> = decode(opened, SEALED_SESSIONS_BYTES_MAX).map_err(|_| UnsealFault)?;
        for StoredSession { ticket, made, value } in rows {
            self.insert(ticket, made, value);
        }
        Ok(())
    }

    fn insert(&self, ticket: Vec<u8>, made: UnixMillis, value: Vec<u8>) -> bool {
        if ticket.len() > TICKET_BYTES_MAX || value.len() > SESSION_BYTES_MAX {
            return false;
        }
        let mut cache = lock(&self.cache);
        let number = cache.next;
        cache.next += 1;
        if let Some(replaced) = cache.sessions.insert(ticket.clone(), TlsSession { number, made, value }) {
            cache.order.remove(&replaced.number);
        }
        cache.order.insert(number, ticket);
        while cache.sessions.len() > SESSIONS_MAX
            && let Some((_, oldest)) = cache.order.pop_first()
        {
            cache.sessions.remove(&oldest);
        }
        true
    }

    fn is_alive(&self, session: &TlsSession) -> bool {
        self.clock.now().wall.since(session.made) <= SESSION_MS_LIFETIME
    }
}

impl StoresServerSessions for TlsSessions {
    fn put(&self, ticket: Vec<u8>, value: Vec<u8>) -> bool {
        self.insert(ticket, self.clock.now().wall, value)
    }

    fn get(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let cache = lock(&self.cache);
        cache
            .sessions
            .get(ticket)
            .filter(|session| self.is_alive(session))
            .map(|session| session.value.clone())
    }

    fn take(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let mut cache = lock(&self.cache);
        let session = cache.sessions.remove(ticket)?;
        cache.order.remove(&session.number);
        self.is_alive(&session).then_some(session.value)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TlsSessions({})", lock(&self.cache).sessions.len())
    }
}

/// What sessions are sealed with: it follows from the node's key.
fn key(env: &Env) -> LessSafeKey {
    let key = SESSIONS_KEY.hash(&[env.identity.secret().seed()]);
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).expect("the key has the cipher's length"))
}

const SESSIONS_KEY: Domain = Domain::new("hypermesh v1 stoq sessions key");
/// Sessions that are kept; the oldest goes one past it. A caller whose session is gone needs a round trip more.
pub(crate) const SESSIONS_MAX: usize = 4096;
/// How long a session can be resumed: twelve hours.
pub(crate) const SESSION_MS_LIFETIME: u64 = 12 * 3600 * 1000;
/// The most bytes that rustls keeps of a connection: a secret, a certificate of 1024, what was agreed on.
const SESSION_BYTES_MAX: usize = 2048;
/// The most bytes of a ticket. rustls draws 32.
const TICKET_BYTES_MAX: usize = 64;
/// The most bytes of all sessions, sealed.
pub const SEALED_SESSIONS_BYTES_MAX: usize = SESSIONS_MAX * (SESSION_BYTES_MAX + TICKET_BYTES_MAX + 16) + 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;
    use hypermesh_base::{Mono, Now, SecretKey};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[derive(Default)]
    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Now {
            Now { mono: Mono(0), wall: UnixMillis(self.0.load(Relaxed)) }
        }
    }

    fn sessions() -> (Arc<SetClock>, TlsSessions) {
        let clock = Arc::<SetClock>::default();
        (clock.clone(), TlsSessions::new(clock))
    }

    fn env(seed: u8) -> Env {
        Env::real(Identity::new(SecretKey::from_seed([seed; 32])))
    }

    fn ticket(number: usize) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    #[test]
    fn a_session_is_taken_once() {
        let (_, sessions) = sessions();
        assert!(sessions.put(ticket(1), vec![7]) && sessions.can_cache());
        assert_eq!((sessions.get(&ticket(1)), sessions.take(&ticket(1))), (Some(vec![7]), Some(vec![7])));
        assert_eq!((sessions.get(&ticket(1)), sessions.take(&ticket(1))), (None, None));
    }

    #[test]
    fn sessions_are_kept_up_to_the_limit_and_the_oldest_goes_one_past_it() {
        let (_, sessions) = sessions();
        for number in 0..SESSIONS_MAX {
            sessions.put(ticket(number), vec![1]);
        }
        assert!(sessions.get(&ticket(0)).is_some());
        sessions.put(ticket(SESSIONS_MAX), vec![1]);
        assert!(sessions.get(&ticket(0)).is_none() && sessions.get(&ticket(1)).is_some());
        assert_eq!(lock(&sessions.cache).order.len(), SESSIONS_MAX);
        assert!(sessions.put(vec![1; TICKET_BYTES_MAX], vec![1; SESSION_BYTES_MAX]));
        assert!(!sessions.put(vec![1; TICKET_BYTES_MAX + 1], vec![1]));
        assert!(!sessions.put(vec![1], vec![1; SESSION_BYTES_MAX + 1]));
    }

    #[test]
    fn a_session_lives_to_its_end_and_not_a_millisecond_longer() {
        let (clock, sessions) = sessions();
        sessions.put(ticket(1), vec![1]);
        clock.0.store(SESSION_MS_LIFETIME, Relaxed);
        assert!(sessions.get(&ticket(1)).is_some());
        clock.0.store(SESSION_MS_LIFETIME + 1, Relaxed);
        assert_eq!((sessions.get(&ticket(1)), sessions.take(&ticket(1))), (None, None));
    }

    #[tokio::test]
    async fn sealed_sessions_are_for_the_same_node_and_unchanged_or_for_nobody() {
        let (_, before) = sessions();
        for number in 0..SESSIONS_MAX {
            before.put(ticket(number), vec![7; SESSION_BYTES_MAX]);
        }
        let sealed = before.seal(&env(1));
        assert!(sealed.len() <= SEALED_SESSIONS_BYTES_MAX);
        let (_, after) = sessions();
        assert_eq!(after.restore(&env(2), &sealed), Err(UnsealFault));
        for at in [0, NONCE_LEN, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(after.restore(&env(1), &changed), Err(UnsealFault));
        }
        assert_eq!(after.restore(&env(1), &[1; NONCE_LEN - 1]), Err(UnsealFault));
        assert_eq!(after.restore(&env(1), &vec![0; SEALED_SESSIONS_BYTES_MAX + 1]), Err(UnsealFault));
        after.restore(&env(1), &sealed).unwrap();
        assert_eq!(after.take(&ticket(9)), Some(vec![7; SESSION_BYTES_MAX]));
        let readable = sealed.windows(32).any(|window| window == [7; 32]);
        assert!(!readable, "a secret lies open");
    }
}
