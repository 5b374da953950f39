//! Whether a node's memory suffices, judged before it starts: whoever runs out later is killed without a word.
//!
//! A limit may come from the control group (systemd's `MemoryMax=`), from `ulimit -v` or `-d`, or from the machine. The need is
//! what is known before anything is read: the plot, which is held whole, and what a node takes besides; and once the store is
//! open, what its rows take at least. What grows later is watched by metrics (`hypermesh_hypermesh_memory_bytes`).

use crate::failure::{Exit, Failure};
use hypermesh_core::base::Profile;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// What a node takes at least besides plot and state: code, caches, connections, buffers. Measured resident at an idle node
/// of four: 28 MiB.
const BASE_BYTES: u64 = 24 << 20;
/// A row of the state takes at least this much: its key and value, and the nodes of the tree above it.
const STATE_ROW_BYTES_MIN: u64 = 512;
/// `ulimit -v` counts addresses too that are never touched: stacks of threads, arenas of the allocator, the program itself.
/// This is for all but the stacks of the worker threads. Measured on two processors: with 40 MiB an idle node cannot start,
/// with 48 MiB it runs.
const ADDRESS_BYTES: u64 = 20 << 20;
/// The stack of a worker thread of the runtime (tokio's default, and the standard library's).
const STACK_BYTES: u64 = 2 << 20;

/// A limit of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How much.
    pub bytes: u64,
    /// Where it comes from, and how it is raised.
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Group { file: String },
    Addresses,
    Data,
    Machine,
}

/// What a node needs at least, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    plot: u64,
    state_rows: u64,
}

impl Need {
    /// Of a node of this profile, whatever it has stored.
    #[must_use]
    pub const fn of(profile: Profile) -> Self {
        Self { plot: profile.proofs().space.plot_bytes(), state_rows: 0 }
    }

    /// With so many rows of state.
    #[must_use]
    pub const fn with_rows(self, state_rows: u64) -> Self {
        Self { state_rows, ..self }
    }

    const fn bytes(self) -> u64 {
        self.plot + BASE_BYTES + self.state_rows.saturating_mul(STATE_ROW_BYTES_MIN)
    }

    /// How many bytes of addresses (`ulimit -v`) the node needs at least on this machine: the runtime has a worker thread for
    /// each processor, and each has a stack.
    #[must_use]
    pub fn address_bytes(self) -> u64 {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        self.address_bytes_with(u64::try_from(workers).unwrap_or(u64::MAX))
    }

    const fn address_bytes_with(self, workers: u64) -> u64 {
        self.bytes().saturating_add(ADDRESS_BYTES).saturating_add(STACK_BYTES.saturating_mul(workers))
    }
}

impl Limit {
    fn needed(&self, need: Need) -> u64 {
        match self.source {
            Source::Addresses => need.address_bytes(),
            Source::Group { .. } | Source::Data | Source::Machine => need.bytes(),
        }
    }

    fn words(&self) -> String {
        match &self.source {
            Source::Group { file } => format!("{file} (systemd's MemoryMax=)"),
            Source::Addresses => "ulimit -v".to_owned(),
            Source::Data => "ulimit -d".to_owned(),
            Source::Machine => "this machine's memory".to_owned(),
        }
    }
}

