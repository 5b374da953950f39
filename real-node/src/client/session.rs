//! One command's dealings with the mesh: a runtime, a client, a deadline, a sign of life.

use super::MeshClient;
use crate::cli::Global;
use crate::context::{CONTEXT_VARIABLE, Context, refresh};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::progress::while_waiting;
use hypermesh_core::api::TraceId;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

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
        let trace = match global.trace {
            Some(trace) => trace,
            None => new_trace()?,
        };
        let client = MeshClient::connect_traced(&context, timeout, Some(trace)).await?;
        let client = client.with_timeout(timeout.saturating_sub(begun.elapsed()));
        let client = match global.fee_max {
            Some(fee_max) => client.with_fee_max(fee_max.0),
            None => client,
        };
        let outcome = work(&client).await;
        let followed = client.leaves_trace().then_some(trace);
        let addresses = client.addresses();
        client.close().await;
        // Nobody asked for this: a context that cannot be written is no failure of the command.
        if let Err(failure) = global.context.as_deref().map_or(Ok(()), |path| refresh(path, &addresses)) {
            tracing::debug!(%failure, "the context keeps the addresses that it has");
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
                format!("{message}\ntrace: {trace} (`hypermesh rpc trace {trace}` follows it)"),
            )),
            (None, outcome) => outcome,
        }
    };
    // The calls have the same limit and say better what went wrong, so they come first.
    let limited = async {
        let grace = Duration::from_millis(500);
        tokio::time::timeout(timeout.saturating_add(grace), whole).await.unwrap_or_else(|_| {
            let seconds = global.timeout;
            let message = format!("not done within {seconds} s: give it longer with --timeout");
            Err(Failure::new(Exit::Unreachable, message))
        })
    };
    match waiting_for {
        Some(what) => runtime.block_on(while_waiting(what, limited)),
        None => runtime.block_on(limited),
    }
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
        let message = format!(
            "no context: name its file with --context or in {CONTEXT_VARIABLE}; `hypermesh context new` makes one, a devnet writes one into its data folder"
        );
        Failure::new(Exit::Usage, message)
    };
    // An empty variable is as good as none.
    let path = global.context.as_deref().filter(|path| !path.as_os_str().is_empty());
    Context::read(path.ok_or_else(missing)?)
}
