//! The catalogue of fault classes, as a table.

use super::exit::Exit;
use clap::Args;
use hypermesh_sim::plan::{FaultClass, WorldKind};
use serde::Serialize;

/// Lists the classes of faults.
#[derive(Args)]
pub(crate) struct Faults {
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct OutputRow {
    group: &'static str,
    name: &'static str,
    worlds: Vec<WorldKind>,
    means: &'static str,
}

impl Faults {
    pub(crate) fn print(&self) -> Exit {
        let row = |class: &FaultClass| OutputRow {
            group: class.group().name(),
            name: class.name(),
            worlds: [WorldKind::World, WorldKind::Quic]
                .into_iter()
                .filter(|world| class.is_of(*world))
                .collect(),
            means: class.means().trim(),
        };
        let rows: Vec<OutputRow> = FaultClass::ALL.iter().map(row).collect();
        if self.json {
            return match serde_json::to_string_pretty(&rows) {
                Ok(text) => {
                    println!("{text}");
                    Exit::Passed
                }
                Err(fault) => Exit::Unable(fault.to_string()),
            };
        }
        println!("| of | class | worlds | what it is |\n|---|---|---|---|");
        for OutputRow { group, name, worlds, means } in rows {
            let worlds: Vec<&str> = worlds.iter().map(|world| world.name()).collect();
            println!("| {group} | `{name}` | {} | {means} |", worlds.join(", "));
        }
        Exit::Passed
    }
}
