//! The same on a terminal, drawn again in place until `q`.

use super::plain::{milliseconds, seconds, state};
use super::{Frame, NodeLine, Options, Watcher, unusable};
use crate::failure::Failure;
use crate::moment;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How long a key may wait before it is seen.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// What a key asks for.
enum Wish {
    Leave,
    Pause,
    Redraw,
}

/// Draws until whoever looks leaves.
pub(super) async fn run(watcher: &mut Watcher<'_>, options: Options) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init().map_err(|error| unusable(&error))?;
    let (sender, mut keys) = mpsc::unbounded_channel();
    // Reading keys blocks, and a thread that blocks is what the library has for it. It ends with the channel.
    let reader = std::thread::spawn(move || read_keys(&sender));
    let outcome = draw(watcher, options, &mut terminal, &mut keys).await;
    drop(keys);
    ratatui::restore();
    if reader.join().is_err() {
        tracing::debug!("the keys could not be read");
    }
    outcome
}

fn read_keys(sender: &mpsc::UnboundedSender<Wish>) {
    while !sender.is_closed() {
        if !event::poll(KEY_WAIT).unwrap_or(false) {
            continue;
        }
        let wish = match event::read() {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => wish(key),
            Ok(Event::Resize(..)) => Some(Wish::Redraw),
            Ok(_) => None,
            Err(_) => Some(Wish::Leave),
        };
        if wish.is_some_and(|wish| sender.send(wish).is_err()) {
            return;
        }
    }
}

const fn wish(key: KeyEvent) -> Option<Wish> {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Leave),
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Leave),
        KeyCode::Char('p' | ' ') => Some(Wish::Pause),
        _ => None,
    }
}

async fn draw(
    watcher: &mut Watcher<'_>,
    options: Options,
    terminal: &mut ratatui::DefaultTerminal,
    keys: &mut mpsc::UnboundedReceiver<Wish>,
) -> Result<(), Failure> {
    let mut ticks = interval(options.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut paused = false;
    let mut frame = None;
    loop {
        tokio::select! {
            _ = ticks.tick(), if !paused => frame = Some(watcher.look().await),
            wish = keys.recv() => match wish {
                None | Some(Wish::Leave) => return Ok(()),
                Some(Wish::Pause) => paused = !paused,
                Some(Wish::Redraw) => {}
            },
        }
        if let Some(frame) = &frame {
            let drawn = terminal.draw(|canvas| paint(canvas, frame, paused));
            drawn.map_err(|error| unusable(&error))?;
        }
    }
}

/// Draws a frame.
pub(super) fn paint(canvas: &mut ratatui::Frame<'_>, frame: &Frame, paused: bool) {
    let count = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
    let nodes = count(frame.nodes.len()).saturating_add(3);
    let alarms = count(frame.alarms.len().max(1)).saturating_add(2);
    let [head, middle, warn, rest, foot] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Max(nodes),
        Constraint::Max(alarms),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(canvas.area());
    canvas.render_widget(mesh(frame), head);
    paint_nodes(canvas, frame, middle);
    canvas.render_widget(alarm_lines(frame), warn);
    canvas.render_widget(certificates(frame), rest);
    let keys = if paused { " PAUSED   p go on   q leave" } else { " p pause   q leave" };
    canvas.render_widget(Line::from(keys).dim(), foot);
}

fn mesh(frame: &Frame) -> Paragraph<'_> {
    let title = Block::bordered().title(" hypermesh ".bold());
    let Some(mesh) = &frame.mesh else {
        return Paragraph::new("no validator answers".red().bold()).block(title);
    };
    let enough = mesh.answering as u64 >= mesh.quorum;
    let validators = format!("{} of {} ({} decide)", mesh.answering, mesh.validators, mesh.quorum);
    let validators = if enough { validators.green() } else { validators.red().bold() };
    let first = Line::from(vec![
        Span::from(format!("{}  ", mesh.network)).bold(),
        "height ".dim(),
        Span::from(mesh.height.to_string()).bold(),
        Span::from(format!(", {} ago", seconds(mesh.age_ms))).dim(),
        "   validators ".dim(),
        validators,
        Span::from("   certificates ").dim(),
        mesh.certificates.to_string().into(),
        Span::from("   names ").dim(),
        mesh.names.to_string().into(),
        Span::from("   log ").dim(),
        mesh.log_size.to_string().into(),
        Span::from("   beacon ").dim(),
        mesh.beacon.to_string().into(),
    ]);
    let second = mesh.rates.map_or_else(
        || Line::from("rates after the next update".dim()),
        |rates| {
            let rate = |number: f64, what: &'static str| {
                [Span::from(format!("{number:.1}")), Span::from(what).dim()]
            };
            let all = [
                rate(rates.blocks, " blocks/s   "),
                rate(rates.operations, " operations/s   "),
                rate(rates.signed, " certificates signed/s   "),
                rate(rates.retries, " signing retries/s"),
            ];
            Line::from(all.into_iter().flatten().collect::<Vec<_>>())
        },
    );
    Paragraph::new(vec![first, second]).block(title)
}

