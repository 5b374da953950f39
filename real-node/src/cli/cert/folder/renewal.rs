//! What a renewal asks for again, beside the request: a file of the folder.

use crate::failure::{Exit, Failure};
use crate::file;
use hypermesh_core::state::{LEAF_SECONDS_DEFAULT, ServicePort};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a renewal asks for again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::cert) struct Renewal {
    /// How long the certificate lives.
    pub(in crate::cli::cert) lifetime_seconds: u32,
    /// Where its services listen, as in `443/tcp`.
    pub(in crate::cli::cert) ports: Vec<String>,
}

impl Default for Renewal {
    fn default() -> Self {
        Self { lifetime_seconds: LEAF_SECONDS_DEFAULT, ports: vec![PORT_DEFAULT.to_owned()] }
    }
}

impl Renewal {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = file::read_text(path, RENEWAL_BYTES_MAX)?;
        toml::from_str(&text)
            .map_err(|error| Failure::new(Exit::Input, format!("{}: {error}", path.display())))
    }

    /// As a file.
    pub(super) fn text(&self) -> Result<String, Failure> {
        toml::to_string(self).map_err(|error| Failure::new(Exit::Failed, format!("renewal.toml: {error}")))
    }

    /// The ports, in order, each once.
    pub(in crate::cli::cert) fn services(&self) -> Result<Vec<ServicePort>, Failure> {
        let parse = |text: &String| {
            text.parse().map_err(|fault| Failure::new(Exit::Input, format!("port {text:?}: {fault}")))
        };
        let mut services: Vec<ServicePort> = self.ports.iter().map(parse).collect::<Result<_, _>>()?;
        services.sort_unstable();
        services.dedup();
        Ok(services)
    }
}

/// Where a service listens unless something else is said.
pub(in crate::cli::cert) const PORT_DEFAULT: &str = "443/tcp";
/// The longest file of what a renewal asks for.
const RENEWAL_BYTES_MAX: usize = 4096;
