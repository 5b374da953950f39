//! What a renewal keeps, when it waits, and what it refuses.

use super::super::LEAD_MS;
use super::*;
use crate::failure::Exit;
use hypermesh_core::state::PUBLISHED_TTL_SECONDS;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

#[test]
fn a_new_key_is_published_for_a_time_to_live_before_it_is_in_place_and_the_old_one_is_revoked_after_that() {
    let desk = Desk::with_certificate();
    let old = desk.pair();
    // That the old pair is in use meanwhile, the authority checks where it is waited for.
    let report = desk.renew(&RealDisk, |args| (args.new_key, args.revoke_old) = (true, true)).unwrap();
    let waited_ms = desk.authority.record().later_ms;
    assert!(waited_ms == LEAD_MS && waited_ms >= 1000 * u64::from(PUBLISHED_TTL_SECONDS));
    assert_eq!(desk.pair(), Some(report.issued.serial_number));
    assert!(report.replaced_is_revoked && desk.authority.record().superseded.contains(&old.unwrap()));
    // The same key is known already.
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!(desk.authority.record().later_ms, waited_ms);
    // A revoked one is refused by everyone: nothing is waited for.
    let old = desk.pair().unwrap();
    desk.authority.record().superseded.insert(old);
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
    assert_eq!(desk.authority.record().later_ms, waited_ms);
    desk.assert_tidy();
}

#[test]
fn a_renewal_that_does_not_wait_or_is_ended_while_it_does_is_finished_by_a_later_one() {
    let desk = Desk::with_certificate();
    let (old, key) = (desk.pair(), desk.read("key.pem"));
    desk.authority.record().ends_in_wait = true;
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
    desk.authority.record().ends_in_wait = false;
    for later_ms in [0, LEAD_MS - 1] {
        desk.authority.record().later_ms = later_ms;
        let report = desk.renew(&RealDisk, |args| args.no_wait = true).unwrap();
        assert_eq!((desk.pair(), desk.read("key.pem")), (old, key.clone()));
        assert!(!report.in_place && report.usable_from.is_some());
    }
    desk.authority.record().later_ms = LEAD_MS;
    let report = desk.renew(&RealDisk, |args| args.no_wait = true).unwrap();
    assert!(
        report.in_place && desk.pair() == Some(report.issued.serial_number) && desk.read("key.pem") != key
    );
    assert_eq!(desk.authority.record().issued.len(), 2);
    desk.assert_tidy();
}

#[test]
fn a_revocation_that_fails_is_tried_again_and_one_that_is_refused_stands_in_no_way() {
    for (exit, is_tried_again) in [(Exit::Unreachable, true), (Exit::Refused, false)] {
        let desk = Desk::with_certificate();
        let old = desk.pair().unwrap();
        desk.authority.record().supersedes_not = Some(exit);
        let failure = desk.renew(&RealDisk, |args| args.revoke_old = true).unwrap_err();
        assert!(failure.exit == exit && failure.message.contains("is installed"), "{failure}");
        assert_ne!(desk.pair(), Some(old));
        desk.authority.record().supersedes_not = None;
        desk.renew(&RealDisk, |_| ()).unwrap();
        assert_eq!(desk.authority.record().superseded.contains(&old), is_tried_again);
        // What was tried again was all that was left to do.
        assert_eq!(desk.authority.record().issued.len(), if is_tried_again { 2 } else { 3 });
        desk.assert_tidy();
    }
}

#[test]
fn what_waits_until_it_is_due_itself_is_dropped() {
    let desk = Desk::with_certificate();
    desk.renew(&RealDisk, |args| (args.new_key, args.no_wait) = (true, true)).unwrap();
    desk.authority.record().later_ms = 20 * 3_600_000;
    let (key, old) = (desk.read("key.pem"), desk.pair());
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!((desk.authority.record().issued.len(), desk.read("key.pem")), (3, key));
    assert_ne!(desk.pair(), old);
    desk.assert_tidy();
}

#[test]
fn a_new_key_is_not_kept_from_whoever_wants_one_by_a_renewal_with_the_old_one_that_was_interrupted() {
    let desk = Desk::with_certificate();
    let key = desk.read("key.pem");
    desk.authority.record().loses_answers = true;
    desk.renew(&RealDisk, |_| ()).unwrap_err();
    desk.authority.record().loses_answers = false;
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
    assert!(desk.read("key.pem") != key && desk.pair().is_some());
    desk.assert_tidy();
}

