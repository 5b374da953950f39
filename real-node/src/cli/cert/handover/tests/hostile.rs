//! Root renews in a folder that belongs to somebody else, who plants links and swaps folders, before the command and right
//! before each of its operations on the disk: nothing outside the folder changes, and no key becomes readable to its owner.

use super::*;
use crate::failure::Exit;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

/// Whose the folder is.
const OWNER: u32 = 12_345;
/// Somebody else, neither that one nor root.
const STRANGER: u32 = 23_456;

/// A certificate in a folder of somebody else, and root's own files, which are not to be touched.
struct Hostile {
    desk: Desk,
    before: BTreeMap<PathBuf, Seen>,
}

/// What is seen of a file.
type Seen = (u32, u32, u32, Vec<u8>);

impl Hostile {
    /// `None`, with a printed line, if the tests do not run as root.
    fn new(prepare: fn() -> Desk) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "this test needs root, and is not left out in CI");
            eprintln!("not root: what the owner of a folder can plant is not tried");
            return None;
        }
        let desk = prepare();
        give(&desk.web(), OWNER);
        let victim = desk.parent.path().join("victim");
        fs::create_dir_all(victim.join("1")).unwrap();
        fs::write(victim.join("file"), "root's").unwrap();
        // Everything that a command would use or remove if it took this folder for one of its own.
        for name in ["key.pem", "cert.pem", "request.pem", "renewal.toml", "state.json", "lock", "link.next"]
        {
            fs::write(victim.join(name), "root's").unwrap();
            fs::write(victim.join("1").join(name), "root's").unwrap();
        }
        for path in [victim.clone(), victim.join("1")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
        }
        for name in ["file", "key.pem", "lock"] {
            fs::set_permissions(victim.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let before = seen(&victim);
        Some(Self { desk, before })
    }

    fn victim(&self) -> PathBuf {
        self.desk.parent.path().join("victim")
    }

    fn private(&self, name: &str) -> PathBuf {
        self.desk.web().join(".hypermesh").join(name)
    }

    /// Puts a link to root's file or folder in the place of what has the name.
    fn plant(&self, path: &Path, target: &str) {
        let aside = self.desk.web().join("aside");
        drop(fs::remove_dir_all(&aside).or_else(|_| fs::remove_file(&aside)));
        drop(fs::rename(path, aside));
        if symlink(self.victim().join(target), path).is_ok() {
            lchown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    fn assert_untouched(&self, what: &str) {
        let now = seen(&self.victim());
        let changed: Vec<_> = self.before.keys().chain(now.keys()).collect();
        let changed: Vec<_> =
            changed.into_iter().filter(|path| self.before.get(*path) != now.get(*path)).collect();
        assert!(changed.is_empty(), "{what}: {changed:?} changed");
    }
}

/// Gives all in a folder to somebody, links too.
fn give(path: &Path, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), owner));
    }
}

/// Everything in a folder, and itself.
fn seen(path: &Path) -> BTreeMap<PathBuf, Seen> {
    let about = path.symlink_metadata().unwrap();
    let mut all = BTreeMap::new();
    let bytes = if about.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    all.insert(path.to_owned(), (about.uid(), about.gid(), about.mode(), bytes));
    if about.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| all.extend(seen(&entry.unwrap().path())));
    }
    all
}

/// The places at which a link is planted, below the folder, and what of root's it leads to.
const PLACES: [(&str, &str); 15] = [
    (".hypermesh", ""),
    (".hypermesh/lock", "lock"),
    (".hypermesh/lock", "absent"),
    (".hypermesh/1", "1"),
    (".hypermesh/2", "1"),
    (".hypermesh/7", "1"),
    (".hypermesh/current", "1"),
    (".hypermesh/link.next", "file"),
    (".hypermesh/2/file.next", "file"),
    (".hypermesh/2/state.json", "file"),
    (".hypermesh/2/cert.pem", "absent"),
    (".hypermesh/2/key.pem", "key.pem"),
    (".hypermesh/1/key.pem", "key.pem"),
    ("cert.pem", "cert.pem"),
    ("key.next.pem", "key.pem"),
];

