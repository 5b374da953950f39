//! The command line: nouns, then verbs.

pub mod caesar;
pub mod cert;
pub mod config;
pub mod context;
pub mod devnet;
pub mod dns;
pub mod genesis;
pub mod key;
pub mod log;
pub mod node;
mod proof;
pub mod rpc;
pub mod service;
pub mod shell;
pub mod top;
pub mod trust;
mod typed_names;

use crate::amount::Amount;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use hypermesh_core::api::TraceId;
use std::path::PathBuf;
use std::process::ExitCode;

/// A private certificate authority, transparency log, DNS and ledger that no single machine can betray.
#[derive(Debug, Parser)]
#[command(name = "hypermesh", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// The client context: which mesh, where, whose key
    #[arg(long, global = true, env = crate::context::CONTEXT_VARIABLE, value_name = "FILE", value_parser = any_path())]
    pub context: Option<PathBuf>,
    /// How long a command may take, in seconds
    #[arg(long, global = true, default_value_t = 30, value_name = "SECONDS")]
    pub timeout: u64,
    /// The most to pay for an operation, rent included, in Caesar; default: ten times the list price, plus rent
    #[arg(long, global = true, value_name = "AMOUNT")]
    pub fee_max: Option<Amount>,
    /// The trace id of the command's calls, 32 hexadecimal digits; drawn at random if nothing is said
    #[arg(long, global = true, value_name = "TRACE")]
    pub trace: Option<TraceId>,
    /// Tell the trace id of what was asked, for `hypermesh rpc trace`; failures always do
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// Takes an empty path too: an empty variable is as good as none.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// What there is to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a mesh of four nodes on this machine
    Devnet(devnet::DevnetArgs),
    /// Make, run or look at a node
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Watch the whole mesh: validators, heights, rates, alarms, the newest certificates
    Top(top::TopArgs),
    /// Make or look at a genesis
    #[command(subcommand)]
    Genesis(genesis::GenesisCommand),
    /// Check a configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make the context of a client
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Make and show owners' keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Issue, renew, revoke, verify and list certificates
    #[command(subcommand)]
    Cert(cert::CertCommand),
    /// Export what clients need to verify certificates offline
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Register names, set and look up records
    #[command(subcommand)]
    Dns(dns::DnsCommand),
    /// Announce services, list them and watch them
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Checkpoints and proofs of the certificate log
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Balances and transfers
    #[command(subcommand)]
    Caesar(caesar::CaesarCommand),
    /// Call any method of any service
    #[command(subcommand)]
    Rpc(rpc::RpcCommand),
    /// Write completions for a shell
    Completions(shell::CompletionsArgs),
    /// Write the manual, for man
    Man(shell::ManArgs),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches).map_err(|fault| fault.format(&mut Cli::command()))?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(fault) => return misused(&fault),
    };
    let output = Output { json: cli.global.json };
    typed_names::tell(&matches, output);
    match run(cli, output) {
        Ok(code) => code,
        Err(failure) => {
            output.fail(&failure);
            failure.exit.into()
        }
    }
}

/// Says what is wrong with the command line, or what `--help` and `--version` ask for.
fn misused(fault: &clap::Error) -> ExitCode {
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if !json || !fault.use_stderr() {
        fault.exit();
    }
    let text = fault.to_string();
    let message = text.trim_start_matches("error: ").trim_end();
    Output { json }.fail(&Failure::new(Exit::Usage, message));
    Exit::Usage.into()
}

fn run(cli: Cli, output: Output) -> Result<ExitCode, Failure> {
    let Cli { global, command } = cli;
    let done = match command {
        Command::Devnet(args) => return devnet::run(args, &global, output),
        Command::Node(command) => node::run(command, &global, output),
        Command::Top(args) => top::run(&args, &global, output),
        Command::Genesis(command) => genesis::run(command, output),
        Command::Config(command) => config::run(command, output),
        Command::Context(command) => context::run(command, &global, output),
        Command::Key(command) => key::run(&command, output),
        Command::Cert(command) => return cert::run(command, &global, output),
        Command::Trust(command) => trust::run(command, &global, output),
        Command::Dns(command) => dns::run(command, &global, output),
        Command::Service(command) => service::run(command, &global, output),
        Command::Log(command) => log::run(command, &global, output),
        Command::Caesar(command) => caesar::run(command, &global, output),
        Command::Rpc(command) => rpc::run(command, &global, output),
        Command::Completions(args) => shell::completions(&args, output),
        Command::Man(args) => shell::manual(&args, output),
    };
    done.map(|()| ExitCode::SUCCESS)
}
