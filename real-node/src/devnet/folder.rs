//! A devnet's folder: what lies where, and at which ports what listens.

use crate::data::{NodeFolder, make_private_folder};
use crate::failure::{Exit, Failure};
use crate::file::{self, Access, failed};
use hypermesh_core::state::{VALIDATOR_COUNT_MAX, VALIDATOR_COUNT_MIN};
use serde::{Deserialize, Serialize};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::path::{Path, PathBuf};

/// How many validators a devnet has if nobody says.
pub const VALIDATORS_DEFAULT: u16 = 4;
/// Its base port if nobody says.
const BASE_PORT_DEFAULT: u16 = 7400;
/// How far the ports of DNS lie above those of STOQ: past the most validators.
const DNS_PORT_OFFSET: u16 = 100;
const LAYOUT_BYTES_MAX: usize = 4096;

const _: () = assert!(VALIDATOR_COUNT_MAX <= DNS_PORT_OFFSET as usize);

/// A devnet's folder.
///
/// | file | what |
/// |---|---|
/// | `devnet.toml` | how many validators, which ports: chosen at the first start |
/// | `genesis.json` | what the mesh began with; there once everything else is |
/// | `context.toml`, `owner.key` | the client context: a funded owner of `demo.hypermesh` |
/// | `devnet.pid` | the process that runs the mesh |
/// | `node-N/` | the [folder](NodeFolder) of each node |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevnetFolder {
    path: PathBuf,
    layout: Layout,
}

/// What was chosen at the first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    validators: u16,
    base_port: u16,
}

impl DevnetFolder {
    /// Looks at a devnet's folder, which need not be there before the first start. Changes nothing: what is asked for is
    /// fixed by [`Self::fix`], once it is known that the mesh can listen there.
    ///
    /// # Errors
    /// If what is asked for is impossible, or not what was chosen at the first start.
    pub fn open(path: &Path, validators: Option<u16>, base_port: Option<u16>) -> Result<Self, Failure> {
        let asked = Layout {
            validators: validators.unwrap_or(VALIDATORS_DEFAULT),
            base_port: base_port.unwrap_or(BASE_PORT_DEFAULT),
        };
        asked.check()?;
        // The context names the folder's files to processes that run elsewhere.
        let path = std::path::absolute(path).map_err(|error| failed(path, &error))?;
        let folder = Self { path, layout: asked };
        match folder.chosen()? {
            Some(layout) if validators.is_some_and(|asked| asked != layout.validators) => {
                Err(folder.taken(layout))
            }
            Some(layout) if base_port.is_some_and(|asked| asked != layout.base_port) => {
                Err(folder.taken(layout))
            }
            Some(layout) => Ok(Self { layout, ..folder }),
            None => Ok(folder),
        }
    }

