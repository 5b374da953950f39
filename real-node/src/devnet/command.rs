//! The command that a devnet was started for.

use super::DevnetFolder;
use super::signals::Stopped;
use crate::context::CONTEXT_VARIABLE;
use crate::failure::{Exit, Failure};
use rustix::process::{Pid, kill_process};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddrV6;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use tokio::process::{Child, Command};

/// Tells the command where the first node answers plain DNS, in the words that dig and kdig take: `@ADDRESS -p PORT`.
pub const DNS_VARIABLE: &str = "HYPERMESH_DNS";

/// Where plain DNS is answered, as dig takes it.
pub(super) fn dig_words(address: SocketAddrV6) -> String {
    format!("@{} -p {}", address.ip(), address.port())
}

/// Starts the command: with the mesh's context and DNS in its environment, and this program in its path.
pub(super) fn start(folder: &DevnetFolder, command: &[OsString]) -> Result<Child, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::new(Exit::Usage, "expected a command"));
    };
    Command::new(program)
        .args(arguments)
        .env(CONTEXT_VARIABLE, folder.context())
        .env(DNS_VARIABLE, dig_words(folder.dns(1)))
        .env("PATH", path()?)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot run {}: {error}", program.to_string_lossy()))
        })
}

/// The search path, with this program's folder first.
fn path() -> Result<OsString, Failure> {
    let fault = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("PATH: {error}"));
    let program = std::env::current_exe().map_err(|error| fault(&error))?;
    let known = std::env::var_os("PATH").unwrap_or_default();
    let folders = program.parent().into_iter().map(Into::into).chain(std::env::split_paths(&known));
    std::env::join_paths(folders).map_err(|error| fault(&error))
}

/// Passes a signal on to the command. Ctrl-C at a terminal it has got already.
pub(super) fn pass_on(command: &Child, stopped: Stopped) {
    if stopped == Stopped::Interrupted && std::io::stdin().is_terminal() {
        return;
    }
    let pid = command.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        // It may have ended just now.
        kill_process(pid, stopped.signal()).unwrap_or_default();
    }
}

/// The command's exit status as a shell passes it on: 128 and the number for a signal.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    ExitCode::from(exit_number(status))
}

fn exit_number(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(Exit::Failed as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_passed_on_as_shells_do() {
        let of = |raw| exit_number(ExitStatus::from_raw(raw));
        assert_eq!(of(0), 0);
        assert_eq!(of(7 << 8), 7);
        assert_eq!(of(255 << 8), 255);
        assert_eq!(of(9), 137);
    }

    #[tokio::test]
    async fn a_command_finds_the_context_and_its_status_is_passed_on() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DevnetFolder::open(temporary.path(), None, None).unwrap();
        let script =
            "test \"$HYPERMESH_CONTEXT\" = \"$0\" && test \"$HYPERMESH_DNS\" = '@::1 -p 7501' && exit 9";
        let words = ["sh".into(), "-c".into(), script.into(), folder.context().into_os_string()];
        let status = start(&folder, &words).unwrap().wait().await.unwrap();
        assert_eq!(exit_number(status), 9);
        let refused = start(&folder, &["no-such-program-anywhere".into()]).unwrap_err();
        assert!(refused.message.contains("no-such-program-anywhere"), "{refused}");
    }
}
