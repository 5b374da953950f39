//! `compare`: measures real meshes on loopback, four processes and more with their stores on disk, beside other systems in
//! the same run, and prints a table.
//!
//! It starts a mesh by running itself as `hypermesh devnet`, and measures as the command that the devnet runs.

mod measure;

use clap::{Args, Parser, Subcommand};
use hypermesh_benches::{heading, level_heading, picture};
use measure::{Measured, Part};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Measures meshes against their targets, and against other systems.
///
/// What it needs of other systems, it takes where it finds it: `etcd`, `cfssl`, `knotd`, `dnsperf` and `hickory-dns` in the
/// path; gRPC, tarpc and HTTP/1.1 from `benches/peers`, which it builds. What is not there is named, and left out.
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Compare {
    #[command(flatten)]
    options: Options,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
    /// Draw the table into this file (SVG)
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What to measure.
#[derive(Clone, Debug, Args)]
struct Options {
    /// Fewer samples, and one run: for a first look
    #[arg(long, global = true)]
    quick: bool,
    /// How many runs, of which medians are taken
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u8).range(1..=99))]
    runs: Option<u8>,
    /// Only these parts
    #[arg(long, value_name = "PART", value_delimiter = ',', global = true)]
    only: Vec<Part>,
    /// The ports of the mesh begin above this one; those of other systems 300 higher
    #[arg(long, default_value_t = 7900, global = true)]
    base_port: u16,
    /// The program of benches/peers, if it is built already
    #[arg(long, value_name = "FILE", global = true)]
    peers: Option<PathBuf>,
}

impl Options {
    const fn scale(&self) -> usize {
        if self.quick { 1 } else { 10 }
    }

    fn runs(&self) -> usize {
        self.runs.map_or(if self.quick { 1 } else { 5 }, usize::from)
    }

    /// The parts in the order of the table; the one that kills a node is the last of its mesh.
    fn parts(&self) -> Vec<Part> {
        let all = [
            Part::Idle,
            Part::Proofs,
            Part::Calls,
            Part::Dns,
            Part::Stores,
            Part::Growth,
            Part::Overload,
            Part::Mesh,
        ];
        all.into_iter().filter(|part| self.only.is_empty() || self.only.contains(part)).collect()
    }
}

#[derive(Debug, Subcommand)]
enum Role {
    /// What runs against the mesh once it is ready
    #[command(hide = true)]
    Measure {
        /// Where the figures go, as JSON
        #[arg(long)]
        out: PathBuf,
    },
    /// Echoes over STOQ until standard input ends
    #[command(hide = true)]
    ServeEcho {
        #[arg(long)]
        port: u16,
    },
    /// Keeps a processor busy until standard input ends
    #[command(hide = true)]
    Spin,
}

fn main() -> ExitCode {
    // The devnet starts its nodes by running this executable as `hypermesh`.
    let first = std::env::args().nth(1).unwrap_or_default();
    if ["devnet", "node"].contains(&first.as_str()) {
        return hypermesh::cli::main();
    }
    let compare = Compare::parse();
    let outcome = match &compare.role {
        Some(Role::ServeEcho { port }) => measure::serve_echo(*port).map(|()| ExitCode::SUCCESS),
        Some(Role::Spin) => {
            measure::spin();
            Ok(ExitCode::SUCCESS)
        }
        Some(Role::Measure { out }) => {
            measure::run(&compare.options).and_then(|measured| keep(out, &measured))
        }
        None => lead(&compare),
    };
    outcome.unwrap_or_else(|reason| {
        eprintln!("error: {reason}");
        ExitCode::FAILURE
    })
}

fn keep(path: &Path, measured: &Measured) -> Result<ExitCode, String> {
    let json = serde_json::to_vec(measured).map_err(|error| error.to_string())?;
    std::fs::write(path, json).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Starts meshes, has them measured, and prints what came of it.
fn lead(compare: &Compare) -> Result<ExitCode, String> {
    let mut options = compare.options.clone();
    let mut measured = Measured::default();
    if options.peers.is_none()
        && [Part::Calls, Part::Stores].iter().any(|part| options.parts().contains(part))
    {
        match build_peers() {
            Ok(program) => options.peers = Some(program),
            Err(reason) => measured.absent.push(reason),
        }
    }
    measured.add(at_mesh(&options, 4)?);
    if options.parts().contains(&Part::Growth) {
        let growth = Options { only: vec![Part::Growth], ..options };
        for validators in [7, 16] {
            measured.add(at_mesh(&growth, validators)?);
        }
    }
    print(compare, &measured)
}

/// Builds the program that calls other systems.
fn build_peers() -> Result<PathBuf, String> {
    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");
    eprintln!("building benches/peers");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--quiet"]).current_dir(FOLDER).env("CARGO_TARGET_DIR", TARGET);
    match cargo.status() {
        Ok(status) if status.success() => Ok(Path::new(TARGET).join("release/hypermesh-peers")),
        Ok(status) => Err(format!("benches/peers: cargo ended with {status}")),
        Err(error) => Err(format!("benches/peers: cargo: {error}")),
    }
}

/// Starts a mesh of so many, and has it measured.
fn at_mesh(options: &Options, validators: u16) -> Result<Measured, String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    eprintln!("starting a mesh of {validators}");
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let out = folder.path().join("measured.json");
    let executable = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut command = Command::new(&executable);
    command.args(["devnet", "--base-port", &options.base_port.to_string()]);
    command.args(["--validators", &validators.to_string(), "--data-dir"]).arg(folder.path().join("mesh"));
    command.arg("--").arg(&executable).arg("measure").arg("--out").arg(&out);
    command.args(["--base-port", &options.base_port.to_string()]);
    command.args(options.quick.then_some("--quick"));
    command.args(options.runs.map(|runs| format!("--runs={runs}")));
    command.args(options.peers.as_ref().map(|peers| format!("--peers={}", peers.display())));
    let parts: Vec<String> = options.parts().iter().map(|part| format!("{part:?}").to_lowercase()).collect();
    command.args(["--only", &parts.join(",")]);
    let status = command.status().map_err(|error| failed(&error))?;
    if !status.success() {
        return Err(format!("the mesh of {validators} was not measured to the end"));
    }
    let json = std::fs::read(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    serde_json::from_slice(&json).map_err(|error| failed(&error))
}

fn print(compare: &Compare, measured: &Measured) -> Result<ExitCode, String> {
    if let Some(path) = &compare.picture {
        let drawn = picture(&measured.figures, &measured.levels);
        std::fs::write(path, drawn).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("the picture is {}", path.display());
    }
    if compare.json {
        println!("{}", serde_json::to_string_pretty(measured).map_err(|error| error.to_string())?);
    } else {
        if !measured.figures.is_empty() {
            println!("{}", heading());
            measured.figures.iter().for_each(|figure| println!("{}", figure.row()));
        }
        if !measured.levels.is_empty() {
            println!("\n{}", level_heading());
            measured.levels.iter().for_each(|level| println!("{}", level.row()));
        }
        measured.absent.iter().for_each(|absent| println!("absent: {absent}"));
        println!(
            "\nmedians of {} runs; all processes share {} processors; stores are synced to disk",
            compare.options.runs(),
            std::thread::available_parallelism().map_or(1, usize::from)
        );
    }
    let met = measured.figures.iter().all(|figure| figure.is_met() != Some(false));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
