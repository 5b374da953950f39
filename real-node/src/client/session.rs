//! One command's dealings with the mesh: a runtime, a client, a deadline, a sign of life.

use super::MeshClient;
use crate::cli::Global;
use crate::context::{CONTEXT_VARIABLE, Context, refresh};
use crate::failure::{Exit, Failure};
use crate::output::{Output, Warning};
use crate::progress::while_waiting;
use hypermesh_core::api::TraceId;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout as within};

/// Runs `work` with a client of the context's mesh, all within the command's time.
///
/// # Errors
/// If there is no context, the mesh is not to be reached in time, or the work fails.
pub fn session<T>(
    global: &Global,
    waiting_for: &'static str,
    work: impl AsyncFnOnce(&MeshClient) -> Result<T, Failure>,
) -> Result<T, Failure> {
    execute(global, Some(waiting_for), work)
}

/// Runs `work`, which prints what it hears, with a client of the context's mesh, until the command's time is up or Ctrl-C
/// ends it: the one end is as good as the other.
///
/// # Errors
/// If there is no context, the mesh is not to be reached in time, or the work fails.
pub fn listen(
    global: &Global,
    work: impl AsyncFnOnce(&MeshClient) -> Result<(), Failure>,
) -> Result<(), Failure> {
    execute(global, None, async |client| {
        tokio::select! {
            biased;
            done = work(client) => done,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

fn execute<T>(
    global: &Global,
    waiting_for: Option<&'static str>,
    work: impl AsyncFnOnce(&MeshClient) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let context = read_context(global)?;
    let runtime = runtime()?;
    let output = Output { json: global.json };
    let timeout = Duration::from_secs(global.timeout);
    let whole = async {
        let begun = Instant::now();
        // The calls have the same limit and say better what went wrong, so they come first.
        let left = || timeout.saturating_add(GRACE).saturating_sub(begun.elapsed());
        let late = || {
            let seconds = global.timeout;
            let message = format!("not finished within {seconds} s: allow more time with --timeout");
            Failure::new(Exit::Unreachable, message)
        };
        let trace = match global.trace {
            Some(trace) => trace,
            None => new_trace()?,
        };
        let connect = MeshClient::connect_traced(&context, timeout, Some(trace));
        let client = within(left(), connect).await.unwrap_or_else(|_| Err(late()))?;
        let client = client.with_timeout(timeout.saturating_sub(begun.elapsed()));
        let client = match global.fee_max {
            Some(fee_max) => client.with_fee_max(fee_max.0),
            None => client,
        };
        let outcome = within(left(), work(&client)).await.unwrap_or_else(|_| Err(late()));
        let outcome = match outcome {
            Ok(done) => {
                warn(&client, output, timeout.saturating_sub(begun.elapsed())).await;
                Ok(done)
            }
            Err(failure) => Err(with_cause(failure, &client, left()).await),
        };
        let followed = client.leaves_trace().then_some(trace);
        let addresses = client.addresses();
        client.close().await;
        // Nobody asked for this: a context that cannot be written is no failure of the command.
        if let Err(failure) = global.context.as_deref().map_or(Ok(()), |path| refresh(path, &addresses)) {
            tracing::debug!(%failure, "the addresses in the context are unchanged");
        }
        match (followed, outcome) {
            (Some(trace), Ok(done)) => {
                if global.verbose {
                    output.tell(format_args!("trace: {trace}"));
                }
                Ok(done)
            }
            (Some(trace), Err(Failure { exit, message })) => Err(Failure::new(
                exit,
                format!("{message}\ntrace: {trace} (`hypermesh rpc trace {trace}` shows it)"),
            )),
            (None, outcome) => outcome,
        }
    };
    let outcome = match waiting_for {
        Some(what) => runtime.block_on(while_waiting(what, whole)),
        None => runtime.block_on(whole),
    };
    // A resolver that does not answer must not keep the command.
    runtime.shutdown_background();
    outcome
}

/// Tells what the owner should look into, of what was done. It is done whatever becomes of this: so the mesh is asked only in the
/// time that the command has left, and not for long.
async fn warn(client: &MeshClient, output: Output, left: Duration) {
    let left = left.min(WARNINGS_WITHIN);
    let (clock, balance) =
        tokio::join!(within(left, client.suspected_clock_error()), within(left, client.low_balance()));
    if let Ok(Some(error)) = clock {
        output.warn(Warning::Clock, format_args!("{error}: set it"));
    }
    if let Ok(Some(low)) = balance {
        output.warn(Warning::LowBalance, low);
    }
}

/// A failure, with the cause of a refusal where that is this machine's clock. Where it is not found out in time, the refusal is
/// told as it is.
async fn with_cause(failure: Failure, client: &MeshClient, left: Duration) -> Failure {
    let Failure { exit, message } = failure;
    if !matches!(exit, Exit::Refused | Exit::NotValid) {
        return Failure { exit, message };
    }
    let message = match within(left, client.clock_error()).await {
        Ok(Some(error)) => format!("{error}: set it, and run the command again\n  {message}"),
        Ok(None) | Err(_) => message,
    };
    Failure { exit, message }
}

fn new_trace() -> Result<TraceId, Failure> {
    let random = || getrandom::u64().map(u128::from);
    let drawn = random().and_then(|high| Ok(high << 64 | random()?));
    let failed = |error| Failure::new(Exit::Failed, format!("the operating system's randomness: {error}"));
    drawn.map(|number| TraceId(number.to_be_bytes())).map_err(failed)
}

/// What a command's calls run on.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start a runtime: {error}")))
}

/// The context that a command was given.
pub(crate) fn read_context(global: &Global) -> Result<Context, Failure> {
    let missing = || {
        let advice = match nearby() {
            Some(path) => format!("this folder has one:\n  export {CONTEXT_VARIABLE}={}", shell_word(&path)),
            None => "`hypermesh context new` makes one; a devnet writes one into its data folder".to_owned(),
        };
        let message = format!("no context: give its file with --context or in {CONTEXT_VARIABLE}; {advice}");
        Failure::new(Exit::Usage, message)
    };
    // An empty variable is as good as none.
    let path = global.context.as_deref().filter(|path| !path.as_os_str().is_empty());
    Context::read(path.ok_or_else(missing)?)
}

/// How much longer than its calls a command may take, to find out the cause of what they say.
const GRACE: Duration = Duration::from_millis(1500);
/// How long a command that is done looks for what its owner should be warned of, at most.
const WARNINGS_WITHIN: Duration = Duration::from_secs(1);

/// A context that lies where whoever types commands is: one of their own, or a devnet's.
fn nearby() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let places = ["context.toml", "hypermesh-devnet/context.toml"].map(|place| here.join(place));
    places.into_iter().find(|place| place.is_file())
}

/// A path as a shell takes it for one word.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:@%,".contains(character);
    match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell_whatever_is_in_it() {
        assert_eq!(shell_word(Path::new("/tmp/mesh-1/context.toml")), "/tmp/mesh-1/context.toml");
        for path in ["/tmp/my mesh/context.toml", "/tmp/it's/$HOME"] {
            let script = format!("printf %s {}", shell_word(Path::new(path)));
            let printed = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), path);
        }
    }
}
