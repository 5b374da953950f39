//! What a person sees of a devnet, on standard error: lines that are redrawn on a terminal, and lines that
//! are added elsewhere.

use super::DevnetFolder;
use super::watch::{NodeView, Nodes};
use crate::output::Output;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often an added line says how the mesh is, if nothing but its height changes.
const PLAIN_PERIOD: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(120);

/// What a person sees.
pub(super) struct Live {
    output: Output,
    terminal: bool,
    bars: MultiProgress,
    /// The mesh as a whole: what it waits for, and then how it is.
    mesh: ProgressBar,
    nodes: Vec<ProgressBar>,
    ports: Vec<(u16, u16)>,
    last: String,
    last_at: Instant,
}

impl Live {
    pub(super) fn new(folder: &DevnetFolder, output: Output) -> Self {
        let bars = MultiProgress::new();
        let mesh = bars.add(ProgressBar::new_spinner());
        restyle(&mesh, "{spinner:.cyan} {msg}");
        let ports = folder.numbers().map(|number| (folder.stoq(number).port(), folder.dns(number).port()));
        Self {
            output,
            terminal: std::io::stderr().is_terminal(),
            bars,
            mesh,
            nodes: Vec::new(),
            ports: ports.collect(),
            last: String::new(),
            last_at: Instant::now(),
        }
    }

    /// Says something that stays.
    pub(super) fn tell(&self, text: &str) {
        self.bars.suspend(|| self.output.tell(text));
    }

    /// Says what the mesh waits for.
    pub(super) fn waiting(&mut self, what: &str) {
        let line = format!("waiting for {what}");
        if self.terminal {
            self.mesh.enable_steady_tick(TICK);
            self.mesh.set_message(line);
        } else if self.is_news(&line) {
            self.output.tell(line);
        }
    }

    /// The mesh has what it waited for.
    pub(super) fn ready(&mut self) {
        self.mesh.disable_steady_tick();
        restyle(&self.mesh, "{msg}");
        self.mesh.set_message("");
    }

    /// Shows how the mesh is.
    pub(super) fn show(&mut self, nodes: &Nodes) {
        let (line, height) = summary(nodes);
        if !self.terminal {
            if self.is_news(&line) || self.last_at.elapsed() > PLAIN_PERIOD {
                self.last_at = Instant::now();
                self.output.tell(format_args!("height {height}  {line}"));
            }
            return;
        }
        while self.nodes.len() < self.ports.len() {
            let bar = self.bars.add(ProgressBar::new_spinner());
            restyle(&bar, "{msg}");
            self.nodes.push(bar);
        }
        self.mesh.set_message(format!("height {height}  {line}"));
        for ((bar, node), (stoq, dns)) in self.nodes.iter().zip(nodes.iter()).zip(&self.ports) {
            bar.set_message(format!("  {:<9} stoq {stoq}  dns {dns}  {}", node.name, node_line(node)));
        }
    }

    /// Takes away what is redrawn.
    pub(super) fn end(&self) {
        self.mesh.finish_and_clear();
        self.nodes.iter().for_each(ProgressBar::finish_and_clear);
    }

    fn is_news(&mut self, line: &str) -> bool {
        let news = self.last != line;
        if news {
            line.clone_into(&mut self.last);
        }
        news
    }
}

/// How the mesh is, as its furthest node says, and that node's height.
fn summary(nodes: &Nodes) -> (String, u64) {
    let running = nodes.iter().filter(|node| node.status.is_some()).count();
    let all = nodes.iter().count();
    let Some(status) = nodes.furthest() else {
        return (format!("validators 0 of {all}: none answers"), 0);
    };
    let line = format!(
        "validators {running} of {all} ({} decide)  certificates {}  names {}",
        status.quorum, status.certificates, status.names
    );
    (line, status.height.0)
}

fn node_line(node: &NodeView) -> String {
    let Some(status) = &node.status else { return "does not answer".to_owned() };
    let ready = if status.ready { "ready" } else { "not ready" };
    format!("height {}  linked {} of {}  {ready}", status.height, status.connected, status.validators)
}

fn restyle(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