#[test]
fn owner_group_and_mode_of_each_file_are_kept() {
    for prepare in [Desk::with_certificate, Desk::with_plain_files] {
        let desk = prepare();
        let modes = [("key.pem", 0o640), ("cert.pem", 0o604), ("chain.pem", 0o444)];
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            eprintln!("not root: owners are not tried");
        }
        let owner = is_root.then_some(12_345);
        for (name, mode) in modes {
            let path = fs::canonicalize(desk.web().join(name)).unwrap();
            chown(&path, owner, owner).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for new_key in [false, true] {
            desk.renew(&RealDisk, |args| args.new_key = new_key).unwrap();
            for (name, mode) in modes {
                let about = fs::metadata(desk.web().join(name)).unwrap();
                assert_eq!(about.mode() & 0o777, mode, "{name}");
                assert!(owner.is_none_or(|owner| (about.uid(), about.gid()) == (owner, owner)), "{name}");
            }
            // One that was not there is as the certificate.
            let mode = fs::metadata(desk.web().join(FULL_CHAIN_FILE)).unwrap().mode() & 0o777;
            assert!([0o644, 0o604].contains(&mode), "{mode:o}");
        }
    }
    assert_eq!(fs::metadata(Desk::with_certificate().web().join("key.pem")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn whoever_may_enter_the_folder_may_enter_the_generation() {
    let desk = Desk::with_certificate();
    fs::set_permissions(desk.web(), fs::Permissions::from_mode(0o751)).unwrap();
    desk.renew(&RealDisk, |_| ()).unwrap();
    let file = fs::canonicalize(desk.web().join("cert.pem")).unwrap();
    for folder in [file.parent().unwrap(), file.parent().unwrap().parent().unwrap()] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o777, 0o751, "{}", folder.display());
    }
}

#[test]
fn a_link_to_elsewhere_is_refused_before_anything_is_asked_and_left_alone() {
    let desk = Desk::with_certificate();
    let elsewhere = desk.parent.path().join("elsewhere.key");
    fs::rename(fs::canonicalize(desk.web().join("key.pem")).unwrap(), &elsewhere).unwrap();
    fs::remove_file(desk.web().join("key.pem")).unwrap();
    symlink(&elsewhere, desk.web().join("key.pem")).unwrap();
    for new_key in [false, true] {
        let failure = desk.renew(&RealDisk, |args| args.new_key = new_key).unwrap_err();
        assert!(failure.exit == Exit::Input && failure.message.contains("elsewhere.key"), "{failure}");
    }
    assert_eq!(fs::read_link(desk.web().join("key.pem")).unwrap(), elsewhere);
    assert_eq!(desk.authority.record().issued.len(), 1);
    assert!(desk.pair().is_some());
}

#[test]
fn files_that_do_not_belong_together_are_refused_and_a_new_key_makes_them_anew() {
    for (name, is_damaged) in [("key.pem", false), ("key.pem", true), ("request.pem", false)] {
        let (desk, other) = (Desk::with_certificate(), Desk::with_certificate());
        let text = if is_damaged { "damaged".to_owned() } else { other.read(name) };
        desk.put_plain_file(name, &text);
        let failure = desk.renew(&RealDisk, |_| ()).unwrap_err();
        assert!(failure.exit == Exit::Input && failure.message.contains(name), "{failure}");
        assert!(failure.message.contains("--new-key"), "{failure}");
        if name == "key.pem" {
            desk.issue(&RealDisk, &issue_args("web.demo.hypermesh", &desk.web())).unwrap_err();
        }
        assert_eq!(desk.authority.record().issued.len(), 1);
        desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
        assert!(desk.pair().is_some());
        desk.assert_tidy();
    }
}

#[test]
fn a_file_that_a_person_replaces_is_taken_as_it_is_and_what_waits_goes_on_waiting() {
    let desk = Desk::with_certificate();
    let before = ["key.pem", "cert.pem", "fullchain.pem", "request.pem"].map(|name| (name, desk.read(name)));
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
    desk.renew(&RealDisk, |args| (args.new_key, args.no_wait) = (true, true)).unwrap();
    // From a backup.
    for (name, text) in &before {
        desk.put_plain_file(name, text);
    }
    let report = desk.renew(&RealDisk, |args| args.no_wait = true).unwrap();
    assert_eq!(desk.read("key.pem"), before[0].1);
    assert!(!report.in_place && desk.pair().is_some());
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!((desk.pair(), desk.authority.record().issued.len()), (Some(report.issued.serial_number), 3));
    desk.assert_tidy();
}

#[test]
fn a_folder_that_is_in_use_is_waited_for_and_then_refused() {
    let desk = Desk::with_certificate();
    let lock = fs::File::open(desk.web().join(".hypermesh/lock")).unwrap();
    lock.lock().unwrap();
    let args = IssueArgs { force: true, ..issue_args("web.demo.hypermesh", &desk.web()) };
    let access = FolderAccess { lock_wait: Duration::from_millis(120), ..access(&RealDisk) };
    let failure = issued(&args, &Typed::of(&args).unwrap(), &access, &desk.authority).unwrap_err();
    assert!(failure.message.contains("in use by another hypermesh command"), "{failure}");
    drop(lock);
    issued(&args, &Typed::of(&args).unwrap(), &access, &desk.authority).unwrap();
    desk.assert_tidy();
}
