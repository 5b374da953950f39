//! `hypermesh top`.

use super::Global;
use crate::client::{MeshClient, read_context, runtime};
use crate::failure::Failure;
use crate::output::Output;
use crate::top::{self, Options};
use clap::Args;
use std::time::Duration;

/// How to look.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// How often to ask the nodes, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_period)]
    period: Duration,
    /// Look once, print it as text, and end
    #[arg(long)]
    once: bool,
}

/// Asking more often than this would be a load of its own.
const PERIOD_MIN: Duration = Duration::from_millis(100);
/// Whoever looks less often than this looks once.
const PERIOD_MAX: Duration = Duration::from_secs(3600);

fn parse_period(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is not a number of seconds"))?;
    let period = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    match (PERIOD_MIN..=PERIOD_MAX).contains(&period) {
        true => Ok(period),
        false => Err(format!("{seconds} s is out of range: expected 0.1 to {} s", PERIOD_MAX.as_secs())),
    }
}

/// Runs the command.
///
/// # Errors
/// If the mesh is not to be reached in time, or the terminal cannot be drawn on.
pub fn run(args: &TopArgs, global: &Global, output: Output) -> Result<(), Failure> {
    let context = read_context(global)?;
    let timeout = Duration::from_secs(global.timeout);
    runtime()?.block_on(async {
        let client = MeshClient::connect(&context, timeout).await?;
        let outcome = top::run(&client, Options { period: args.period, once: args.once }, output).await;
        client.close().await;
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_holds_at_its_limits_and_not_past_them() {
        for good in ["0.1", "1", "3600"] {
            assert!(parse_period(good).is_ok(), "{good}");
        }
        for bad in ["0.09", "3600.1", "-1", "NaN", "inf", "often"] {
            assert!(parse_period(bad).is_err(), "{bad}");
        }
    }
}
