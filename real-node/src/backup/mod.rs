//! An operator's backup of a node: what a wiped disk needs to become that node again, and nothing else.
//!
//! In it: the identity key (which the chain of reveals comes from too), the key shares, the configuration and
//! genesis. The plot is made again from these. **Never in it: the log of votes and the chain.** A log of votes
//! that is put back is older than what the node has said since, so the node would contradict itself; the chain
//! the peers have, newer. Nonces were in memory alone, so a share that is put back signs with none that it
//! signed with before.
//!
//! What this does not do: keep the restored node from voting too early. That is the node's own affair when it
//! starts with an empty store.

mod envelope;
mod restore;

#[cfg(test)]
mod tests;

pub use envelope::EnvelopeFault;
pub use restore::{Restored, restore};

use crate::data::{NodeFolder, SystemEntropy};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access};
use crate::genesis_file::read_genesis;
use crate::moment;
use crate::node_config::{CONFIG_BYTES_MAX, NodeConfigFile};
use crate::share_files::ShareFiles;
use borsh::{BorshDeserialize, BorshSerialize};
use hypermesh_core::base::{Digest, KeyValue, PublicKey, SecretKey, UnixMillis, decode, encode};
use hypermesh_core::hypermesh::committee::{Committee, StoredShares};
use hypermesh_core::state::{GENESIS_BYTES_MAX, Genesis};
use serde::Serialize;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// The most attempts at key generation whose shares are in a backup: the last ones.
const SHARE_COUNT_MAX: usize = 16;
/// More bytes than any backup's file takes.
const BACKUP_BYTES_MAX: usize =
    2 * (GENESIS_BYTES_MAX + CONFIG_BYTES_MAX) + SHARE_COUNT_MAX * StoredShares::BYTES_MAX;

/// What is in a backup. Secret: wiped when dropped.
#[derive(Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Contents {
    made: UnixMillis,
    genesis: Vec<u8>,
    seed: [u8; 32],
    /// The text of `node.toml`.
    config: String,
    /// The rows of the key shares, by attempt.
    shares: Vec<KeyValue>,
}

/// What was backed up. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackedUp {
    /// The node's name.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// The mesh.
    pub genesis: Digest,
    /// Of how many sets of committee keys its shares are in the backup. None yet is no error.
    pub shares: usize,
    /// When.
    pub made: UnixMillis,
}

/// Writes a node's backup into a new file, for its owner alone. The node may run meanwhile.
///
/// # Errors
/// If the folder is no whole node's, something in it is of another mesh, or the file exists or cannot be written.
pub fn back_up(folder: &NodeFolder, file: &Path, passphrase: &str) -> Result<BackedUp, Failure> {
    if file.exists() {
        let message =
            format!("{} exists: choose another name; a backup is never overwritten", file.display());
        return Err(Failure::new(Exit::Input, message));
    }
    let contents = Contents::gather(folder)?;
    let parts = contents.check()?;
    let bytes = Zeroizing::new(encode(&contents));
    file::write(file, &envelope::seal(&bytes, passphrase, &mut SystemEntropy), Access::Private)?;
    Ok(parts.report(&contents))
}

/// The parts of a backup that were checked to belong together.
struct Parts {
    genesis: Genesis,
    identity: SecretKey,
    config: NodeConfigFile,
}

impl Contents {
    fn gather(folder: &NodeFolder) -> Result<Self, Failure> {
        let config = folder.read_config()?;
        let genesis = read_genesis(&config.genesis)?;
        let identity = folder.read_identity()?;
        let mut shares = ShareFiles::beside(&folder.store()).rows()?;
        let excess = shares.len().saturating_sub(SHARE_COUNT_MAX);
        shares.drain(..excess);
        let made = moment::now();
        Ok(Self {
            made,
            genesis: encode(&genesis),
            seed: *identity.seed(),
            config: config.to_toml()?,
            shares,
        })
    }

    fn open(file: &Path, passphrase: &str) -> Result<Self, Failure> {
        let fault =
            |what: &dyn std::fmt::Display| Failure::new(Exit::Input, format!("{}: {what}", file.display()));
        let sealed = file::read(file, BACKUP_BYTES_MAX)?;
        let bytes = envelope::open(&sealed, passphrase).map_err(|error| fault(&error))?;
        decode(&bytes, BACKUP_BYTES_MAX).map_err(|error| fault(&error))
    }

    /// Checks that identity, configuration, genesis and shares are of one node of one mesh.
    fn check(&self) -> Result<Parts, Failure> {
        let refuse = |what: &str| Failure::new(Exit::Input, what);
        let genesis: Genesis =
            decode(&self.genesis, GENESIS_BYTES_MAX).map_err(|error| refuse(&error.to_string()))?;
        genesis.check().map_err(|fault| refuse(&format!("genesis: {fault}")))?;
        let identity = SecretKey::from_seed(self.seed);
        let me = identity.public();
        if !genesis.validators.iter().any(|validator| validator.member.key == me) {
            return Err(refuse(&format!("node {me} is not a validator of genesis {}", genesis.hash())));
        }
        let config = NodeConfigFile::parse(&self.config).map_err(|reason| refuse(&reason))?;
        if (&config.network, config.profile) != (&genesis.network, genesis.profile) {
            return Err(refuse("the network or profile in the configuration differs from that in genesis"));
        }
        for (_, row) in &self.shares {
            check_shares(row, &genesis.hash(), &me).map_err(|reason| refuse(&reason))?;
        }
        Ok(Parts { genesis, identity, config })
    }
}

fn check_shares(row: &[u8], genesis: &Digest, me: &PublicKey) -> Result<(), String> {
    let StoredShares { keys, shares } = StoredShares::from_bytes(row).map_err(|fault| fault.to_string())?;
    if keys.genesis != *genesis {
        return Err(format!(
            "the node's folder has key shares of another mesh, with genesis {}",
            keys.genesis
        ));
    }
    let committee = Committee::new(keys).map_err(|fault| fault.to_string())?;
    shares.check(&committee, me).map_err(|fault| fault.to_string())
}

impl Parts {
    fn report(&self, contents: &Contents) -> BackedUp {
        BackedUp {
            name: self.config.name.clone(),
            key: self.identity.public(),
            genesis: self.genesis.hash(),
            shares: contents.shares.len(),
            made: contents.made,
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.shares.iter_mut().for_each(|(_, row)| row.zeroize());
    }
}
