//! The shipped command line, as a binary that `cargo test` builds.

use std::process::ExitCode;

fn main() -> ExitCode {
    hypermesh::cli::main()
}
