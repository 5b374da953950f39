//! Every operation on the disk fails in turn, for each command.

use super::super::super::folder::{Directory, FileAccess};
use super::*;
use crate::failure::Exit;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// A command on a folder, tried with every fault.
struct Scenario {
    /// What is there before.
    prepare: fn() -> Desk,
    /// What is done.
    command: fn(&Desk, &dyn Disk) -> Result<(), Failure>,
    /// What is done afterwards.
    next: fn(&Desk, &dyn Disk) -> Result<(), Failure>,
}

fn issue(desk: &Desk, disk: &dyn Disk) -> Result<(), Failure> {
    desk.issue(disk, &issue_args("web.demo.hypermesh", &desk.web())).map(drop)
}

fn issue_another(desk: &Desk, disk: &dyn Disk) -> Result<(), Failure> {
    let args = IssueArgs { force: true, ..issue_args("other.demo.hypermesh", &desk.web()) };
    desk.issue(disk, &args).map(drop)
}

fn renew(desk: &Desk, disk: &dyn Disk) -> Result<(), Failure> {
    desk.renew(disk, |_| ()).map(drop)
}

fn renew_with_new_key(desk: &Desk, disk: &dyn Disk) -> Result<(), Failure> {
    let report = desk.renew(disk, |args| (args.new_key, args.revoke_old) = (true, true))?;
    assert!(report.in_place);
    Ok(())
}

fn with_one_that_waits() -> Desk {
    let desk = Desk::with_certificate();
    let disk = FaultyDisk::new(Fault::None);
    desk.renew(&disk, |args| (args.new_key, args.no_wait) = (true, true)).unwrap();
    desk
}

fn with_one_that_waits_beside_plain_files() -> Desk {
    let desk = with_one_that_waits();
    desk.put_plain_file(FULL_CHAIN_FILE, &desk.read(FULL_CHAIN_FILE));
    desk
}

fn with_one_that_was_interrupted() -> Desk {
    let desk = Desk::with_certificate();
    desk.authority.record().loses_answers = true;
    desk.renew(&FaultyDisk::new(Fault::None), |_| ()).unwrap_err();
    desk.authority.record().loses_answers = false;
    desk
}

const SCENARIOS: [(&str, Scenario); 9] = [
    ("first issue", Scenario { prepare: Desk::new, command: issue, next: issue }),
    ("another name", Scenario { prepare: Desk::with_certificate, command: issue_another, next: renew }),
    ("renewal", Scenario { prepare: Desk::with_certificate, command: renew, next: renew }),
    ("new key", Scenario { prepare: Desk::with_certificate, command: renew_with_new_key, next: renew }),
    ("plain files", Scenario { prepare: Desk::with_plain_files, command: renew, next: renew }),
    (
        "plain files, new key",
        Scenario { prepare: Desk::with_plain_files, command: renew_with_new_key, next: renew },
    ),
    (
        "one that is dropped for a new key",
        Scenario { prepare: with_one_that_was_interrupted, command: renew_with_new_key, next: renew },
    ),
    (
        "one that waits beside plain files",
        Scenario { prepare: with_one_that_waits_beside_plain_files, command: renew, next: renew },
    ),
    ("one that waits", Scenario { prepare: with_one_that_waits, command: renew, next: renew }),
];

/// Runs every command with the fault at every operation; how many there were.
fn at_every_operation(fault: fn(usize) -> Fault) -> usize {
    let mut runs = 0;
    for (name, Scenario { prepare, command, next }) in SCENARIOS {
        for at in 0.. {
            let desk = prepare();
            let before = desk.pair();
            let issued_before = desk.authority.record().issued.len();
            let disk = FaultyDisk::new(fault(at));
            let outcome = command(&desk, &disk);
            assert!(disk.is_hit() || outcome.is_ok(), "{name}: {outcome:?}");
            assert!(!disk.switched_too_early(), "{name}, {at}: what is not on the device is in use");
            let unsynced = disk.unsynced_folders();
            assert!(outcome.is_err() || unsynced.is_empty(), "{name}, {at}: may be lost: {unsynced:?}");
            let after = desk.pair();
            assert!(after.is_some() || before.is_none(), "{name}, {at}: the certificate is gone");

            // The real one would do the same, and wait for a device a thousand times.
            let next_disk = FaultyDisk::after(&disk);
            next(&desk, &next_disk).unwrap_or_else(|failure| panic!("{name}, {at}: {failure}"));
            let unsynced = next_disk.unsynced_folders();
            assert!(unsynced.is_empty(), "{name}, {at}: may be lost after the next one: {unsynced:?}");
            let finished = desk.pair();
            assert!(finished.is_some() && (finished != before || after != before), "{name}, {at}");
            desk.assert_tidy();
            let issued = desk.authority.record().issued.len() - issued_before;
            assert!(issued <= 2, "{name}, {at}: {issued} were issued and paid for by two commands");
            if !disk.is_hit() {
                break;
            }
            runs += 1;
        }
    }
    runs
}

#[test]
fn a_command_that_is_ended_anywhere_leaves_a_whole_pair_and_the_next_one_finishes_or_undoes_it() {
    let runs = at_every_operation(Fault::Killed);
    assert!(runs > 300, "{runs} operations were cut off");
}

