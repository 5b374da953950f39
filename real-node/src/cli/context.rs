//! `hypermesh context …`: what a client on any machine needs to reach a mesh and to believe it.

use super::{Global, trust};
use crate::client::{genesis_of, read_context, session, validator_at};
use crate::context::{self, Bootstrap, Context};
use crate::data::read_or_create_key;
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::genesis_file::read_genesis;
use crate::node_address::NodeAddress;
use crate::output::Output;
use clap::{Args, Subcommand};
use hypermesh_core::base::{Digest, PublicKey};
use hypermesh_core::state::Genesis;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `hypermesh context` can do.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// Make a client's context: which mesh, where to begin, whose key
    #[command(after_help = EXAMPLES)]
    New(NewArgs),
    /// Find out where the nodes are by now, and write it into the context
    #[command(after_help = REFRESH_EXAMPLES)]
    Refresh(RefreshArgs),
}

const REFRESH_EXAMPLES: &str =
    "Every command that asks the mesh does this too. If all addresses in the context are old, \
name one that is not:
  hypermesh context refresh --context context.toml --node '[2001:db8::33]:7400'";

/// Where to begin.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The current address of any one node, if every address in the context is out of date
    #[arg(long, value_name = "[ADDRESS]:PORT|HOST:PORT")]
    node: Option<NodeAddress>,
}

/// What a context has.
#[derive(Serialize)]
struct Refreshed {
    context: PathBuf,
    bootstrap: Vec<Bootstrap>,
}

const EXAMPLES: &str = "The mesh is named by its genesis, its trust bundle, or by any of its nodes and the \
genesis hash that an operator told you:
  hypermesh context new --genesis-file genesis.json --key owner.key --out context.toml
  hypermesh context new --trust mesh.trust --key owner.key --out context.toml
  hypermesh context new --node '[2001:db8::1]:7400' --genesis HASH --key owner.key --out context.toml";

/// What a context is made of.
#[derive(Debug, Args)]
pub struct NewArgs {
    #[command(flatten)]
    mesh: MeshArgs,
    /// The genesis hash, which then must be the one; as an operator told it, not as a node gave it
    #[arg(long, value_name = "HASH")]
    genesis: Option<Digest>,
    /// The owner's key; one is made if the file is not there
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the context goes; a file that is there is never overwritten
    #[arg(long, value_name = "FILE", default_value = "context.toml")]
    out: PathBuf,
}

/// Which mesh.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct MeshArgs {
    /// The genesis of the mesh
    #[arg(long, value_name = "FILE")]
    genesis_file: Option<PathBuf>,
    /// The trust bundle of the mesh, from a place that you trust
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Any node of the mesh, which is asked for its genesis
    #[arg(long, value_name = "[ADDRESS]:PORT|HOST:PORT", requires = "genesis")]
    node: Option<NodeAddress>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    context: PathBuf,
    genesis: Digest,
    owner: PublicKey,
    bootstrap: Vec<Bootstrap>,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: ContextCommand, global: &Global, output: Output) -> Result<(), Failure> {
    let args = match command {
        ContextCommand::New(args) => args,
        ContextCommand::Refresh(args) => return refresh(&args, global, output),
    };
    let made = new(args, global)?;
    output.print(&made, |made| {
        format!(
            "{}: the mesh {}, {} nodes to begin with, owner {}",
            made.context.display(),
            made.genesis,
            made.bootstrap.len(),
            made.owner
        )
    })
}

fn refresh(args: &RefreshArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let context = read_context(global)?;
    let path = global.context.clone().unwrap_or_default();
    if let Some(address) = &args.node {
        let key = validator_at(address, context.genesis, Duration::from_secs(global.timeout))?;
        context::refresh(&path, &BTreeMap::from([(key, vec![address.clone()])]))?;
    }
    let addresses = session(global, "waiting for a node", async |client| Ok(client.addresses()))?;
    context::refresh(&path, &addresses)?;
    let refreshed = Refreshed { context: path, bootstrap: read_context(global)?.bootstrap };
    output.print(&refreshed, |refreshed| {
        let lines = refreshed.bootstrap.iter().map(|node| format!("{} {}\n", node.key, node.address));
        lines.collect()
    })
}

fn new(args: NewArgs, global: &Global) -> Result<Made, Failure> {
    let NewArgs { mesh, genesis: expected, key, out } = args;
    if out.exists() {
        let message = format!("{} exists: remove it, or choose another --out", out.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    let genesis = find(&mesh, expected, global)?;
    let hash = genesis.hash();
    if let Some(expected) = expected.filter(|expected| *expected != hash) {
        let message = format!("it belongs to the mesh with genesis {hash}, expected {expected}");
        return Err(Failure::new(Exit::Input, message));
    }
    let owner = read_or_create_key(&key)?.public();
    let bootstrap = bootstrap(&genesis, mesh.node.as_ref(), global)?;
    let context = Context { genesis: hash, key_file: seen_from(&out, &key)?, bootstrap, dns: Vec::new() };
    file::write(&out, context.to_toml()?.as_bytes(), Access::Public)?;
    Ok(Made { context: out, genesis: hash, owner, bootstrap: context.bootstrap })
}

fn find(mesh: &MeshArgs, expected: Option<Digest>, global: &Global) -> Result<Genesis, Failure> {
    match (mesh, expected) {
        (MeshArgs { genesis_file: Some(path), .. }, _) => read_genesis(path),
        (MeshArgs { trust: Some(path), .. }, _) => {
            let bundle = trust::read(path)?;
            let refused = |fault| Failure::new(Exit::NotValid, format!("{}: {fault}", path.display()));
            bundle.check().map_err(refused)?;
            Ok(bundle.genesis)
        }
        (MeshArgs { node: Some(address), .. }, Some(expected)) => {
            genesis_of(address, expected, Duration::from_secs(global.timeout))
        }
        _ => Err(Failure::new(
            Exit::Usage,
            "expected --genesis-file, --trust or --node, which name the \
            mesh",
        )),
    }
}

/// All validators, where genesis has them; the node that was asked comes first, at the address that was given.
fn bootstrap(
    genesis: &Genesis,
    asked: Option<&NodeAddress>,
    global: &Global,
) -> Result<Vec<Bootstrap>, Failure> {
    let validators = genesis.validators.iter();
    let mut nodes: Vec<_> = validators
        .map(|validator| Bootstrap { address: validator.address.into(), key: validator.member.key })
        .collect();
    if let Some(address) = asked {
        if !nodes.iter().any(|node| node.address == *address) {
            let key = validator_at(address, genesis.hash(), Duration::from_secs(global.timeout))?;
            nodes.push(Bootstrap { address: address.clone(), key });
        }
        nodes.sort_by_key(|node| node.address != *address);
    }
    Ok(nodes)
}

/// The path of the key as it stands in the context: relative, if both are in one folder.
fn seen_from(context: &Path, key: &Path) -> Result<PathBuf, Failure> {
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", path.display())))
    };
    let (context, key) = (absolute(context)?, absolute(key)?);
    match (context.parent() == key.parent(), key.file_name()) {
        (true, Some(name)) => Ok(name.into()),
        _ => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beside_the_context_is_named_by_its_name_and_one_elsewhere_by_its_path() {
        let seen = |context: &str, key: &str| seen_from(Path::new(context), Path::new(key)).unwrap();
        assert_eq!(seen("/a/context.toml", "/a/owner.key"), Path::new("owner.key"));
        assert_eq!(seen("/a/context.toml", "/b/owner.key"), Path::new("/b/owner.key"));
        assert_eq!(seen("context.toml", "owner.key"), Path::new("owner.key"));
    }
}
