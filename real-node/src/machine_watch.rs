//! Watches for what a node cannot see by itself: that its machine slept, or was resumed from a snapshot or cloned.
//!
//! Linux shows this in three ways, of which a machine has some or none:
//!
//! - the boot-time clock gains on the monotonic one while the machine sleeps;
//! - the driver `vmgenid` (since Linux 5.18) is told by the hypervisor that the virtual machine's generation identifier has
//!   changed, and sends a uevent with `NEW_VMGENID=1`, which every process may receive;
//! - QEMU shows the identifier in its firmware configuration, which root may read.
//!
//! Each is looked at several times a second, so that what is signed between a resume and its report is as little as can be.

use crate::logs::AUDIT;
use hypermesh_core::node::Discontinuity;
use hypermesh_driver::ContinuityReports;
use rustix::fd::OwnedFd;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often is looked.
const LOOKED_EVERY: Duration = Duration::from_millis(100);
/// The boot-time clock may gain so much on the monotonic one between two looks: readings are not simultaneous.
const SLEPT_MS_MAX: u64 = 50;
/// The clocks are read again if more than this passed between two readings: a thread may be held up there.
const READING_APART_MAX: Duration = Duration::from_millis(SLEPT_MS_MAX);
/// How often they are read at most.
const READ_COUNT_MAX: u32 = 16;
/// The group of uevents that the kernel itself sends.
const KERNEL_UEVENTS: u32 = 1;
/// A uevent is one page at most.
const UEVENT_BYTES_MAX: usize = 4096;
/// What the driver of the generation identifier says.
const NEW_GENERATION: &[u8] = b"NEW_VMGENID=1";
/// Where QEMU shows the identifier.
const GENERATION_FILE: &str = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw";

/// Watches as long as it is kept.
pub(crate) struct MachineWatch {
    task: JoinHandle<()>,
}

impl MachineWatch {
    /// Begins to watch. What is seen is reported to the node; a resume also raises the alarm, because more of the process
    /// than the node is old then. Must be called from within a tokio runtime.
    pub(crate) fn start(reports: ContinuityReports, resumed: watch::Sender<bool>) -> Self {
        let task = tokio::spawn(async move {
            let mut machine = Machine::look();
            let mut turns = interval(LOOKED_EVERY);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                let Some(what) = machine.look_again() else { continue };
                tracing::warn!(target: AUDIT, %what, "this machine was suspended, or resumed from a snapshot");
                reports.report(what).await;
                if what == Discontinuity::Resumed {
                    resumed.send_replace(true);
                }
            }
        });
        Self { task }
    }
}

impl Drop for MachineWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was seen last.
struct Machine {
    slept: Duration,
    uevents: Option<OwnedFd>,
    generation: Option<Vec<u8>>,
}

impl Machine {
    fn look() -> Self {
        let uevents = uevents();
        if let Err(error) = &uevents {
            tracing::debug!(%error, "cannot receive the kernel's events: a resume may not be detected");
        }
        Self { slept: slept(), uevents: uevents.ok(), generation: generation(Path::new(GENERATION_FILE)) }
    }

    fn look_again(&mut self) -> Option<Discontinuity> {
        let slept = std::mem::replace(&mut self.slept, slept());
        // Both are taken note of, so that one resume is not reported twice.
        let is_reported = self.uevents.as_ref().is_some_and(new_generation);
        let changed = self.generation.is_some() && {
            let before = self.generation.take();
            self.generation = generation(Path::new(GENERATION_FILE)).or_else(|| before.clone());
            self.generation != before
        };
        if is_reported || changed { Some(Discontinuity::Resumed) } else { suspension(slept, self.slept) }
    }
}

/// A sleep between two readings of how long the machine has slept.
fn suspension(before: Duration, after: Duration) -> Option<Discontinuity> {
    let ms = u64::try_from(after.saturating_sub(before).as_millis()).unwrap_or(u64::MAX);
    (ms > SLEPT_MS_MAX).then_some(Discontinuity::Suspended { ms })
}

/// How long the machine has slept since it booted.
fn slept() -> Duration {
    slept_by(|clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default())
}

