//! The folder under everything that can happen to it: the program ended before each operation on the disk, a disk that is full
//! from each operation on, answers of the mesh that are lost, several commands at once. The server's pair is whole each time, and
//! the next command finishes or undoes what was begun.

mod authority;
mod disk;
mod faults;
mod hostile;
mod keeping;
mod uncertain;

use super::super::folder::{Disk, RealDisk};
use super::super::folder::{FULL_CHAIN_FILE, Folder};
use super::super::issue::{FolderAccess, IssueArgs, IssuedReport, Typed, issued};
use super::super::key::KeyType;
use super::super::renew::{RenewArgs, RenewedReport, renewed};
use crate::failure::Failure;
use crate::output::Output;
use authority::LocalAuthority;
use disk::{Fault, FaultyDisk};
use hypermesh_core::trustchain::ca::SerialNumber;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const LIFETIME: u32 = 24 * 3600;

/// A folder for a certificate that does not exist yet, and an authority.
struct Desk {
    parent: TempDir,
    authority: LocalAuthority,
}

impl Desk {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let authority = LocalAuthority::new(parent.path().join("web"));
        Self { parent, authority }
    }

    /// With a certificate in it.
    fn with_certificate() -> Self {
        let desk = Self::new();
        desk.issue(&FaultyDisk::new(Fault::None), &issue_args("web.demo.hypermesh", &desk.web())).unwrap();
        desk
    }

    /// With a certificate in plain files, as an earlier version wrote them.
    fn with_plain_files() -> Self {
        let desk = Self::with_certificate();
        let web = desk.web();
        for entry in fs::read_dir(&web).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_symlink() {
                let bytes = fs::read(&entry).unwrap();
                fs::remove_file(&entry).unwrap();
                fs::write(&entry, bytes).unwrap();
            }
        }
        fs::remove_dir_all(web.join(".hypermesh")).unwrap();
        fs::remove_file(web.join(FULL_CHAIN_FILE)).unwrap();
        desk
    }

    fn web(&self) -> PathBuf {
        self.parent.path().join("web")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.web().join(name)).unwrap()
    }

    /// Puts a file in the place of one, as a person does.
    fn put_plain_file(&self, name: &str, text: &str) {
        fs::remove_file(self.web().join(name)).unwrap();
        fs::write(self.web().join(name), text).unwrap();
    }

    fn issue(&self, disk: &dyn Disk, args: &IssueArgs) -> Result<IssuedReport, Failure> {
        issued(args, &Typed::of(args)?, &access(disk), &self.authority)
    }

    fn renew(&self, disk: &dyn Disk, change: impl FnOnce(&mut RenewArgs)) -> Result<RenewedReport, Failure> {
        let mut args = RenewArgs {
            folder: self.web(),
            lifetime: None,
            port: Vec::new(),
            new_key: false,
            key_type: KeyType::P256,
            revoke_old: false,
            no_wait: false,
        };
        change(&mut args);
        renewed(&args, &access(disk), &self.authority)
    }

    /// The serial number of the certificate that a server would take up now with its key; `None` if nothing is there.
    fn pair(&self) -> Option<SerialNumber> {
        server_pair(&self.web())
    }

    /// Fails if anything is left in the folder but one generation and the links to it.
    fn assert_tidy(&self) {
        let listed = |path: &Path| {
            let names = fs::read_dir(path).unwrap();
            let mut names: Vec<String> =
                names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let files = [
            ".hypermesh",
            "cert.pem",
            "cert.proof",
            "chain.pem",
            "fullchain.pem",
            "key.pem",
            "renewal.toml",
            "request.pem",
            "root.pem",
        ];
        assert_eq!(listed(&self.web()), files);
        assert!(files[1..].iter().all(|name| self.web().join(name).is_symlink()));
        let private = self.web().join(".hypermesh");
        let current = fs::read_link(private.join("current")).unwrap();
        assert_eq!(listed(&private), [current.to_str().unwrap(), "current", "lock"]);
        assert_eq!(listed(&private.join(current)), files[1..]);
    }
}

fn access(disk: &dyn Disk) -> FolderAccess<'_> {
    FolderAccess { disk, lock_wait: Duration::from_secs(60), output: Output { json: false } }
}

fn issue_args(name: &str, out: &Path) -> IssueArgs {
    IssueArgs {
        name: Some(name.parse().unwrap()),
        csr: None,
        out: out.to_owned(),
        san: Vec::new(),
        port: vec!["443/tcp".parse().unwrap()],
        lifetime: LIFETIME,
        key_type: KeyType::P256,
        force: false,
    }
}

/// The serial number of the certificate in a folder, once it is known that key, certificate, chain and request belong together;
/// `None` if nothing is there.
fn server_pair(path: &Path) -> Option<SerialNumber> {
    let folder = Folder::new(path);
    let read = |name: &str| fs::read_to_string(folder.path(name)).ok();
    let Some(certificate) = read("cert.pem") else {
        assert_eq!((read("key.pem"), read("fullchain.pem")), (None, None), "a key without its certificate");
        return None;
    };
    let found = folder.certificate().unwrap();
    assert!(folder.key().unwrap().is_some() && folder.has_request(), "it has a key and a request");
    assert_eq!(folder.mismatch(&found).unwrap(), None);
    if let Some(full_chain) = read(FULL_CHAIN_FILE) {
        assert_eq!(full_chain, certificate + &read("chain.pem").unwrap());
    }
    Some(found.serial)
}
