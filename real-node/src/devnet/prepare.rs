//! The first start: keys, plots, genesis and the client context. Interrupted, it goes on at the next start.

use super::DevnetFolder;
use crate::context::{Bootstrap, Context};
use crate::data::read_or_create_key;
use crate::failure::Failure;
use crate::file::{self, Access};
use crate::genesis_file::{GenesisPlan, ValidatorFile, read_genesis, write_genesis};
use crate::init_node::initialise;
use crate::moment;
use crate::node_config::NodeConfigFile;
use crate::output::Output;
use crate::plot_progress::PlotBars;
use crate::roles::Roles;
use hypermesh_core::base::{MicroCaesar, Profile, PublicKey};
use hypermesh_core::state::{Genesis, GenesisAccount, GenesisName, GenesisValidator, SetRecords};
use hypermesh_core::trustchain::DomainName;
use hypermesh_core::trustchain::dns::{RecordData, RecordSet, reverse_name};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The mesh's name.
const NETWORK: &str = "devnet";
/// The zone that it answers for.
const ZONE: &str = "hypermesh";
/// The name that the context's owner has.
const OWNED: &str = "demo.hypermesh";
/// A host below it, with an address and a service.
const HOST: &str = "web.demo.hypermesh";
const HOST_TTL_SECONDS: u32 = 300;
const HOST_PORT: u16 = 443;
const STAKE: MicroCaesar = caesar(10_000);
const RESERVE: MicroCaesar = caesar(1_000_000);
const OWNERS_BALANCE: MicroCaesar = caesar(1_000_000);

const fn caesar(amount: u64) -> MicroCaesar {
    MicroCaesar(amount * MicroCaesar::ONE.0)
}

/// Makes what is missing of a devnet; its genesis.
///
/// # Errors
/// If the disk does not allow it, or holds something else.
pub(super) fn prepare(folder: &DevnetFolder, output: Output) -> Result<Genesis, Failure> {
    if folder.genesis().exists() {
        return read_genesis(&folder.genesis());
    }
    let validators = make_nodes(folder, output)?;
    let owner = read_or_create_key(&folder.owner_key())?.public();
    let genesis = plan(validators, owner).build()?;
    write_context(folder, &genesis)?;
    // Last of all: where it is, the rest is.
    write_genesis(&folder.genesis(), &genesis)?;
    Ok(genesis)
}

/// Makes the nodes, as many at a time as there are processors.
fn make_nodes(folder: &DevnetFolder, output: Output) -> Result<Vec<ValidatorFile>, Failure> {
    let bars = PlotBars::new(output);
    let numbers = Mutex::new(folder.numbers());
    let next = || numbers.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut made = Vec::new();
        while let Some(number) = next() {
            let config = node_config(folder, number);
            let mut bar = bars.add(&config.name);
            let address = folder.stoq(number);
            made.push(initialise(&folder.node(number), &config, address, &mut |progress| {
                bar.show(progress)
            })?);
        }
        Ok(made)
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(usize::from(folder.validators()));
    thread::scope(|scope| {
        let working: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        let made = working.into_iter().map(|worker| worker.join().expect("plotting does not panic"));
        Ok(made.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect())
    })
}

fn node_config(folder: &DevnetFolder, number: u16) -> NodeConfigFile {
    NodeConfigFile {
        name: folder.name(number),
        network: NETWORK.to_owned(),
        profile: Profile::Devnet,
        listen: folder.stoq(number),
        address: None,
        dns: Some(folder.dns(number)),
        genesis: "../genesis.json".into(),
        metrics_file: None,
        dns_limits: Default::default(),
        roles: Roles::default(),
        peers: BTreeMap::new(),
    }
}

