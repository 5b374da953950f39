//! A node whose disk is full: it says so and ends, having promised nothing that is not on disk; the others go on;
//! and with room again it comes back by itself, with everything that was acknowledged meanwhile.
//!
//! The disk is a `tmpfs` of its own, which takes the right to mount (root); without it the test says so and is not
//! made. What every single failing write does is tried in `real-node/src/store/tests/faults.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use hypermesh_tests::load::{Load, goes_on};
use hypermesh_tests::processes::ProcessMesh;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hypermesh-under-test");
const VICTIM: usize = 3;
const SIZE: &str = "size=16m";

/// A small disk in place of a folder, with what was in it.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn over(folder: &Path) -> Option<Self> {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).unwrap();
        fs::create_dir(folder).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder).status();
        if !mount.is_ok_and(|status| status.success()) {
            return None;
        }
        let disk = Self(folder.to_path_buf());
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(folder).status().unwrap();
        assert!(copied.success());
        Some(disk)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        let block = [0x55; 4096];
        while filler.write_all(&block).is_ok() {}
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A lazy one succeeds whoever still has a file open there.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_full_disk_says_so_and_ends_and_comes_back_with_room() {
    let mut mesh = ProcessMesh::new(PROGRAM);
    let folder = mesh.node(VICTIM).path().to_path_buf();
    let Some(disk) = SmallDisk::over(&folder) else {
        eprintln!("not tried: this process may not mount a tmpfs");
        return;
    };
    // The log has room, so that there is something to read afterwards.
    std::os::unix::fs::symlink("../victim.log", mesh.node(VICTIM).log()).unwrap();
    (0..4).for_each(|number| mesh.start(number));
    mesh.until_all(|status| status.ready).await;
    let mut load = Load::start(&mesh, 4, 7);
    goes_on(&load, 4).await;
    disk.fill();
    let status = mesh.ended(VICTIM).await;
    let log = mesh.log(VICTIM);
    assert_eq!(status.code(), Some(8), "{log}");
    for word in [
        "cannot write store",
        "store.redb",
        "No space left on device",
        "free space there and start the node again",
    ] {
        assert!(log.contains(word), "{word} in {log}");
    }
    goes_on(&load, 4).await;

    mesh.start(VICTIM);
    let status = mesh.ended(VICTIM).await;
    assert!(matches!(status.code(), Some(1 | 8)), "without room it does not start: {status}");
    fs::remove_file(disk.filler()).unwrap();
    mesh.start(VICTIM);
    mesh.until(VICTIM, |status| status.ready && status.connected == 4).await;
    goes_on(&load, 4).await;
    load.finish().await;
    let height = mesh.until(0, |_| true).await.height;
    mesh.until_all(|status| status.height >= height && status.connected == 4).await;
    load.check(&mesh).await;
    mesh.stop().await;
    drop(disk);
}
