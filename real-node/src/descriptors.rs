//! How many files and connections this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What a node needs at most: TCP connections of plain DNS, its store, sockets, and room to spare.
const DESCRIPTORS: u64 = 4096;

/// Raises the soft limit (`ulimit -n`, often 1,024) to what a node needs, as far as the hard limit allows. It was made so low
/// for programs that use select(2); connections that took all of it would keep the store from its files.
pub fn raise() {
    let mut limit = getrlimit(Resource::Nofile);
    let Some(soft) = limit.current.filter(|soft| *soft < DESCRIPTORS) else { return };
    let raised = limit.maximum.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    limit.current = Some(raised);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, soft, "the limit of open files is low and cannot be raised from here: raise \
            it (LimitNOFILE=, ulimit -n)");
    }
}
