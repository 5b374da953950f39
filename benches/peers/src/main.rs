//! Other transports and systems, measured as this project's are: one call at a time, and many at once, over
//! connections that stand. `serve` answers until its standard input ends; `call` prints what it measured as JSON.

mod cfssl;
mod etcd;
mod grpc;
mod http;
mod load;
mod tarpc_echo;
mod tls;

use clap::{Parser, Subcommand, ValueEnum};
use load::{Load, Samples};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::io::AsyncReadExt as _;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Peers {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Echoes whatever comes, until standard input ends
    Serve {
        transport: Transport,
        #[arg(long)]
        port: u16,
        /// Where the certificate is put, for callers to believe
        #[arg(long)]
        folder: PathBuf,
    },
    /// Calls, and prints the samples as JSON
    Call {
        target: Target,
        #[arg(long)]
        port: u16,
        /// Where the server's certificate is
        #[arg(long)]
        folder: PathBuf,
        #[command(flatten)]
        load: Load,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    /// gRPC with tonic: HTTP/2 over TLS 1.3
    Grpc,
    /// tarpc over TCP, without TLS, which it does not have
    Tarpc,
    /// HTTP/1.1 with hyper over TLS 1.3
    Http,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Grpc,
    Tarpc,
    Http,
    /// A put of 600 bytes into etcd
    Etcd,
    /// A certificate signed by cfssl
    Cfssl,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let done = runtime.map_err(Fault::from).and_then(|runtime| runtime.block_on(run(Peers::parse().part)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("error: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn run(part: Part) -> Result<(), Fault> {
    match part {
        Part::Serve { transport, port, folder } => serve(transport, port, &folder).await,
        Part::Call { target, port, folder, load } => {
            let samples = call(target, port, &folder, &load).await?;
            println!("{}", serde_json::to_string(&samples)?);
            Ok(())
        }
    }
}

async fn serve(transport: Transport, port: u16, folder: &Path) -> Result<(), Fault> {
    let serving = async {
        match transport {
            Transport::Grpc => grpc::serve(port, folder).await,
            Transport::Tarpc => tarpc_echo::serve(port).await,
            Transport::Http => http::serve(port, folder).await,
        }
    };
    let mut rest = Vec::new();
    let mut input = tokio::io::stdin();
    tokio::select! {
        served = serving => served,
        ended = input.read_to_end(&mut rest) => ended.map(drop).map_err(Fault::from),
    }
}

async fn call(target: Target, port: u16, folder: &Path, load: &Load) -> Result<Samples, Fault> {
    match target {
        Target::Grpc => grpc::call(port, folder, load).await,
        Target::Tarpc => tarpc_echo::call(port, load).await,
        Target::Http => http::call(port, folder, load).await,
        Target::Etcd => etcd::call(port, load).await,
        Target::Cfssl => cfssl::call(port, folder, load).await,
    }
}
