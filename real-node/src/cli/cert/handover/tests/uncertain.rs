//! A key of which it is not known whether a certificate was issued for it: it stays until the mesh proves that there is none and
//! will be none.

use super::*;
use crate::failure::Exit;
use authority::LIFE_MS;

/// The keys of all generations in the folder, and those below it.
fn keys(desk: &Desk) -> Vec<String> {
    let private = desk.web().join(".hypermesh");
    let Ok(entries) = fs::read_dir(private) else { return Vec::new() };
    let mut keys: Vec<String> = entries
        .map(|entry| entry.unwrap().path().join("key.pem"))
        .filter(|path| !path.parent().unwrap().is_symlink())
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    keys.sort();
    keys
}

fn issue(desk: &Desk, name: &str) -> Result<IssuedReport, Failure> {
    desk.issue(&RealDisk, &issue_args(name, &desk.web()))
}

/// A desk of which a renewal with a new key waits to be put in place.
fn with_one_that_waits() -> Desk {
    let desk = Desk::with_certificate();
    desk.renew(&RealDisk, |args| (args.new_key, args.no_wait) = (true, true)).unwrap();
    desk
}

#[test]
fn a_refusal_by_a_node_that_lies_or_has_too_much_to_do_costs_no_key() {
    for exit in [Exit::Refused, Exit::Input, Exit::NotFound, Exit::Failed] {
        let desk = Desk::with_certificate();
        desk.authority.record().issues_and_fails = Some(exit);
        let failure = desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
        assert!(failure.exit == exit && failure.message.contains("cert renew"), "{failure}");
        assert_eq!(keys(&desk).len(), 2, "the key of {exit:?} is kept");
        desk.authority.record().issues_and_fails = None;
        let report = desk.renew(&RealDisk, |_| ()).unwrap();
        assert_eq!(desk.pair(), Some(report.issued.serial_number));
        assert_eq!(desk.authority.record().issued.len(), 2, "nothing is paid twice");
        desk.assert_tidy();
        // Nor that of a first certificate.
        let desk = Desk::new();
        desk.authority.record().issues_and_fails = Some(exit);
        issue(&desk, "web.demo.hypermesh").unwrap_err();
        assert_eq!(keys(&desk).len(), 1);
        desk.authority.record().issues_and_fails = None;
        issue(&desk, "web.demo.hypermesh").unwrap();
        assert_eq!(desk.authority.record().issued.len(), 1);
        desk.assert_tidy();
    }
}

#[test]
fn a_context_that_is_mistyped_when_a_command_is_run_again_costs_no_key() {
    let desk = Desk::with_certificate();
    desk.authority.record().loses_answers = true;
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
    desk.authority.record().loses_answers = false;
    let before = keys(&desk);
    desk.authority.record().sends_nothing = Some(Exit::Input);
    desk.renew(&RealDisk, |_| ()).unwrap_err();
    assert_eq!(keys(&desk), before);
    desk.authority.record().sends_nothing = None;
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!(desk.authority.record().issued.len(), 2);
    // Where nothing was ever sent, nothing is left.
    let desk = Desk::new();
    desk.authority.record().sends_nothing = Some(Exit::Input);
    issue(&desk, "web.demo.hypermesh").unwrap_err();
    assert!(!desk.web().exists());
}

#[test]
fn a_damaged_file_beside_a_key_costs_no_key() {
    for name in ["state.json", "request.pem", "key.pem", "renewal.toml"] {
        let desk = Desk::with_certificate();
        desk.authority.record().loses_answers = true;
        desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err();
        desk.authority.record().loses_answers = false;
        let path = desk.web().join(".hypermesh/2").join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, "damaged").unwrap();
        let before = keys(&desk);
        for failure in [
            desk.renew(&RealDisk, |_| ()).unwrap_err(),
            desk.renew(&RealDisk, |args| args.new_key = true).unwrap_err(),
            issue(&desk, "web.demo.hypermesh").unwrap_err(),
        ] {
            assert!(failure.message.contains("web/.hypermesh/2"), "{name}: {failure}");
        }
        assert_eq!(keys(&desk), before, "{name}");
        // What it says to do: put it back, or remove the folder.
        fs::write(&path, whole).unwrap();
        desk.renew(&RealDisk, |_| ()).unwrap();
        assert_eq!(desk.authority.record().issued.len(), 2);
        desk.assert_tidy();
    }
}

#[test]
fn a_renewal_that_waits_is_not_dropped_by_an_issue_unless_it_is_forced() {
    let desk = with_one_that_waits();
    let before = keys(&desk);
    for name in ["web.demo.hypermesh", "other.demo.hypermesh"] {
        let failure = issue(&desk, name).unwrap_err();
        assert!(failure.exit == Exit::Input && failure.message.contains("--force"), "{failure}");
        assert_eq!(keys(&desk), before);
    }
    let args = IssueArgs { force: true, ..issue_args("other.demo.hypermesh", &desk.web()) };
    desk.issue(&RealDisk, &args).unwrap();
    assert!(!before.contains(&desk.read("key.pem")));
    desk.assert_tidy();
}

