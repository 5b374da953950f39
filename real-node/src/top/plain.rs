//! The same as lines of text or JSON: for a pipe, a log, a script.

use super::{Frame, NodeLine, Options, Watcher};
use crate::failure::Failure;
use crate::moment;
use crate::output::Output;
use hypermesh_core::api::NodeStatus;
use std::fmt::Write;
use tokio::time::{MissedTickBehavior, interval};

/// Prints a frame each period: with `--json` one line each.
pub(super) async fn run(watcher: &mut Watcher<'_>, options: Options, output: Output) -> Result<(), Failure> {
    let mut ticks = interval(options.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let frame = watcher.look().await;
        if options.once {
            return output.print(&frame, text);
        }
        if !output.print_next(&frame, text)? {
            return Ok(());
        }
    }
}

/// A frame as text.
pub(super) fn text(frame: &Frame) -> String {
    let mut text = String::new();
    let mut line = |words: String| writeln!(text, "{words}").expect("writing into a string does not fail");
    line(summary(frame));
    line(format!(
        "{:<12} {:>8} {:>6} {:>7} {:>8} {:>9} {:>7} {:>8}  {}",
        "node", "height", "behind", "linked", "age", "answer", "signed", "retries", "state"
    ));
    for node in &frame.nodes {
        line(node_line(node));
    }
    for alarm in &frame.alarms {
        line(format!("{} {}", if alarm.critical { "ALARM  " } else { "warning" }, alarm.what));
    }
    for certificate in &frame.certificates {
        let revoked = if certificate.revoked { "  revoked" } else { "" };
        let (issued, height) = (moment::text(certificate.issued), certificate.height);
        line(format!(
            "{issued}  height {height:<7} {}  {}{revoked}",
            certificate.serial_number, certificate.names
        ));
    }
    text
}

/// The mesh in a line.
pub(super) fn summary(frame: &Frame) -> String {
    let Some(mesh) = &frame.mesh else { return "no validator answers".to_owned() };
    let rates = mesh.rates.map_or_else(String::new, |rates| {
        format!(
            "  {:.1} blocks/s  {:.1} operations/s  {:.1} signed/s  {:.1} retries/s",
            rates.blocks, rates.operations, rates.signed, rates.retries
        )
    });
    format!(
        "{}  height {}  {} ago  validators {} of {} ({} decide)  certificates {}  names {}  log {}  beacon {}{rates}",
        mesh.network,
        mesh.height,
        seconds(mesh.age_ms),
        mesh.answering,
        mesh.validators,
        mesh.quorum,
        mesh.certificates,
        mesh.names,
        mesh.log_size,
        mesh.beacon,
    )
}

fn node_line(node: &NodeLine) -> String {
    let Some(status) = &node.status else {
        return format!("{:<12} {}", node.name, node.fault.as_deref().unwrap_or("does not answer"));
    };
    let linked = format!("{}/{}", status.connected, status.validators);
    format!(
        "{:<12} {:>8} {:>6} {:>7} {:>8} {:>9} {:>7} {:>8}  {}",
        node.name,
        status.height.0,
        status.behind,
        linked,
        seconds(status.age_ms),
        milliseconds(node.answer_us.unwrap_or_default()),
        node.signed,
        node.retries,
        state(node),
    )
}

/// How a node is, in a few words.
pub(super) fn state(node: &NodeLine) -> String {
    match &node.status {
        None => "does not answer".to_owned(),
        Some(status) if status.standstill.is_some() => "stands still".to_owned(),
        Some(status) if status.ready => "ready".to_owned(),
        Some(status) => format!("not ready: {}", conditions(status)),
    }
}

/// The conditions of readiness that do not hold, by name.
fn conditions(status: &NodeStatus) -> String {
    let names: Vec<&str> = status.not_ready.iter().map(|unmet| unmet.condition.name()).collect();
    names.join(", ")
}

pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} s", ms / 1000),
    }
}

pub(super) fn milliseconds(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::top::frame::tests::frame;
    use hypermesh_core::api::{Condition, Unmet};

    #[test]
    fn a_frame_is_a_table_that_names_every_node() {
        let frame = frame(|place, seen| {
            if place == 3 {
                *seen = Err(Failure::new(Exit::Unreachable, "no answer in time"));
            }
        });
        let text = text(&frame);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("demo  height 120  0.8 s ago  validators 3 of 4 (3 decide)"), "{text}");
        assert!(lines[0].contains("2.5 blocks/s"), "{text}");
        assert!(lines[2].starts_with("node-1") && lines[2].ends_with("ready"), "{text}");
        assert!(lines[5].starts_with("node-4") && lines[5].contains("no answer in time"), "{text}");
        assert_eq!(lines[6], "warning node-4 does not answer");
    }

    #[test]
    fn the_state_of_a_node_names_what_it_lacks() {
        let frame = frame(|place, seen| {
            if place == 1 {
                let status = &mut seen.as_mut().unwrap().status;
                let unmet = |condition| Unmet::new(condition, "why".to_owned());
                status.not_ready = vec![unmet(Condition::Clock), unmet(Condition::Shares)];
                status.ready = false;
            }
        });
        assert_eq!(state(&frame.nodes[1]), "not ready: clock, shares");
    }
}