/// The same by these clocks. The monotonic clock is read before and after the other, so that a time in which this thread was
/// held up between two readings is not taken for sleep.
fn slept_by(mut read: impl FnMut(ClockId) -> Duration) -> Duration {
    let mut before = read(ClockId::Monotonic);
    for _ in 0..READ_COUNT_MAX {
        let boottime = read(ClockId::Boottime);
        let after = read(ClockId::Monotonic);
        if after.saturating_sub(before) <= READING_APART_MAX {
            return boottime.saturating_sub(before);
        }
        before = after;
    }
    read(ClockId::Boottime).saturating_sub(before)
}

/// A socket that receives the kernel's uevents.
fn uevents() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::KOBJECT_UEVENT))?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_UEVENTS))?;
    Ok(socket)
}

/// Whether one of the uevents that have come says that the generation changed.
fn new_generation(socket: &OwnedFd) -> bool {
    let mut found = false;
    let mut buffer = [0; UEVENT_BYTES_MAX];
    while let Ok((bytes, _)) = recv(socket, &mut buffer[..], RecvFlags::empty()) {
        found |= buffer.get(..bytes).is_some_and(says_new_generation);
    }
    found
}

/// A uevent is a header and then variables, each ended by a zero.
fn says_new_generation(uevent: &[u8]) -> bool {
    uevent.split(|byte| *byte == 0).any(|variable| variable == NEW_GENERATION)
}

/// The generation identifier, where the firmware's configuration can be read.
fn generation(file: &Path) -> Option<Vec<u8>> {
    fs::read(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uevent_of_a_new_generation_is_told_from_others() {
        let uevent =
            b"change@/devices/platform/vmgenid\0ACTION=change\0SUBSYSTEM=acpi\0NEW_VMGENID=1\0SEQNUM=9\0";
        assert!(says_new_generation(uevent));
        for other in [&b"add@/devices/NEW_VMGENID=1x\0ACTION=add\0"[..], b"", b"NEW_VMGENID=11\0"] {
            assert!(!says_new_generation(other));
        }
    }

    #[test]
    fn a_sleep_is_reported_past_the_limit() {
        let before = Duration::from_secs(7);
        let after = |ms| suspension(before, before + Duration::from_millis(ms));
        assert_eq!(after(SLEPT_MS_MAX), None);
        assert_eq!(after(SLEPT_MS_MAX + 1), Some(Discontinuity::Suspended { ms: SLEPT_MS_MAX + 1 }));
        assert_eq!(suspension(before, Duration::ZERO), None);
    }

    #[test]
    fn clocks_are_read_again_if_the_thread_was_held_up_between_two_readings() {
        const SLEPT: Duration = Duration::from_secs(7);
        // What passes before each reading, in milliseconds.
        let slept_with = |held_up: &[u64]| {
            let (mut running, mut held_up, mut reads) = (Duration::ZERO, held_up.iter(), 0);
            let slept = slept_by(|clock| {
                reads += 1;
                running += Duration::from_millis(held_up.next().copied().unwrap_or_default());
                if clock == ClockId::Boottime { SLEPT + running } else { running }
            });
            (slept, reads)
        };
        assert_eq!(slept_with(&[]), (SLEPT, 3));
        let (limit, past) = (SLEPT_MS_MAX, SLEPT_MS_MAX + 1);
        assert_eq!(slept_with(&[0, limit]), (SLEPT + READING_APART_MAX, 3));
        assert_eq!(slept_with(&[0, past]), (SLEPT, 5));
        assert_eq!(slept_with(&[0, 0, past]), (SLEPT, 5));
        // It ends even if it is held up each time.
        let (_, reads) = slept_with(&[past; 100]);
        assert_eq!(reads, 2 + 2 * READ_COUNT_MAX);
    }

    #[test]
    fn this_machine_has_run_on() {
        let mut machine = Machine::look();
        assert_eq!(machine.look_again(), None);
    }

    #[test]
    fn a_changed_identifier_in_the_firmware_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("raw");
        assert_eq!(generation(&file), None);
        fs::write(&file, [1; 16]).unwrap();
        let before = generation(&file);
        fs::write(&file, [2; 16]).unwrap();
        assert!(before.is_some() && generation(&file) != before);
    }
}
