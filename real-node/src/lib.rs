//! The `hypermesh` binary as a library, so that tests run the very code that ships.

// They panic where nobody reads any more: `output` writes instead.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(any(hypermesh_simulation_crypto, hypermesh_verification_cache))]
compile_error!(
    "built for simulations, in which signatures are not what they seem: this is not to meet a network"
);

pub mod amount;
pub mod backup;
mod bind_advice;
pub mod cli;
pub mod client;
pub mod context;
pub mod data;
pub mod descriptors;
pub mod devnet;
pub mod dns_listener;
mod event_log;
pub mod exposition;
pub mod failure;
pub mod file;
pub mod genesis_file;
mod host_lookup;
pub mod init_node;
pub mod listeners;
pub mod logs;
mod machine_watch;
pub mod memory;
pub mod mesh_tls;
pub mod moment;
pub mod node_address;
pub mod node_config;
pub mod output;
pub mod passphrase;
mod peer_lookups;
pub mod plot;
pub mod plot_progress;
pub mod probe;
pub mod progress;
mod readiness_log;
pub mod reload;
pub mod roles;
pub mod run_node;
pub mod scrub;
pub mod service_manager;
mod session_file;
pub mod share_files;
pub mod store;
pub mod suggestion;
pub mod top;
pub mod vitals;