    /// Makes the folder, if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self) -> Result<(), Failure> {
        make_private_folder(&self.path)
    }

    /// Writes down what was chosen, for all later starts.
    ///
    /// # Errors
    /// If it cannot be written, or something else was chosen meanwhile.
    pub fn fix(&self) -> Result<(), Failure> {
        match self.chosen()? {
            Some(layout) if layout == self.layout => Ok(()),
            Some(layout) => Err(self.taken(layout)),
            None => {
                let path = self.layout_file();
                let text = toml::to_string(&self.layout).map_err(|error| failed(&path, &error))?;
                file::write(&path, text.as_bytes(), Access::Public)
            }
        }
    }

    /// What an earlier start chose, if there was one.
    fn chosen(&self) -> Result<Option<Layout>, Failure> {
        let path = self.layout_file();
        if !path.exists() {
            return Ok(None);
        }
        let text = file::read_text(&path, LAYOUT_BYTES_MAX)?;
        let layout: Layout = toml::from_str(&text)
            .map_err(|error| Failure::new(Exit::Input, format!("{}: {error}", path.display())))?;
        layout.check()?;
        Ok(Some(layout))
    }

    fn taken(&self, layout: Layout) -> Failure {
        let (path, Layout { validators, base_port }) = (self.path.display(), layout);
        let or_else = match self.genesis().exists() {
            true => "",
            false => ", or remove the folder: its mesh was never made",
        };
        let message = format!(
            "{path} holds a devnet of {validators} validators at base port {base_port}, which cannot \
            change after its first start: leave the options out, or choose another --data-dir{or_else}"
        );
        Failure::new(Exit::Usage, message)
    }

    fn layout_file(&self) -> PathBuf {
        self.path.join("devnet.toml")
    }

    /// Whether it was chosen already where the mesh listens.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.layout_file().exists()
    }

    /// The numbers of the nodes, from 1.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.layout.validators
    }

    /// How many validators there are.
    #[must_use]
    pub const fn validators(&self) -> u16 {
        self.layout.validators
    }

    /// A node's name.
    #[must_use]
    pub fn name(&self, number: u16) -> String {
        format!("node-{number}")
    }

    /// A node's folder.
    #[must_use]
    pub fn node(&self, number: u16) -> NodeFolder {
        NodeFolder::new(self.path.join(self.name(number)))
    }

    /// Where a node listens for STOQ.
    #[must_use]
    pub const fn stoq(&self, number: u16) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, self.layout.base_port + number, 0, 0)
    }

    /// Where a node listens for plain DNS.
    #[must_use]
    pub const fn dns(&self, number: u16) -> SocketAddrV6 {
        SocketAddrV6::new(Ipv6Addr::LOCALHOST, self.layout.base_port + DNS_PORT_OFFSET + number, 0, 0)
    }

    /// What the mesh began with.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.path.join("genesis.json")
    }

    /// The client context.
    #[must_use]
    pub fn context(&self) -> PathBuf {
        self.path.join("context.toml")
    }

    /// The key of the client context's owner.
    #[must_use]
    pub fn owner_key(&self) -> PathBuf {
        self.path.join("owner.key")
    }

    /// The process that runs the mesh.
    #[must_use]
    pub fn pid(&self) -> PathBuf {
        self.path.join("devnet.pid")
    }
}

impl Layout {
    fn check(self) -> Result<(), Failure> {
        let Self { validators, base_port } = self;
        let possible = VALIDATOR_COUNT_MIN..=VALIDATOR_COUNT_MAX;
        if !possible.contains(&usize::from(validators)) {
            let message = format!(
                "--validators {validators}: a mesh has from {VALIDATOR_COUNT_MIN} to {VALIDATOR_COUNT_MAX}"
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let highest = u32::from(base_port) + u32::from(DNS_PORT_OFFSET) + u32::from(validators);
        if highest > u32::from(u16::MAX) {
            let message = format!("--base-port {base_port}: the highest port would be {highest}");
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_start_chose_holds_for_the_next() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("devnet");
        let looked = DevnetFolder::open(&path, None, Some(7000)).unwrap();
        assert!(!path.exists() && looked.stoq(1).port() == 7001, "looking fixes nothing");
        let first = DevnetFolder::open(&path, Some(5), Some(9000)).unwrap();
        first.create().unwrap();
        first.fix().unwrap();
        assert!(looked.fix().is_err(), "another start was first");
        assert_eq!(first.stoq(5).port(), 9005);
        assert_eq!(first.dns(1).port(), 9101);
        assert_eq!(DevnetFolder::open(&path, None, None).unwrap(), first);
        assert_eq!(DevnetFolder::open(&path, Some(5), None).unwrap(), first);
        let refused = DevnetFolder::open(&path, Some(4), None).unwrap_err();
        assert!(refused.message.contains("5 validators at base port 9000"), "{refused}");
        assert!(DevnetFolder::open(&path, None, Some(9001)).is_err());
    }

    #[test]
    fn limits_hold_at_them_and_one_past_them() {
        let check = |validators, base_port| Layout { validators, base_port }.check().is_ok();
        assert!(check(4, 7400) && !check(3, 7400));
        assert!(check(100, 7400) && !check(101, 7400));
        assert!(check(4, 65_535 - 104) && !check(4, 65_535 - 103));
    }
}
