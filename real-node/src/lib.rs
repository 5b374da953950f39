//! The `hypermesh` binary as a library, so that tests run the very code that ships.

pub mod amount;
pub mod cli;
pub mod client;
pub mod context;
pub mod data;
pub mod devnet;
pub mod dns_listener;
pub mod failure;
pub mod file;
pub mod genesis_file;
pub mod init_node;
pub mod listeners;
pub mod logs;
pub mod moment;
pub mod node_config;
pub mod output;
pub mod plot;
pub mod plot_progress;
pub mod probe;
pub mod progress;
pub mod reload;
pub mod run_node;
pub mod store;
pub mod suggestion;
