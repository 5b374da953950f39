//! `hypermesh genesis …`.

use crate::amount::Amount;
use crate::failure::{Exit, Failure};
use crate::genesis_file::{GenesisPlan, ValidatorFile, read_genesis, write_genesis};
use crate::moment;
use crate::output::Output;
use clap::{Args, Subcommand};
use hypermesh_core::base::{Digest, MicroCaesar, Profile, PublicKey, UnixMillis};
use hypermesh_core::state::{Genesis, GenesisAccount, GenesisName};
use hypermesh_core::trustchain::DomainName;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// What `hypermesh genesis` can do.
#[derive(Debug, Subcommand)]
pub enum GenesisCommand {
    /// Make the genesis of a new mesh from the contributions of its validators
    New(NewArgs),
    /// Show a genesis: its hash, by which operators compare, and who decides
    Show(ShowArgs),
}

/// How to make a genesis.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The mesh's name, a label: the one that the validators plotted for
    #[arg(long)]
    network: String,
    /// The zone that the mesh answers for and issues names in
    #[arg(long)]
    zone: DomainName,
    /// The parameters that the validators plotted with: production or devnet
    #[arg(long, default_value = "production")]
    profile: Profile,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A reverse zone that the mesh answers for too, such as d.f.ip6.arpa
    #[arg(long, value_name = "ZONE")]
    reverse_zone: Vec<DomainName>,
    /// What is in an account at the start, in Caesar
    #[arg(long, value_name = "KEY=AMOUNT", value_parser = account)]
    account: Vec<GenesisAccount>,
    /// A name that belongs to someone from the start
    #[arg(long, value_name = "NAME=KEY", value_parser = name)]
    name: Vec<GenesisName>,
    /// What each validator has at stake, in Caesar
    #[arg(long, value_name = "AMOUNT", default_value = "10000")]
    stake: Amount,
    /// What rewards are paid out of at first, in Caesar
    #[arg(long, value_name = "AMOUNT", default_value = "1000000")]
    reserve: Amount,
    /// No block is earlier than this; now, if not given
    #[arg(long, value_name = "RFC3339", value_parser = moment::parse)]
    time: Option<UnixMillis>,
    /// What the validators contribute: the validator.json of each
    #[arg(required = true, value_name = "VALIDATOR.json")]
    validators: Vec<PathBuf>,
}

/// Which genesis to show.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The genesis
    file: PathBuf,
}

/// A genesis and what names it.
#[derive(Serialize)]
struct Shown {
    hash: Digest,
    supply: MicroCaesar,
    genesis: Genesis,
}

/// Runs a command.
///
/// # Errors
/// If it fails.
pub fn run(command: GenesisCommand, output: Output) -> Result<(), Failure> {
    let genesis = match command {
        GenesisCommand::New(args) => new(args)?,
        GenesisCommand::Show(args) => read_genesis(&args.file)?,
    };
    let supply = genesis.supply().map_err(|fault| Failure::new(Exit::Input, fault))?;
    let shown = Shown { hash: genesis.hash(), supply, genesis };
    output.print(&shown, described)
}

fn new(args: NewArgs) -> Result<Genesis, Failure> {
    if args.out.exists() {
        let message = format!(
            "{} exists: a genesis file is never overwritten; remove it, or choose \
            another --out",
            args.out.display()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let validators = args.validators.iter().map(|path| ValidatorFile::read(path));
    let plan = GenesisPlan {
        network: args.network,
        zone: args.zone,
        reverse_zones: args.reverse_zone,
        profile: args.profile,
        time: args.time.unwrap_or_else(moment::now),
        validators: validators.collect::<Result<_, _>>()?,
        stake: args.stake.0,
        accounts: args.account,
        reserve: args.reserve.0,
        names: args.name,
        records: Vec::new(),
    };
    let genesis = plan.build()?;
    write_genesis(&args.out, &genesis)?;
    Ok(genesis)
}

fn described(shown: &Shown) -> String {
    let Shown { hash, supply, genesis } = shown;
    let mut text = format!(
        "hash      {hash}\nnetwork   {} ({})\nzone      {}\ntime      {}\nsupply    {}\n",
        genesis.network,
        genesis.profile,
        genesis.zone,
        moment::text(genesis.time),
        Amount(*supply)
    );
    for validator in &genesis.validators {
        let (name, address, key) = (&validator.name, validator.address, validator.member.key);
        let stake = Amount(validator.member.stake);
        writeln!(text, "validator {name} at {address}, stake {stake}, key {key}").expect(IN_MEMORY);
    }
    for account in &genesis.accounts {
        writeln!(text, "account   {} holds {}", account.owner, Amount(account.balance)).expect(IN_MEMORY);
    }
    for entry in &genesis.names {
        writeln!(text, "name      {} belongs to {}", entry.name, entry.owner).expect(IN_MEMORY);
    }
    text
}

fn account(text: &str) -> Result<GenesisAccount, String> {
    let (owner, balance) = text.split_once('=').ok_or("expected KEY=AMOUNT")?;
    let owner: PublicKey = owner.parse().map_err(|error| format!("{error}"))?;
    let balance: Amount = balance.parse().map_err(|error| format!("{error}"))?;
    Ok(GenesisAccount { owner, balance: balance.0 })
}

fn name(text: &str) -> Result<GenesisName, String> {
    let (name, owner) = text.split_once('=').ok_or("expected NAME=KEY")?;
    let name: DomainName = name.parse().map_err(|error| format!("{error}"))?;
    let owner: PublicKey = owner.parse().map_err(|error| format!("{error}"))?;
    Ok(GenesisName { name, owner })
}

const IN_MEMORY: &str = "writing into a string does not fail";