fn plan(validators: Vec<ValidatorFile>, owner: PublicKey) -> GenesisPlan {
    GenesisPlan {
        network: NETWORK.to_owned(),
        zone: name(ZONE),
        reverse_zones: vec![reverse_name(Ipv6Addr::LOCALHOST), name("d.f.ip6.arpa")],
        profile: Profile::Devnet,
        time: moment::now(),
        validators,
        stake: STAKE,
        accounts: vec![GenesisAccount { owner, balance: OWNERS_BALANCE }],
        reserve: RESERVE,
        names: vec![GenesisName { name: name(OWNED), owner }],
        records: records(),
    }
}

/// A host with an address, and a service that is found there.
fn records() -> Vec<SetRecords> {
    let service = RecordData::Srv { priority: 0, weight: 5, port: HOST_PORT, target: Some(name(HOST)) };
    let rows = [
        (name(HOST), RecordData::Aaaa(Ipv6Addr::LOCALHOST)),
        (name(HOST), service.clone()),
        (name(&format!("_https._tcp.{HOST}")), service),
    ];
    let set = |(name, data): (DomainName, RecordData)| SetRecords {
        name,
        record_type: data.record_type(),
        records: Some(RecordSet::new(HOST_TTL_SECONDS, vec![data]).expect("one record is a set")),
    };
    rows.map(set).into()
}

fn write_context(folder: &DevnetFolder, genesis: &Genesis) -> Result<(), Failure> {
    let mut nodes: Vec<_> = genesis.validators.iter().collect();
    nodes.sort_by_key(|node| node.address.port());
    let bootstrap =
        |node: &&GenesisValidator| Bootstrap { address: node.address.into(), key: node.member.key };
    let key_file = folder.owner_key();
    let context = Context {
        genesis: genesis.hash(),
        key_file: key_file.file_name().unwrap_or_default().into(),
        bootstrap: nodes.iter().map(bootstrap).collect(),
        dns: folder.numbers().map(|number| folder.dns(number)).collect(),
    };
    file::write(&folder.context(), context.to_toml()?.as_bytes(), Access::Public)
}

fn name(text: &str) -> DomainName {
    text.parse().expect("the devnet's own names are names")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hypermesh_core::base::{Digest, SecretKey};
    use hypermesh_core::trustchain::dns::RecordType;

    fn validators(folder: &DevnetFolder) -> Vec<ValidatorFile> {
        let of = |number: u16| ValidatorFile {
            network: NETWORK.into(),
            profile: Profile::Devnet,
            name: folder.name(number),
            key: SecretKey::from_seed([number as u8; 32]).public(),
            plot_root: Digest([1; 32]),
            reveal_anchor: Digest([2; 32]),
            address: folder.stoq(number),
            roles: Roles::default(),
        };
        folder.numbers().map(of).collect()
    }

    #[test]
    fn the_owner_has_means_a_name_and_a_host_below_it() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DevnetFolder::open(temporary.path(), None, None).unwrap();
        let owner = SecretKey::from_seed([9; 32]).public();
        let genesis = plan(validators(&folder), owner).build().unwrap();
        assert_eq!(genesis.validators.len(), 4);
        assert_eq!(genesis.accounts[0].owner, owner);
        assert!(genesis.records.iter().all(|set| set.name.is_within(&genesis.names[0].name)));
        let srv = genesis.records.iter().filter(|set| set.record_type == RecordType::Srv);
        assert_eq!(srv.count(), 2);
    }

    #[test]
    fn the_context_leads_to_every_node_and_to_the_owners_key() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DevnetFolder::open(temporary.path(), None, None).unwrap();
        let owner = read_or_create_key(&folder.owner_key()).unwrap();
        let genesis = plan(validators(&folder), owner.public()).build().unwrap();
        write_context(&folder, &genesis).unwrap();
        let context = Context::read(&folder.context()).unwrap();
        assert_eq!(context.genesis, genesis.hash());
        assert_eq!(context.key().unwrap().public(), owner.public());
        let addresses: Vec<_> = context.bootstrap.into_iter().map(|node| node.address).collect();
        assert_eq!(addresses, folder.numbers().map(|number| folder.stoq(number).into()).collect::<Vec<_>>());
    }
}
