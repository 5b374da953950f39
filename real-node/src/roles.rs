//! Which services a whole node exposes: in `node.toml`, in what it contributes to genesis, and in genesis.

use hypermesh_core::state::{Genesis, GenesisValidator, SERVICES, SetRecords};
use hypermesh_core::trustchain::dns::{RECORDS_PER_SET_MAX, RecordData, RecordSet, RecordType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// How long resolvers may keep what genesis says of a service, in seconds: as what the mesh publishes by itself.
const TTL_SECONDS: u32 = 60;

/// The services that a node exposes: at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Roles(BTreeSet<&'static str>);

impl Roles {
    /// Whether these are all that there are.
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.0.len() == SERVICES.len()
    }

    /// Whether a service is among them.
    #[must_use]
    pub fn has(&self, service: &str) -> bool {
        self.0.contains(service)
    }

    /// The services that genesis says this validator exposes.
    #[must_use]
    pub fn by_genesis(genesis: &Genesis, validator: &GenesisValidator) -> Self {
        let exposed = |service: &&str| genesis.exposes(&validator.member.key, service);
        Self(SERVICES.into_iter().filter(exposed).collect())
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(SERVICES.into_iter().collect())
    }
}

impl TryFrom<Vec<String>> for Roles {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let known = |name: &String| SERVICES.into_iter().find(|service| service == name);
        let unknown =
            |name: &String| format!("unknown service {name:?}: expected one of {}", SERVICES.join(", "));
        let roles: BTreeSet<&'static str> =
            names.iter().map(|name| known(name).ok_or_else(|| unknown(name))).collect::<Result<_, _>>()?;
        match roles.is_empty() {
            true => Err("a node exposes at least one service: leave the option out to expose all".to_owned()),
            false => Ok(Self(roles)),
        }
    }
}

impl From<Roles> for Vec<String> {
    fn from(roles: Roles) -> Self {
        let listed = SERVICES.into_iter().filter(|service| roles.has(service));
        listed.map(ToOwned::to_owned).collect()
    }
}

/// As it is typed: names with commas between them.
impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Vec::from(self.clone()).join(", "))
    }
}

/// Which validators expose which service, as records for genesis; none of a service that all of them expose.
///
/// # Errors
/// If nobody exposes a service, or too many and not all.
pub fn records(genesis: &Genesis, roles: &[(GenesisValidator, Roles)]) -> Result<Vec<SetRecords>, String> {
    let mut sets = Vec::new();
    for service in SERVICES {
        let exposing: Vec<_> =
            roles.iter().filter(|(_, roles)| roles.has(service)).map(|(one, _)| one).collect();
        if exposing.len() == roles.len() {
            continue;
        }
        if exposing.is_empty() {
            return Err(format!("no validator exposes {service}: at least one must expose it"));
        }
        let too_many =
            |_| format!("{} validators expose {service}: all may, or {RECORDS_PER_SET_MAX}", exposing.len());
        let server = |validator: &&GenesisValidator| {
            let target = genesis.zone.child(&validator.name).ok()?;
            let port = validator.address.port();
            Some(RecordData::Srv { priority: 0, weight: 1, port, target: Some(target) })
        };
        let records = RecordSet::new(TTL_SECONDS, exposing.iter().filter_map(server).collect());
        let records = records.map_err(too_many)?;
        let Some(name) = genesis.service_name(service) else { continue };
        sets.push(SetRecords { name, record_type: RecordType::Srv, records: Some(records) });
    }
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_names_of_services_and_one_at_least() {
        let some: Roles = "caesar, trustchain".parse().unwrap();
        assert_eq!((some.to_string(), some.are_all()), ("trustchain, caesar".to_owned(), false));
        assert!(Roles::default().are_all() && Roles::default().has("hypermesh"));
        assert!("bank".parse::<Roles>().unwrap_err().contains(
            "expected one of trustchain, hypermesh, \
            caesar"
        ));
        assert!(Roles::try_from(Vec::new()).is_err());
    }
}
