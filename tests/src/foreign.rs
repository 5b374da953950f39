//! Programs of others that tests try certificates with.

use std::path::Path;

/// Whether these are installed: each a name in `PATH` or a file. Where they must be, in CI, it is a failure if one is not;
/// elsewhere the test says that it tried nothing.
///
/// # Panics
/// If one is missing in CI.
#[must_use]
pub fn are_installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&&str| match program.contains('/') {
        true => Path::new(program).exists(),
        false => std::env::split_paths(&path).any(|folder| folder.join(program).is_file()),
    };
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    assert!(std::env::var_os("CI").is_none(), "{missing} is not installed");
    eprintln!("not tried: {missing} is not installed");
    false
}
