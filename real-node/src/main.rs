//! The `hypermesh` binary: a thin shell around the library.

use std::process::ExitCode;

#[cfg(hypermesh_fuzzing)]
compile_error!("built for fuzzing, which opens what is private: this is not to be shipped");

#[cfg(hypermesh_planted)]
compile_error!("built with bugs planted, for the simulator to find: this is not to be shipped");

fn main() -> ExitCode {
    hypermesh::cli::main()
}