fn paint_nodes(canvas: &mut ratatui::Frame<'_>, frame: &Frame, area: Rect) {
    let heads = [
        "node",
        "address",
        "height",
        "behind",
        "linked",
        "last block",
        "answer",
        "signed",
        "retries",
        "state",
    ];
    let widths =
        [10, 24, 9, 7, 7, 11, 9, 8, 8].map(Constraint::Length).into_iter().chain([Constraint::Min(12)]);
    let table = Table::new(frame.nodes.iter().map(row), widths)
        .header(Row::new(heads).style(Style::new().dim()))
        .block(Block::bordered().title(" validators "));
    canvas.render_widget(table, area);
}

fn row(node: &NodeLine) -> Row<'_> {
    let Some(status) = &node.status else {
        let cells = [node.name.clone(), node.address.to_string()].map(Cell::from);
        let fault = Cell::from("does not answer");
        let empty = std::iter::repeat_n(Cell::from(""), 7);
        return Row::new(cells.into_iter().chain(empty).chain([fault])).style(Style::new().fg(Color::Red));
    };
    let state = state(node);
    let whole = state == "ready" && status.connected == status.validators && status.behind == 0;
    let cells = [
        node.name.clone(),
        node.address.to_string(),
        status.height.to_string(),
        status.behind.to_string(),
        format!("{}/{}", status.connected, status.validators),
        seconds(status.age_ms),
        milliseconds(node.answer_us.unwrap_or_default()),
        node.signed.to_string(),
        node.retries.to_string(),
        state,
    ];
    Row::new(cells).style(if whole { Style::new() } else { Style::new().fg(Color::Yellow) })
}

fn alarm_lines(frame: &Frame) -> Paragraph<'_> {
    let lines: Vec<Line<'_>> = match frame.alarms.is_empty() {
        true => vec![Line::from("none".green())],
        false => frame
            .alarms
            .iter()
            .map(|alarm| {
                let words = Span::from(alarm.what.as_str());
                Line::from(if alarm.critical { words.red().bold() } else { words.yellow() })
            })
            .collect(),
    };
    Paragraph::new(lines).block(Block::bordered().title(" alarms "))
}

fn certificates(frame: &Frame) -> Paragraph<'_> {
    let line = |certificate: &super::IssuedLine| {
        let revoked = if certificate.revoked { "  revoked".red() } else { Span::from("") };
        Line::from(vec![
            Span::from(moment::text(certificate.issued)).dim(),
            Span::from(format!("  height {:<8}", certificate.height)),
            Span::from(format!("{}  ", certificate.serial_number)).dim(),
            Span::from(certificate.names.clone()),
            revoked,
        ])
    };
    let lines: Vec<Line<'_>> = match frame.certificates.is_empty() {
        true => vec![Line::from("none in the last day".dim())],
        false => frame.certificates.iter().map(line).collect(),
    };
    Paragraph::new(lines).block(Block::bordered().title(" newest certificates "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::top::frame::tests::frame;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(frame: &Frame, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|canvas| paint(canvas, frame, false)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn every_node_and_alarm_is_on_the_screen() {
        let frame = frame(|place, seen| {
            if place == 3 {
                *seen = Err(Failure::new(Exit::Unreachable, "no answer in time"));
            }
        });
        let screen = drawn(&frame, 130, 30);
        for words in
            ["height 120", "3 of 4 (3 decide)", "2.5 blocks/s", "node-1", "node-4 does not answer", "q leave"]
        {
            assert!(screen.contains(words), "no {words:?} in\n{screen}");
        }
    }

    #[test]
    fn the_smallest_terminal_is_drawn_on() {
        for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
            drawn(&frame(|_, _| {}), width, height);
        }
    }
}