#[test]
fn a_key_that_waits_outlives_files_that_a_person_puts_in_place() {
    let desk = with_one_that_waits();
    let waiting = fs::read_to_string(desk.web().join(".hypermesh/2/key.pem")).unwrap();
    desk.put_plain_file(FULL_CHAIN_FILE, &desk.read(FULL_CHAIN_FILE));
    desk.renew(&RealDisk, |args| args.no_wait = true).unwrap();
    assert!(keys(&desk).contains(&waiting));
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!((desk.read("key.pem"), desk.authority.record().issued.len()), (waiting, 2));
    desk.assert_tidy();
}

#[test]
fn what_was_refused_is_undone_once_it_is_proved_that_it_never_happens() {
    let desk = Desk::new();
    desk.authority.record().refuses = true;
    issue(&desk, "web.demo.hypermesh").unwrap_err();
    desk.authority.record().refuses = false;
    let before = keys(&desk);
    for (later_ms, exit) in [(0, None), (LIFE_MS, None), (LIFE_MS + 1, Some(Exit::Unreachable))] {
        desk.authority.record().later_ms = later_ms;
        desk.authority.record().sends_nothing = exit;
        let failure = issue(&desk, "other.demo.hypermesh").unwrap_err();
        assert!(
            failure.exit == exit.unwrap_or(Exit::Input) && failure.message.contains("--force"),
            "{failure}"
        );
        assert_eq!(keys(&desk), before, "it may be committed at its expiry");
    }
    desk.authority.record().sends_nothing = None;
    issue(&desk, "other.demo.hypermesh").unwrap();
    assert!(!before.contains(&desk.read("key.pem")));
    desk.assert_tidy();
}

#[test]
fn what_waits_for_another_certificate_than_is_in_place_is_neither_put_there_nor_dropped() {
    let (desk, other) = (with_one_that_waits(), Desk::new());
    issue(&other, "other.demo.hypermesh").unwrap();
    for name in ["key.pem", "cert.pem", "fullchain.pem", "request.pem"] {
        desk.put_plain_file(name, &other.read(name));
    }
    let in_place = desk.read("key.pem");
    let failure = desk.renew(&RealDisk, |_| ()).unwrap_err();
    assert!(failure.exit == Exit::Input && failure.message.contains("web/.hypermesh/4"), "{failure}");
    assert!(desk.read("key.pem") == in_place && keys(&desk).len() == 2);
    // As it says.
    fs::remove_dir_all(desk.web().join(".hypermesh/4")).unwrap();
    desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!(desk.read("key.pem"), in_place);
    desk.assert_tidy();
}

#[test]
fn a_key_is_asked_for_by_so_many_operations_and_no_more_unless_some_are_proved_to_be_over() {
    let desk = Desk::new();
    (desk.authority.record().refuses, desk.authority.record().proves_nothing) = (true, true);
    for _ in 0..17 {
        let failure = issue(&desk, "web.demo.hypermesh").unwrap_err();
        assert!(failure.message.contains("refused"), "{failure}");
        desk.authority.record().later_ms += LIFE_MS + 1;
    }
    let before = keys(&desk);
    let failure = issue(&desk, "web.demo.hypermesh").unwrap_err();
    assert!(failure.message.contains("17 requests for a certificate of this key"), "{failure}");
    assert_eq!(keys(&desk), before);
    (desk.authority.record().refuses, desk.authority.record().proves_nothing) = (false, false);
    issue(&desk, "web.demo.hypermesh").unwrap();
    assert_eq!(vec![desk.read("key.pem")], before);
    desk.assert_tidy();
}

#[test]
fn a_key_that_waits_outlives_an_older_state_of_the_folder_that_is_put_back() {
    let desk = with_one_that_waits();
    let private = desk.web().join(".hypermesh");
    fs::rename(private.join("2"), private.join("5")).unwrap();
    let waiting = fs::read_to_string(private.join("5").join("key.pem")).unwrap();
    desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
    assert!(keys(&desk).contains(&waiting), "it may be certified");
}

#[test]
fn a_state_that_cannot_be_read_is_a_reason_to_renew() {
    let desk = with_one_that_waits();
    fs::write(desk.web().join(".hypermesh").join("2").join("state.json"), "{").unwrap();
    let reason = Folder::new(&desk.web()).unfinished(hypermesh_core::base::UnixMillis(0));
    assert!(reason.is_some_and(|reason| reason.contains("cannot be read")), "{reason:?}");
}
