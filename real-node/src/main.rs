//! The `hypermesh` binary: a thin shell around the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hypermesh::cli::main()
}
