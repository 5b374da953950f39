//! How far plots are, as bars on standard error.

use crate::output::Output;
use hypermesh_core::hypermesh::proof::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Bars of plots that are made at the same time. Where standard error is no terminal, each plot's beginning
/// and end are told in a line.
#[derive(Debug)]
pub struct PlotBars {
    output: Output,
    bars: MultiProgress,
}

/// One plot's bar.
#[derive(Debug)]
pub struct PlotBar {
    output: Output,
    name: String,
    bar: ProgressBar,
    plain: bool,
    begun: bool,
}

impl PlotBars {
    /// No bars yet.
    #[must_use]
    pub fn new(output: Output) -> Self {
        Self { output, bars: MultiProgress::new() }
    }

    /// A bar for the plot of the node with this name.
    #[must_use]
    pub fn add(&self, name: &str) -> PlotBar {
        let bar = self.bars.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template("plotting {prefix} [{wide_bar:.cyan}] {percent:>3}% {eta}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        let plain = !std::io::stderr().is_terminal();
        PlotBar { output: self.output, name: name.to_owned(), bar, plain, begun: false }
    }
}

impl PlotBar {
    /// Shows how far the plot is.
    pub fn show(&mut self, progress: Progress) {
        let Progress { labels_done, labels_total } = progress;
        if !self.begun {
            self.begun = true;
            // What was done before an interruption says nothing about the pace of now.
            self.bar.set_length(labels_total);
            self.bar.set_position(labels_done);
            self.bar.reset_eta();
            if self.plain {
                let percent = labels_done * 100 / labels_total;
                self.output.tell(format_args!("plotting {} from {percent}% on", self.name));
            }
        }
        self.bar.set_position(labels_done);
        if progress.is_complete() {
            self.bar.finish_and_clear();
            if self.plain {
                self.output.tell(format_args!("plotted {}", self.name));
            }
        }
    }
}
