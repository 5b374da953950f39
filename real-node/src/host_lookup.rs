//! Host names, looked up by this machine's resolver, of which at most a few at once.
//!
//! `getaddrinfo` blocks, has no time limit of its own and cannot be cancelled: a caller may give up after [`LOOKUP_TIMEOUT`],
//! but the thread stays until the resolver answers, if it ever does. So look-ups have threads of their own, not those that the
//! runtime keeps for blocking work such as files, and a permit each, which the thread holds until it ends. A host that is being
//! looked up is not looked up a second time: whoever asks meanwhile gets the answer of the first.

use hypermesh_core::trustchain::DomainName;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

/// The most look-ups at once, in the whole process: more than name servers of a mesh's hosts are likely to hang together.
const LOOKUPS_AT_ONCE_MAX: usize = 8;
/// How long a caller waits for a look-up, its turn included.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// What a look-up gave; `None` as long as it runs.
type HostLookupResult = Option<Result<Vec<IpAddr>, String>>;
/// What asks the resolver. It may block.
type Resolve = dyn Fn(&DomainName) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// This machine's resolver. The process has one, however often a part of it is started anew: a look-up that hangs must count
/// against the limit until it ends.
pub(crate) fn shared() -> &'static HostLookup {
    static SHARED: LazyLock<HostLookup> = LazyLock::new(|| HostLookup::new(Arc::new(ask_system)));
    &SHARED
}

/// Looks hosts up.
pub(crate) struct HostLookup {
    resolve: Arc<Resolve>,
    permits: Arc<Semaphore>,
    running: Arc<Running>,
}

/// The hosts that are being looked up, and where the outcome of each comes.
type Running = Mutex<BTreeMap<DomainName, watch::Receiver<HostLookupResult>>>;

impl HostLookup {
    fn new(resolve: Arc<Resolve>) -> Self {
        let permits = Arc::new(Semaphore::new(LOOKUPS_AT_ONCE_MAX));
        Self { resolve, permits, running: Arc::default() }
    }

    /// The addresses of a host, best first. Must be called from within a tokio runtime, which it does not block.
    ///
    /// # Errors
    /// If the host is not found in time; it is named.
    pub(crate) async fn look_up(&self, host: &DomainName) -> Result<Vec<IpAddr>, String> {
        let seconds = LOOKUP_TIMEOUT.as_secs();
        timeout(LOOKUP_TIMEOUT, self.answer(host)).await.unwrap_or_else(|_| {
            Err(match self.running_one(host) {
                Some(_) => format!("host {host}: this machine's resolver did not answer within {seconds} s"),
                None => format!(
                    "host {host}: not looked up within {seconds} s, as this machine's resolver has not answered \
                     {LOOKUPS_AT_ONCE_MAX} look-ups before it: check its name servers (/etc/resolv.conf)"
                ),
            })
        })
    }

    async fn answer(&self, host: &DomainName) -> Result<Vec<IpAddr>, String> {
        let mut outcome = match self.running_one(host) {
            Some(outcome) => outcome,
            None => {
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                self.begin(host, permit.expect("the semaphore is never closed"))?
            }
        };
        let answered = outcome.wait_for(Option::is_some).await;
        let answered = answered.ok().and_then(|outcome| outcome.clone());
        answered.unwrap_or_else(|| Err(format!("host {host}: its look-up was interrupted")))
    }

    fn running_one(&self, host: &DomainName) -> Option<watch::Receiver<HostLookupResult>> {
        lock(&self.running).get(host).cloned()
    }

    /// Begins to look a host up, unless another caller began while this one waited for its turn.
    fn begin(
        &self,
        host: &DomainName,
        permit: OwnedSemaphorePermit,
    ) -> Result<watch::Receiver<HostLookupResult>, String> {
        let mut running = lock(&self.running);
        if let Some(outcome) = running.get(host) {
            return Ok(outcome.clone());
        }
        let (answer, outcome) = watch::channel(None);
        let lookup = Lookup {
            host: host.clone(),
            running: Arc::clone(&self.running),
            permit: Some(permit),
            found: None,
            answer,
        };
        let resolve = Arc::clone(&self.resolve);
        running.insert(host.clone(), outcome.clone());
        // Where there is no thread, the lookup is dropped, which needs the lock.
        drop(running);
        let started =
            thread::Builder::new().name("host-lookup".to_owned()).spawn(move || lookup.run(&*resolve));
        started.map(|_| outcome).map_err(|error| format!("host {host}: no thread to look it up: {error}"))
    }
}

/// One look-up, on its thread. However it ends, it is over for all who wait, and gives its permit back before they hear of it.
struct Lookup {
    host: DomainName,
    running: Arc<Running>,
    permit: Option<OwnedSemaphorePermit>,
    found: HostLookupResult,
    answer: watch::Sender<HostLookupResult>,
}

