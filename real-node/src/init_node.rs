//! Making a node: its key, its configuration, its plot, and what it contributes to genesis.
//!
//! Every step is taken once: begun again after an interruption, it goes on where it was.

use crate::data::{NodeFolder, read_or_create_key};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::genesis_file::ValidatorFile;
use crate::node_config::NodeConfigFile;
use crate::plot::PlotFolder;
use hypermesh_core::api::check_dialable;
use hypermesh_core::base::Digest;
use hypermesh_core::hypermesh::RevealChain;
use hypermesh_core::hypermesh::proof::Progress;
use std::net::SocketAddrV6;
use std::thread;

/// Makes a node in its folder, telling how far its plot is. Heavy: it plots.
///
/// # Errors
/// If the folder holds another node, others could not find this one at `address`, or the disk fails.
pub fn initialise(
    folder: &NodeFolder,
    config: &NodeConfigFile,
    address: SocketAddrV6,
    tell: &mut dyn FnMut(Progress),
) -> Result<ValidatorFile, Failure> {
    check_address(address)?;
    folder.create()?;
    write_config(folder, config)?;
    let key = read_or_create_key(&folder.identity())?;
    let plot = PlotFolder::new(folder.plot(), &config.network, config.profile, &key.public());
    let (plot_root, reveal_anchor) = thread::scope(|scope| {
        let anchor = scope.spawn(|| RevealChain::new(key.seed()).anchor());
        let root = plot.load_or_make(tell).map(|plot| plot.root());
        (root, anchor.join().expect("hashing does not panic"))
    });
    let (plot_root, reveal_anchor): (Digest, Digest) = (plot_root?, reveal_anchor);
    let validator = ValidatorFile {
        network: config.network.clone(),
        profile: config.profile,
        name: config.name.clone(),
        key: key.public(),
        plot_root,
        reveal_anchor,
        address,
        roles: config.roles.clone(),
    };
    validator.write(&folder.validator())?;
    Ok(validator)
}

/// Writes the configuration, or finds the same one there.
fn write_config(folder: &NodeFolder, config: &NodeConfigFile) -> Result<(), Failure> {
    let text = config.to_toml()?;
    let path = folder.config();
    if !path.exists() {
        NodeConfigFile::parse(&text).map_err(|reason| Failure::new(Exit::Usage, reason))?;
        return file::write(&path, text.as_bytes(), Access::Public);
    }
    let found = NodeConfigFile::parse(&file::read_text(&path, crate::node_config::CONFIG_BYTES_MAX)?)
        .map_err(|reason| Failure::new(Exit::Input, format!("{}: {reason}", path.display())))?;
    if found == *config {
        return Ok(());
    }
    let message = format!(
        "{} already belongs to node {}, with another configuration: choose another folder, or edit that file",
        path.display(),
        found.name
    );
    Err(Failure::new(Exit::Input, message))
}

fn check_address(address: SocketAddrV6) -> Result<(), Failure> {
    check_dialable(address).map_err(|reason| {
        let advice = "give the address that other nodes dial with --address";
        Failure::new(Exit::Usage, format!("{address}: {reason}: {advice}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::Profile;

    fn config() -> NodeConfigFile {
        NodeConfigFile {
            name: "node-1".into(),
            network: "demo".into(),
            profile: Profile::Sim,
            listen: "[::1]:7401".parse().unwrap(),
            address: None,
            dns: None,
            genesis: "genesis.json".into(),
            metrics_file: None,
            dns_limits: Default::default(),
            roles: crate::roles::Roles::default(),
            peers: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_node_is_made_once_and_stays_the_same() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = NodeFolder::new(temporary.path().join("node-1"));
        let address = config().listen;
        let first = initialise(&folder, &config(), address, &mut |_| {}).unwrap();
        let again = initialise(&folder, &config(), address, &mut |_| panic!("plotted twice")).unwrap();
        assert_eq!(first, again);
        assert_eq!(ValidatorFile::read(&folder.validator()).unwrap(), first);
        assert_eq!(folder.read_identity().unwrap().public(), first.key);
        let other = NodeConfigFile { network: "other".into(), ..config() };
        let refused = initialise(&folder, &other, address, &mut |_| {}).unwrap_err();
        assert!(refused.message.contains("already belongs to node node-1"), "{refused}");
    }

    #[test]
    fn an_address_that_nobody_can_dial_is_refused_before_anything_is_made() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = NodeFolder::new(temporary.path().join("node-1"));
        for address in ["[::]:7401", "[::1]:0", "[ff02::1]:7401", "[fe80::1]:7401", "[::ffff:192.0.2.1]:7401"]
        {
            let refused = initialise(&folder, &config(), address.parse().unwrap(), &mut |_| {}).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage);
        }
        assert!(!folder.path().exists());
    }
}