#[test]
fn a_link_that_the_owner_planted_before_is_refused_or_replaced_and_never_followed() {
    for prepare in [Desk::with_certificate as fn() -> Desk, Desk::with_plain_files] {
        for (place, target) in PLACES {
            let Some(hostile) = Hostile::new(prepare) else { return };
            let path = hostile.desk.web().join(place);
            if path.parent().is_some_and(Path::exists) {
                hostile.plant(&path, target);
            }
            for new_key in [false, true] {
                drop(hostile.desk.renew(&RealDisk, |args| args.new_key = new_key));
                hostile.assert_untouched(place);
            }
        }
    }
}

#[test]
fn the_folder_the_lock_and_a_generation_that_are_links_or_a_strangers_are_refused_with_the_reason() {
    let planted =
        [(".hypermesh", ""), (".hypermesh/lock", "lock"), (".hypermesh/1", "1"), (".hypermesh/7", "1")];
    for (place, target) in planted {
        let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
        let path = hostile.desk.web().join(place);
        hostile.plant(&path, target);
        let failure = hostile.desk.renew(&RealDisk, |_| ()).unwrap_err();
        let reason = format!("{} is a symbolic link to", path.display());
        assert!(failure.exit == Exit::Input && failure.message.contains(&reason), "{place}: {failure}");
        assert!(path.is_symlink(), "{place}: it is left alone");
    }
    for place in [".hypermesh", ".hypermesh/lock", ".hypermesh/1"] {
        let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
        let path = hostile.desk.web().join(place);
        lchown(&path, Some(STRANGER), Some(STRANGER)).unwrap();
        let failure = hostile.desk.renew(&RealDisk, |_| ()).unwrap_err();
        let names_it = failure.message.contains(&path.display().to_string());
        let names_both = [OWNER, STRANGER].iter().all(|user| failure.message.contains(&user.to_string()));
        assert!(failure.exit == Exit::Input && names_it && names_both, "{place}: {failure}");
        assert_eq!(hostile.desk.authority.record().issued.len(), 1, "nothing was asked and paid for");
    }
}

/// Plants each link right before every operation, or every so many of them, from another one on at each place; how often.
fn planted_between_operations(stride: usize) -> usize {
    let mut runs = 0;
    for prepare in [Desk::with_certificate as fn() -> Desk, Desk::with_plain_files] {
        for (first, (place, target)) in PLACES.into_iter().enumerate() {
            for at in (first % stride..).step_by(stride) {
                let Some(hostile) = Hostile::new(prepare) else { return runs };
                let meddle = || hostile.plant(&hostile.desk.web().join(place), target);
                let disk = FaultyDisk::with_meddler(at, &meddle);
                drop(hostile.desk.renew(&disk, |_| ()));
                hostile.assert_untouched(&format!("{place}, {at}"));
                if !disk.is_hit() {
                    break;
                }
                runs += 1;
            }
        }
    }
    runs
}

#[test]
fn a_link_that_is_planted_right_before_an_operation_is_never_followed() {
    let runs = planted_between_operations(5);
    assert!(runs > 200 || !rustix::process::geteuid().is_root(), "{runs} links were planted");
}

#[test]
#[ignore = "a minute or two; the one above takes every fifth operation"]
fn a_link_that_is_planted_right_before_any_operation_is_never_followed() {
    let runs = planted_between_operations(1);
    assert!(runs > 1000 || !rustix::process::geteuid().is_root(), "{runs} links were planted");
}

