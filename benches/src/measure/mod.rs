//! What runs against the mesh once it is ready: the parts, one after the other.

mod calls;
mod child;
mod dns;
mod idle;
mod mesh;
mod overload;
mod proofs;
mod session;
mod stores;
mod trustchain;

pub(crate) use calls::serve as serve_echo;
pub(crate) use overload::spin;

use crate::Options;
use child::Tools;
use clap::ValueEnum;
use hypermesh_benches::{Figure, Level};
use serde::{Deserialize, Serialize};
use session::Session;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// An idle mesh: processor time and memory of a node
    Idle,
    /// The four proofs, in this process
    Proofs,
    /// Reads, connections and certificates, from one client and from many
    Mesh,
    /// Calls over STOQ, gRPC (tonic), tarpc and HTTP/1.1 (hyper)
    Calls,
    /// DNS over UDP: a node, hickory-dns and Knot
    Dns,
    /// A transfer and a certificate against a put into etcd and a signature by cfssl
    Stores,
    /// Certificates as the mesh and its clients grow: meshes of 4, 7 and 16, 1 to 1000 clients
    Growth,
    /// Certificates for 1,000 clients on processors with busy neighbours, and how soon the mesh is calm after them
    Overload,
}

/// What came of it.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Times and rates.
    pub(crate) figures: Vec<Figure>,
    /// Amounts.
    pub(crate) levels: Vec<Level>,
    /// What could not be measured here, and why.
    pub(crate) absent: Vec<String>,
}

impl Measured {
    pub(crate) fn add(&mut self, more: Self) {
        self.figures.extend(more.figures);
        self.levels.extend(more.levels);
        self.absent.extend(more.absent);
    }
}

/// Measures what is asked for, at the mesh whose context the environment names.
pub(crate) fn run(options: &Options) -> Result<Measured, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(measure(options))
}

async fn measure(options: &Options) -> Result<Measured, String> {
    let (scale, runs) = (options.scale(), options.runs());
    let session = Session::open().await?;
    let tools = Tools::new(options)?;
    let mut measured = Measured::default();
    for part in options.parts() {
        eprintln!(
            "measuring: {}",
            part.to_possible_value().map_or_else(String::new, |part| part.get_name().into())
        );
        let more = match part {
            Part::Idle => Measured { levels: idle::levels(&session, scale).await?, ..Measured::default() },
            Part::Proofs => Measured { figures: proofs::figures(scale, runs), ..Measured::default() },
            Part::Mesh => {
                Measured { figures: mesh::figures(&session, scale, runs).await?, ..Measured::default() }
            }
            Part::Calls => calls::figures(&tools, scale, runs).await?,
            Part::Dns => dns::figures(&session, &tools, scale, runs).await?,
            Part::Stores => stores::figures(&session, &tools, scale, runs).await?,
            Part::Overload => {
                let (figures, levels) = overload::figures(&session, scale).await?;
                Measured { figures, levels, ..Measured::default() }
            }
            Part::Growth => {
                Measured { figures: mesh::growth(&session, scale, runs).await?, ..Measured::default() }
            }
        };
        measured.add(more);
    }
    Ok(measured)
}
