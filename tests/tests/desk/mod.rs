//! Someone who types commands: the shipped binary against a mesh of four nodes in this process.

use hypermesh::context::{Bootstrap, Context};
use hypermesh_tests::LocalMesh;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A folder in which the owner of `demo.hypermesh` types commands.
pub(crate) struct Desk {
    pub(crate) mesh: LocalMesh,
    pub(crate) folder: TempDir,
}

#[allow(dead_code, reason = "not every test needs all of it")]
impl Desk {
    pub(crate) async fn new() -> Self {
        Self::of(LocalMesh::start().await)
    }

    pub(crate) fn of(mesh: LocalMesh) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bootstrap = mesh
            .participants
            .genesis
            .validators
            .iter()
            .map(|validator| Bootstrap { address: validator.address.into(), key: validator.member.key });
        let context = Context {
            genesis: mesh.participants.genesis_hash(),
            key_file: "owner.key".into(),
            bootstrap: bootstrap.collect(),
            dns: Vec::new(),
        };
        let seed: String = mesh.participants.client.seed().iter().map(|byte| format!("{byte:02x}")).collect();
        let (key, private) = (folder.path().join("owner.key"), hypermesh::file::Access::Private);
        hypermesh::file::write(&key, seed.as_bytes(), private).unwrap();
        std::fs::write(folder.path().join("context.toml"), context.to_toml().unwrap()).unwrap();
        Self { mesh, folder }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `hypermesh` with these words, in this folder, whose standard output is read.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hypermesh-under-test"));
        command.args(words).current_dir(self.folder.path()).stdout(Stdio::piped());
        command.env("HYPERMESH_CONTEXT", self.path("context.toml"));
        command
    }

    /// Runs `hypermesh` with these words, and gives its exit code and what it wrote to both outputs.
    pub(crate) fn run(&self, words: &[&str]) -> (i32, String) {
        run(Command::new(env!("CARGO_BIN_EXE_hypermesh-under-test")).args(words), self.folder.path())
    }

    /// Runs `hypermesh`, which has to succeed, and gives its standard output.
    #[track_caller]
    pub(crate) fn succeed(&self, words: &[&str]) -> String {
        let (code, text) = self.run(words);
        assert_eq!(code, 0, "{words:?}: {text}");
        text
    }

    /// Runs `hypermesh`, which has to fail with this exit code, saying this.
    #[track_caller]
    pub(crate) fn fail(&self, words: &[&str], exit: i32, says: &str) {
        let (code, text) = self.run(words);
        assert!(code == exit && text.contains(says), "{words:?}: {code} {text}");
    }

    #[track_caller]
    pub(crate) fn openssl(&self, words: &[&str]) -> String {
        let (code, text) = run(Command::new("openssl").args(words), self.folder.path());
        assert_eq!(code, 0, "openssl {words:?}: {text}");
        text
    }
}

fn run(command: &mut Command, folder: &Path) -> (i32, String) {
    let command = command.current_dir(folder).env("HYPERMESH_CONTEXT", folder.join("context.toml"));
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (status.code().unwrap_or(-1), text)
}