#[test]
fn a_key_that_the_owner_may_not_read_is_not_copied_to_where_that_one_may() {
    for at in 0.. {
        let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
        let desk = &hostile.desk;
        let key = desk.read("key.pem");
        let file = hostile.private("1/key.pem");
        lchown(&file, Some(0), Some(0)).unwrap();
        let meddle = || {
            // Nothing of it is there any more when the command is through with it.
            if fs::rename(&file, desk.web().join("aside")).is_ok() {
                fs::write(&file, "the owner's").unwrap();
                lchown(&file, Some(OWNER), Some(OWNER)).unwrap();
            }
        };
        let disk = FaultyDisk::with_meddler(at, &meddle);
        drop(desk.renew(&disk, |_| ()));
        let readable = seen(&desk.web()).into_iter().find(|(_, (user, _, mode, bytes))| {
            (*user == OWNER || mode & 0o004 != 0) && *bytes == key.as_bytes()
        });
        assert_eq!(readable.map(|(path, _)| path), None, "operation {at}");
        if !disk.is_hit() {
            break;
        }
    }
}

#[test]
fn root_renews_in_a_folder_of_another_and_its_owner_can_go_on() {
    for prepare in [Desk::with_certificate as fn() -> Desk, Desk::with_plain_files] {
        let Some(hostile) = Hostile::new(prepare) else { return };
        hostile.desk.renew(&RealDisk, |args| args.new_key = true).unwrap();
        hostile.desk.assert_tidy();
        hostile.assert_untouched("a renewal");
        let in_use = fs::canonicalize(hostile.private("current")).unwrap();
        for path in [hostile.private(""), hostile.private("lock"), in_use] {
            assert_eq!(fs::metadata(&path).unwrap().uid(), OWNER, "{}", path.display());
        }
    }
    // The folder alone was given away: what root made in it before follows.
    let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
    give(&hostile.desk.web(), 0);
    lchown(hostile.desk.web(), Some(OWNER), Some(OWNER)).unwrap();
    hostile.desk.renew(&RealDisk, |_| ()).unwrap();
    for path in [hostile.private(""), hostile.private("lock")] {
        assert_eq!(fs::metadata(&path).unwrap().uid(), OWNER, "{}", path.display());
    }
}

#[test]
fn what_is_roots_and_not_made_for_a_certificate_is_neither_given_away_nor_removed() {
    let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
    // The owner of a folder may rename what others have in it.
    fs::rename(hostile.private(""), hostile.desk.web().join("aside")).unwrap();
    fs::rename(hostile.victim(), hostile.private("")).unwrap();
    let before = seen(&hostile.private(""));
    let failure = hostile.desk.renew(&RealDisk, |_| ()).unwrap_err();
    assert!(failure.exit == Exit::Input && failure.message.contains("root"), "{failure}");
    assert!(seen(&hostile.private("")) == before);
    // Nor a folder of theirs in which a generation would be root's files.
    let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
    fs::rename(hostile.victim().join("1"), hostile.private("7")).unwrap();
    fs::write(hostile.private("7/notes"), "root's").unwrap();
    let before = seen(&hostile.private("7"));
    let failure = hostile.desk.renew(&RealDisk, |_| ()).unwrap_err();
    assert!(failure.exit == Exit::Input && failure.message.contains("root"), "{failure}");
    assert!(seen(&hostile.private("7")) == before);
    // A lock that was put into a folder of theirs stays root's too.
    let Some(hostile) = Hostile::new(Desk::with_certificate) else { return };
    fs::rename(hostile.victim().join("file"), hostile.private("lock")).unwrap();
    hostile.desk.renew(&RealDisk, |_| ()).unwrap();
    assert_eq!(fs::metadata(hostile.private("lock")).unwrap().uid(), 0);
}

#[test]
fn a_folder_that_is_reached_through_links_is_renewed() {
    let desk = Desk::with_certificate();
    let link = desk.parent.path().join("link");
    symlink(desk.web(), &link).unwrap();
    desk.renew(&RealDisk, |args| args.folder = link.clone()).unwrap();
    desk.renew(&RealDisk, |args| args.folder = link.join("cert.pem")).unwrap();
    desk.assert_tidy();
    assert_eq!(desk.authority.record().issued.len(), 3);
}
