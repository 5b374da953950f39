//! A client's context: which mesh, where to find it, whose key. One TOML file; the devnet writes one into its
//! data folder.

use crate::failure::{Exit, Failure};
use crate::file::{read, read_text};
use crate::suggestion::with_suggestion;
use hypermesh_core::base::{Digest, PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use std::net::SocketAddrV6;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names the context file, for commands that are not given `--context`.
pub const CONTEXT_VARIABLE: &str = "HYPERMESH_CONTEXT";

/// The most bytes in a context file.
pub const CONTEXT_BYTES_MAX: usize = 64 * 1024;
/// The most bytes in a key file: the digits, and white space around them.
pub const KEY_BYTES_MAX: usize = 256;

/// A client's context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The mesh: its genesis hash.
    pub genesis: Digest,
    /// The file with the owner's key, relative to this file.
    pub key_file: PathBuf,
    /// Nodes to begin with. Everything else is found from there.
    pub bootstrap: Vec<Bootstrap>,
    /// Where the nodes answer plain DNS, if they do; for people, who ask with dig.
    #[serde(default)]
    pub dns: Vec<SocketAddrV6>,
}

/// A node to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Where it listens for STOQ.
    pub address: SocketAddrV6,
    /// Who it must prove to be.
    pub key: PublicKey,
}

impl Context {
    /// Reads a context file.
    ///
    /// # Errors
    /// If it is missing or malformed, with line and column.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let fault = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Input, format!("context {}: {error}", path.display()))
        };
        let text = read_text(path, CONTEXT_BYTES_MAX)
            .map_err(|failure| Failure { message: format!("context {failure}"), ..failure })?;
        let mut context: Self =
            toml::from_str(&text).map_err(|error| fault(&with_suggestion(&error.to_string())))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        context.key_file = folder.join(&context.key_file);
        Ok(context)
    }

    /// The context as the text of its file.
    ///
    /// # Errors
    /// If it cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, Failure> {
        toml::to_string(self).map_err(|error| Failure::new(Exit::Failed, format!("context: {error}")))
    }

    /// The owner's key.
    ///
    /// # Errors
    /// If the file is missing or holds no key.
    pub fn key(&self) -> Result<SecretKey, Failure> {
        read_key(&self.key_file)
    }
}

/// Reads a key file: 64 hexadecimal digits, the seed of an Ed25519 key.
///
/// # Errors
/// If the file is missing, others can read it, or it holds no key.
pub fn read_key(path: &Path) -> Result<SecretKey, Failure> {
    let fault =
        |what: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("key {}: {what}", path.display()));
    let about = std::fs::metadata(path).map_err(|error| fault(&error))?;
    // As ssh has it: whoever reads another's file was given it, by a service manager for instance.
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 && about.uid() == rustix::process::geteuid().as_raw() {
        let path = path.display();
        let message = format!(
            "its mode {mode:03o} lets others at it: `chmod 600 {path}`, and if others have read it, make a new key"
        );
        return Err(fault(&message));
    }
    let bytes = zeroize::Zeroizing::new(read(path, KEY_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| fault(&"expected 64 hexadecimal digits"))?;
    Ok(SecretKey::from_seed(*seed))
}
