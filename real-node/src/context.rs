//! A client's context: which mesh, where to find it, whose key. One TOML file; the devnet writes one into its
//! data folder.

use crate::failure::{Exit, Failure};
use crate::file::{Access, failed, read, read_text, write};
use crate::node_address::NodeAddress;
use crate::suggestion::with_suggestion;
use hypermesh_core::base::{Digest, PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
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
    pub address: NodeAddress,
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
        let mut context = Self::parse(&text).map_err(|error| fault(&error))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        context.key_file = folder.join(&context.key_file);
        Ok(context)
    }

    /// The context in this text. Its paths are as they stand there.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| with_suggestion(&error.to_string()))
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

/// The most addresses of one node that a context keeps when it is refreshed.
pub const ADDRESSES_PER_NODE_MAX: usize = 4;

/// Writes into a context file which addresses its nodes have by now, the best of each first; those that stand there
/// already stay behind them, up to [`ADDRESSES_PER_NODE_MAX`] of a node. Where a host name stands for a node, it goes on to
/// say where that is: no addresses are added to it. A file that says so already is not written.
///
/// # Errors
/// If it cannot be read or written, or has to be written and belongs to another user: written, it would be this user's.
pub fn refresh(path: &Path, addresses: &BTreeMap<PublicKey, Vec<NodeAddress>>) -> Result<(), Failure> {
    refresh_as(rustix::process::geteuid().as_raw(), path, addresses)
}

fn refresh_as(
    user: u32,
    path: &Path,
    addresses: &BTreeMap<PublicKey, Vec<NodeAddress>>,
) -> Result<(), Failure> {
    // A link stays one.
    let path = path.canonicalize().map_err(|error| failed(path, &error))?;
    let about = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?;
    let text = read_text(&path, CONTEXT_BYTES_MAX)?;
    let context = Context::parse(&text).map_err(|error| failed(&path, &error))?;
    let bootstrap = merged(&context.bootstrap, addresses);
    if bootstrap == context.bootstrap {
        return Ok(());
    }
    let owner = about.uid();
    if owner != user {
        let message = format_args!(
            "the context belongs to another user (uid {owner}; this command runs as {user}), and writing it would take it \
             from them: run this command as that user, or on a copy of the file"
        );
        return Err(failed(&path, &message));
    }
    let text = rewritten(&text, &Context { bootstrap, ..context })?;
    if text.len() > CONTEXT_BYTES_MAX {
        return Err(failed(&path, &"with all addresses it would be too large"));
    }
    let access = if about.mode() & 0o077 == 0 { Access::Private } else { Access::Public };
    write(&path, text.as_bytes(), access)
}

