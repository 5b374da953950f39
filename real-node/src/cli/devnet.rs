//! `hypermesh devnet`.

use super::Global;
use crate::devnet::{self, DevnetFolder};
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// How to start a devnet.
#[derive(Debug, Args)]
#[command(
    long_about = "Start a mesh of validators on this machine: real processes that find each other on [::1].

The first start makes keys, plots and genesis in the folder; later ones resume with everything the mesh had. \
Node N listens for STOQ at port BASE+N and answers plain DNS (UDP and TCP) at port BASE+100+N. \
Ctrl-C stops all nodes cleanly.

With a COMMAND behind `--`, the mesh is started in the same folder, the command runs once all nodes are ready, \
the mesh is taken down, and the command's exit status is passed on (128 and the number for a signal). The \
command sees HYPERMESH_CONTEXT (the client context: a funded owner of demo.hypermesh and everything below it), \
HYPERMESH_DNS (where the first node answers DNS, as in `dig $HYPERMESH_DNS web.demo.hypermesh AAAA`), and finds `hypermesh` in its PATH.

A node that ends is not started again: `hypermesh node run --data-dir FOLDER/node-N` does that."
)]
pub struct DevnetArgs {
    /// The mesh's folder
    #[arg(long, value_name = "DIR", default_value = "hypermesh-devnet")]
    data_dir: PathBuf,
    /// How many validators, from 4 to 100; 4 if not given at the first start
    #[arg(long, value_name = "N")]
    validators: Option<u16>,
    /// The ports begin above this one; 7400 if not given at the first start
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// Run this against the mesh, then take the mesh down
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs a devnet.
///
/// # Errors
/// If it cannot be started.
pub fn run(args: DevnetArgs, _global: &Global, output: Output) -> Result<ExitCode, Failure> {
    let folder = DevnetFolder::open(&args.data_dir, args.validators, args.base_port)?;
    devnet::run(&folder, &args.command, output)
}