#[test]
fn a_disk_that_is_full_from_any_operation_on_leaves_a_whole_pair() {
    let runs = at_every_operation(Fault::Full);
    assert!(runs > 150, "{runs} operations had no room");
}

#[test]
fn every_operation_is_counted_and_the_checks_fire() {
    let desk = Desk::with_certificate();
    let disk = FaultyDisk::new(Fault::None);
    renew(&desk, &disk).unwrap();
    assert!(disk.operations() > 40 && !disk.is_hit());
    // A key of another certificate, as it was between two renames.
    let other = Desk::with_certificate();
    fs::remove_file(desk.web().join("key.pem")).unwrap();
    fs::copy(other.web().join("key.pem"), desk.web().join("key.pem")).unwrap();
    assert!(std::panic::catch_unwind(|| server_pair(&desk.web())).is_err());
    // A switch to what nobody has waited for.
    let disk = FaultyDisk::new(Fault::None);
    let private = Directory::open(&desk.web().join(".hypermesh")).unwrap();
    disk.make_folder(private.at("7"), 0o700).unwrap();
    let generation = Directory::open(&desk.web().join(".hypermesh/7")).unwrap();
    let access = FileAccess::New(crate::file::Access::Public);
    drop(disk.create(generation.at("cert.pem"), access).unwrap());
    disk.symlink(Path::new("7"), private.at("link.next")).unwrap();
    disk.rename(private.at("link.next"), private.at("current")).unwrap();
    assert_eq!(disk.unsynced_folders().len(), 2, "the generation, and the folder that it is in");
    assert!(disk.switched_too_early());
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_nothing_is_paid_twice() {
    let desk = Desk::with_certificate();
    let key = desk.read("key.pem");
    desk.authority.record().loses_answers = true;
    for _ in 0..2 {
        desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
        assert_eq!(desk.read("key.pem"), key);
        assert_eq!(desk.authority.record().issued.len(), 2);
    }
    desk.authority.record().loses_answers = false;
    let report = desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!((desk.pair(), desk.authority.record().issued.len()), (Some(report.issued.serial_number), 2));
    assert_ne!(desk.read("key.pem"), key, "the key that was begun with is the one in use");
    desk.assert_tidy();
    // So is a first one.
    let desk = Desk::new();
    desk.authority.record().loses_answers = true;
    issue(&desk, &RealDisk).unwrap_err();
    assert_eq!(desk.pair(), None);
    desk.authority.record().loses_answers = false;
    issue(&desk, &RealDisk).unwrap();
    assert_eq!((desk.pair().is_some(), desk.authority.record().issued.len()), (true, 1));
    desk.assert_tidy();
}

#[test]
fn what_is_refused_before_it_is_sent_leaves_nothing() {
    let desk = Desk::new();
    desk.authority.record().sends_nothing = Some(Exit::Refused);
    issue(&desk, &RealDisk).unwrap_err();
    assert!(!desk.web().exists(), "no key is left, and no folder");
    // Nor in a folder that was there.
    fs::create_dir(desk.web()).unwrap();
    fs::write(desk.web().join("notes"), "mine").unwrap();
    issue(&desk, &RealDisk).unwrap_err();
    assert_eq!(fs::read_dir(desk.web()).unwrap().count(), 1);
    // What is wrong before anything is asked.
    fs::remove_dir_all(desk.web()).unwrap();
    let args =
        IssueArgs { san: vec!["192.0.2.1".to_owned()], ..issue_args("web.demo.hypermesh", &desk.web()) };
    desk.issue(&RealDisk, &args).unwrap_err();
    assert!(!desk.web().exists());
    // A renewal leaves what was there.
    let desk = Desk::with_certificate();
    let key = desk.read("key.pem");
    desk.authority.record().sends_nothing = Some(Exit::Refused);
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
    assert_eq!(desk.read("key.pem"), key);
    desk.assert_tidy();
}

#[test]
fn fifty_pairs_of_renewals_at_once_leave_a_whole_pair_and_so_does_every_moment_of_them() {
    let desk = Desk::with_certificate();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let folder = Folder::new(&desk.web());
            let mut reads = 0;
            while !is_over.load(Relaxed) {
                let mismatch = folder.steady(|| folder.mismatch(&folder.certificate()?));
                assert_eq!(mismatch, Ok(None));
                reads += 1;
                // As often as a server that is started anew all the time.
                std::thread::sleep(Duration::from_millis(1));
            }
            reads
        });
        // However it ends, the reader ends too.
        let over = OnDrop(&is_over);
        for _ in 0..50 {
            let pair = [true, false].map(|new_key| {
                let desk = &desk;
                scope.spawn(move || desk.renew(&RealDisk, |args| args.new_key = new_key).unwrap().issued)
            });
            let [one, other] = pair.map(|renewal| renewal.join().unwrap().serial_number);
            assert!([one, other].map(Some).contains(&desk.pair()));
            desk.assert_tidy();
        }
        drop(over);
        assert!(reader.join().unwrap() > 50);
    });
    assert_eq!(desk.authority.record().issued.len(), 101);
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}