/// The nodes in their order, each with its addresses in a row; then those that are new.
fn merged(nodes: &[Bootstrap], addresses: &BTreeMap<PublicKey, Vec<NodeAddress>>) -> Vec<Bootstrap> {
    let mut keys: Vec<PublicKey> = Vec::new();
    for key in nodes.iter().map(|node| node.key).chain(addresses.keys().copied()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let of_key = |key: PublicKey| {
        let known: Vec<&NodeAddress> =
            nodes.iter().filter(|node| node.key == key).map(|node| &node.address).collect();
        let has_host = known.iter().any(|address| address.is_host());
        let new = addresses.get(&key).into_iter().flatten().filter(|new| new.is_host() || !has_host);
        let mut kept: Vec<NodeAddress> = Vec::new();
        for address in new.chain(known.iter().copied()) {
            if kept.len() < ADDRESSES_PER_NODE_MAX && !kept.contains(address) {
                kept.push(address.clone());
            }
        }
        kept.into_iter().map(move |address| Bootstrap { address, key })
    };
    keys.into_iter().flat_map(of_key).collect()
}

/// The text of a context file with other nodes in it. Its `[[bootstrap]]` tables, with the comments in them, give way to new
/// ones at the end, and all other lines stay. If the nodes are written in another way, the whole text is made anew, without
/// comments.
fn rewritten(text: &str, context: &Context) -> Result<String, Failure> {
    let (mut kept, mut in_nodes) = (String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            in_nodes = line.trim() == "[[bootstrap]]";
        }
        if !in_nodes {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let mut whole = kept.trim_end().to_owned() + "\n";
    for Bootstrap { address, key } in &context.bootstrap {
        write!(whole, "\n[[bootstrap]]\naddress = \"{address}\"\nkey = \"{key}\"\n")
            .expect("writing into a string does not fail");
    }
    match Context::parse(&whole) {
        Ok(again) if again == *context => Ok(whole),
        _ => context.to_toml(),
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
            "its mode {mode:03o} gives other users access: run `chmod 600 {path}`; if others have read it, \
            make a new key"
        );
        return Err(fault(&message));
    }
    let bytes = zeroize::Zeroizing::new(read(path, KEY_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| fault(&"expected 64 hexadecimal digits"))?;
    Ok(SecretKey::from_seed(*seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# ours\ngenesis = \"GENESIS\"\nkey_file = \"owner.key\" # mine\n\n[[bootstrap]]\n\
        address = \"[2001:db8::1]:7400\"\nkey = \"KEY\"\n";

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed([seed; 32]).public()
    }

    fn address(number: usize) -> NodeAddress {
        format!("[2001:db8::{number}]:7400").parse().unwrap()
    }

    #[test]
    fn a_host_name_goes_on_to_say_where_its_node_is() {
        let host: NodeAddress = "node-1.example.org:7400".parse().unwrap();
        let nodes = [Bootstrap { address: host.clone(), key: key(1) }];
        let found = BTreeMap::from([(key(1), vec![address(5)]), (key(2), vec![address(2)])]);
        let merged = merged(&nodes, &found);
        assert_eq!(merged, [nodes[0].clone(), Bootstrap { address: address(2), key: key(2) }]);
        let text = text().replace("[2001:db8::1]:7400", "node-1.example.org:7400");
        assert_eq!(Context::parse(&text).unwrap().bootstrap[0].address, host);
        let wrong = Context::parse(&text.replace("node-1.example.org:7400", "192.0.2.1:7400")).unwrap_err();
        assert!(wrong.contains("line 6") && wrong.contains("STOQ requires IPv6"), "{wrong}");
    }

    fn text() -> String {
        TEXT.replace("GENESIS", &Digest([7; 32]).to_string()).replace("KEY", &key(1).to_string())
    }

    #[test]
    fn a_refreshed_context_has_the_new_addresses_first_and_keeps_everything_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("context.toml");
        std::fs::write(&path, text()).unwrap();
        let addresses = BTreeMap::from([(key(1), vec![address(5)]), (key(2), vec![address(2)])]);
        refresh(&path, &addresses).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        let nodes = [(5, 1), (1, 1), (2, 2)].map(|(at, of)| Bootstrap { address: address(at), key: key(of) });
        assert_eq!(Context::parse(&written).unwrap().bootstrap, nodes);
        assert!(
            written.starts_with("# ours\n") && written.contains("key_file = \"owner.key\" # mine"),
            "{written}"
        );
        let before = std::fs::metadata(&path).unwrap().ino();
        refresh(&path, &addresses).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().ino(),
            before,
            "a file that says so already is not written"
        );
    }

    #[test]
    fn a_context_of_another_user_is_left_as_it_is_and_the_failure_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("context.toml");
        std::fs::write(&path, text()).unwrap();
        let stranger = std::fs::metadata(&path).unwrap().uid() + 1;
        let known = BTreeMap::from([(key(1), vec![address(1)])]);
        assert_eq!(refresh_as(stranger, &path, &known), Ok(()), "there is nothing to write");
        let new = BTreeMap::from([(key(1), vec![address(5)])]);
        let failure = refresh_as(stranger, &path, &new).unwrap_err();
        for words in ["context.toml", "belongs to another user", "run this command as that user"] {
            assert!(failure.message.contains(words), "{words} in {failure}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text());
    }

    #[test]
    fn of_each_node_so_many_addresses_are_kept_and_the_oldest_go() {
        let old: Vec<_> =
            (1..=ADDRESSES_PER_NODE_MAX).map(|at| Bootstrap { address: address(at), key: key(1) }).collect();
        assert_eq!(merged(&old, &BTreeMap::new()), old);
        let new = merged(&old, &BTreeMap::from([(key(1), vec![address(9)])]));
        let expected: Vec<_> = [9].into_iter().chain(1..ADDRESSES_PER_NODE_MAX).map(address).collect();
        assert_eq!(new.into_iter().map(|node| node.address).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nodes_that_are_written_in_one_line_are_refreshed_too() {
        let (genesis, owner) = (Digest([7; 32]), key(1));
        let text = format!(
            "genesis = \"{genesis}\"\nkey_file = \"owner.key\"\nbootstrap = [{{ address = \"[::1]:7\", key = \"{owner}\" }}]\n"
        );
        let mut context = Context::parse(&text).unwrap();
        context.bootstrap.push(Bootstrap { address: address(3), key: key(3) });
        assert_eq!(Context::parse(&rewritten(&text, &context).unwrap()), Ok(context));
    }

    #[test]
    fn a_link_to_a_context_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("context.toml"), folder.path().join("link.toml"));
        std::fs::write(&path, text()).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        refresh(&link, &BTreeMap::from([(key(1), vec![address(5)])])).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Context::read(&path).unwrap().bootstrap[0].address, address(5));
    }
}
