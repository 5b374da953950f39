//! Passphrases: asked for at the terminal or read from a file, never from the command line or the environment,
//! where other processes could see them.

use crate::failure::{Exit, Failure};
use crate::file;
use std::path::Path;
use zeroize::Zeroizing;

/// The fewest characters in a new passphrase.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 12;
/// The most bytes in a passphrase.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A passphrase that is to protect something: from the file's first line, or asked for twice.
///
/// # Errors
/// If it is too short or too long, the two differ, or there is nobody to ask.
pub fn new(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let passphrase = match file {
        Some(file) => of_file(file)?,
        None => {
            let first = ask("passphrase for the backup: ")?;
            if *ask("the same again: ")? != *first {
                return Err(Failure::new(Exit::Usage, "the two passphrases differ: nothing was written"));
            }
            first
        }
    };
    let characters = passphrase.chars().count();
    if characters < PASSPHRASE_CHARACTERS_MIN {
        let message = format!(
            "a passphrase of {characters} characters is too short: use at least {PASSPHRASE_CHARACTERS_MIN}"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(passphrase)
}

/// A passphrase that something is protected with: from the file's first line, or asked for.
///
/// # Errors
/// If there is no file, or nobody to ask.
pub fn known(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    match file {
        Some(file) => of_file(file),
        None => ask("passphrase of the backup: "),
    }
}

fn of_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = Zeroizing::new(file::read_text(path, PASSPHRASE_BYTES_MAX)?);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let answer = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("cannot read a passphrase without a terminal ({error}): use --passphrase-file"),
        )
    })?;
    match answer.len() > PASSPHRASE_BYTES_MAX {
        true => {
            let message = format!("a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes");
            Err(Failure::new(Exit::Usage, message))
        }
        false => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Zeroizing<String>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, text).unwrap();
        new(Some(&path))
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        assert_eq!(**of("correct horse \nbattery").as_ref().unwrap(), *"correct horse ");
        assert_eq!(**of("correct horse\r\n").as_ref().unwrap(), *"correct horse");
    }

    #[test]
    fn a_new_passphrase_has_enough_characters_and_not_too_many_bytes() {
        assert!(of("élevénchars!").is_ok());
        assert_eq!(of("elevenchars").unwrap_err().exit, Exit::Usage);
        assert_eq!(of("\n").unwrap_err().exit, Exit::Usage);
        assert!(of(&"x".repeat(PASSPHRASE_BYTES_MAX)).is_ok());
        assert_eq!(of(&"x".repeat(PASSPHRASE_BYTES_MAX + 1)).unwrap_err().exit, Exit::Input);
    }
}
