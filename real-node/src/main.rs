//! The `hypermesh` binary: a thin shell around the library, so that tests can run the same code.

fn main() {
    eprintln!("hypermesh: no commands are built yet");
    std::process::exit(2);
}