impl Lookup {
    fn run(mut self, resolve: &Resolve) {
        let found = resolve(&self.host);
        self.found = Some(found.map_err(|error| format!("host {} is not found: {error}", self.host)));
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        lock(&self.running).remove(&self.host);
        drop(self.permit.take());
        self.answer.send_replace(self.found.take());
    }
}

fn lock(running: &Running) -> MutexGuard<'_, BTreeMap<DomainName, watch::Receiver<HostLookupResult>>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask_system(host: &DomainName) -> io::Result<Vec<IpAddr>> {
    Ok((host.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;
    use std::sync::Condvar;

    /// A resolver that answers nothing until it is let go.
    #[derive(Default)]
    struct Hanging {
        asked: Mutex<Vec<String>>,
        goes_on: Mutex<bool>,
        changed: Condvar,
    }

    impl Hanging {
        fn lookup(self: &Arc<Self>) -> Arc<HostLookup> {
            let resolver = Arc::clone(self);
            Arc::new(HostLookup::new(Arc::new(move |host: &DomainName| {
                resolver.asked.lock().unwrap().push(host.to_string());
                let held = resolver.goes_on.lock().unwrap();
                drop(resolver.changed.wait_while(held, |goes_on| !*goes_on).unwrap());
                Ok(vec![IpAddr::V6(Ipv6Addr::LOCALHOST)])
            })))
        }

        fn let_go(&self) {
            *self.goes_on.lock().unwrap() = true;
            self.changed.notify_all();
        }

        fn asked(&self) -> usize {
            self.asked.lock().unwrap().len()
        }

        /// Waits until so many were asked for.
        async fn until_asked(&self, count: usize) {
            while self.asked() < count {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    fn host(number: usize) -> DomainName {
        format!("node-{number}.example.org").parse().unwrap()
    }

    #[tokio::test]
    async fn a_resolver_that_hangs_has_so_many_look_ups_and_no_more() {
        let resolver = Arc::new(Hanging::default());
        let lookup = resolver.lookup();
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..=LOOKUPS_AT_ONCE_MAX {
            let lookup = Arc::clone(&lookup);
            callers.spawn(async move { lookup.look_up(&host(number)).await });
        }
        resolver.until_asked(LOOKUPS_AT_ONCE_MAX).await;
        // All callers give up, and the look-ups still count.
        let given_up: Vec<String> = callers.join_all().await.into_iter().map(Result::unwrap_err).collect();
        let of = |words: &str| given_up.iter().filter(|told| told.contains(words)).count();
        assert_eq!(of("did not answer within 3 s"), LOOKUPS_AT_ONCE_MAX, "{given_up:?}");
        assert_eq!(of("has not answered 8 look-ups before it"), 1, "{given_up:?}");
        assert!(lookup.look_up(&host(LOOKUPS_AT_ONCE_MAX)).await.is_err());
        assert_eq!(resolver.asked(), LOOKUPS_AT_ONCE_MAX);
        // Once it answers, the next has its turn.
        resolver.let_go();
        assert!(lookup.look_up(&host(LOOKUPS_AT_ONCE_MAX)).await.is_ok());
        assert_eq!(resolver.asked(), LOOKUPS_AT_ONCE_MAX + 1);
        // The others end when their threads are done, each at its own time.
        let is_idle =
            || lock(&lookup.running).is_empty() && lookup.permits.available_permits() == LOOKUPS_AT_ONCE_MAX;
        let idle = async {
            while !is_idle() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        assert!(timeout(LOOKUP_TIMEOUT, idle).await.is_ok(), "every permit comes back");
    }

    #[tokio::test]
    async fn a_host_that_is_being_looked_up_is_not_looked_up_a_second_time() {
        let resolver = Arc::new(Hanging::default());
        let lookup = resolver.lookup();
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..2 * LOOKUPS_AT_ONCE_MAX {
            let lookup = Arc::clone(&lookup);
            callers.spawn(async move { lookup.look_up(&host(1)).await });
        }
        resolver.until_asked(1).await;
        // Nor by those that had a turn of their own when it began.
        tokio::task::yield_now().await;
        assert_eq!((resolver.asked(), lookup.permits.available_permits()), (1, LOOKUPS_AT_ONCE_MAX - 1));
        resolver.let_go();
        assert!(callers.join_all().await.iter().all(Result::is_ok));
        assert_eq!(resolver.asked(), 1);
        // What is over is looked up anew.
        assert!(lookup.look_up(&host(1)).await.is_ok());
        assert_eq!(resolver.asked(), 2);
    }
}