/// Every limit that holds for this process.
#[must_use]
pub fn limits() -> Vec<Limit> {
    let rlimit = |resource, source| getrlimit(resource).current.map(|bytes| Limit { bytes, source });
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram.saturating_mul(u64::from(machine.mem_unit));
    let mut limits = group_limits(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    limits.extend(rlimit(Resource::As, Source::Addresses));
    limits.extend(rlimit(Resource::Data, Source::Data));
    limits.push(Limit { bytes: machine, source: Source::Machine });
    limits
}

/// The least of the limits, in bytes.
#[must_use]
pub fn limit_bytes() -> Option<u64> {
    limits().iter().map(|limit| limit.bytes).min()
}

/// Refuses a node that cannot live within these limits.
///
/// # Errors
/// If one is too small: which, what is needed for what, and what to do.
pub fn check(need: Need, limits: &[Limit]) -> Result<(), Failure> {
    let Some(limit) = limits.iter().find(|limit| limit.bytes < limit.needed(need)) else { return Ok(()) };
    let rows = match need.state_rows {
        0 => String::new(),
        rows => format!(", {rows} rows of state"),
    };
    let message = format!(
        "too little memory: {} allows {}, and this node needs at least {} (plot {}{rows}): raise the limit, or run the \
         node on a machine with more",
        limit.words(),
        mebibytes(limit.bytes),
        mebibytes(limit.needed(need)),
        mebibytes(need.plot),
    );
    Err(Failure::new(Exit::Failed, message))
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// The limits of this process's control group and of those above it, of version 2 or 1.
fn group_limits(own: &Path, root: &Path) -> Vec<Limit> {
    let Ok(text) = std::fs::read_to_string(own) else { return Vec::new() };
    let line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        match controllers.as_str() {
            "" => Some((root.to_path_buf(), path, "memory.max")),
            "memory" => Some((root.join("memory"), path, "memory.limit_in_bytes")),
            _ => None,
        }
    };
    let mut limits = Vec::new();
    for (mount, path, name) in text.lines().filter_map(line) {
        for folder in Path::new(path.trim_start_matches('/')).ancestors() {
            let file = mount.join(folder).join(name);
            let limit = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
            let source = Source::Group { file: file.display().to_string() };
            limits.extend(limit.map(|bytes| Limit { bytes, source }));
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(bytes: u64, source: Source) -> Limit {
        Limit { bytes, source }
    }

    #[test]
    fn a_limit_that_suffices_is_taken_and_one_byte_less_is_refused_with_its_cause() {
        let need = Need::of(Profile::Production).with_rows(1_000);
        let enough = (1 << 30) + BASE_BYTES + 1_000 * STATE_ROW_BYTES_MIN;
        assert_eq!(check(need, &[limit(enough, Source::Machine)]), Ok(()));
        let failure = check(need, &[limit(enough - 1, Source::Machine)]).unwrap_err();
        for words in ["this machine's memory", "plot 1024 MiB", "1000 rows of state", "raise the limit"] {
            assert!(failure.message.contains(words), "{words} in {failure}");
        }
    }

    #[test]
    fn a_limit_of_addresses_has_room_for_the_stack_of_each_worker_thread() {
        let need = Need::of(Profile::Production);
        assert_eq!(need.address_bytes_with(65) - need.address_bytes_with(1), 128 << 20);
        let enough = need.address_bytes();
        assert!(enough > need.bytes() + ADDRESS_BYTES);
        assert_eq!(check(need, &[limit(enough, Source::Addresses)]), Ok(()));
        let failure = check(need, &[limit(enough - 1, Source::Addresses)]).unwrap_err();
        assert!(failure.message.contains("ulimit -v"), "{failure}");
    }

    #[test]
    fn limits_of_a_control_group_and_of_those_above_it_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let (own, root) = (folder.path().join("cgroup"), folder.path().join("fs"));
        let service = root.join("system.slice/hypermesh.service");
        std::fs::create_dir_all(&service).unwrap();
        std::fs::write(&own, "1:cpu:/other\n0::/system.slice/hypermesh.service\n").unwrap();
        std::fs::write(service.join("memory.max"), "max\n").unwrap();
        std::fs::write(root.join("system.slice/memory.max"), "1048576\n").unwrap();
        let bytes: Vec<u64> = group_limits(&own, &root).iter().map(|limit| limit.bytes).collect();
        assert_eq!(bytes, [1 << 20]);
        std::fs::write(service.join("memory.max"), "4096\n").unwrap();
        let words: Vec<String> = group_limits(&own, &root).iter().map(Limit::words).collect();
        assert!(words[0].ends_with("hypermesh.service/memory.max (systemd's MemoryMax=)"), "{words:?}");
        assert_eq!(group_limits(&folder.path().join("absent"), &root), Vec::new());
    }

    #[test]
    fn this_machine_has_a_limit() {
        assert!(limit_bytes().is_some_and(|bytes| bytes > 0));
    }
}
