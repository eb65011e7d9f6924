//! What a training says while it runs: a bar in a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Where progress goes.
pub(super) struct Progress {
    is_quiet: bool,
    is_terminal: bool,
}

/// The progress of one epoch.
pub(super) struct EpochProgress {
    bar: Option<ProgressBar>,
    label: String,
    total: usize,
    last_line: Option<Instant>,
}

/// Time between two plain lines within an epoch.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

impl Progress {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, is_terminal: std::io::stderr().is_terminal() }
    }

    /// Says a line.
    pub(super) fn line(&self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }

    /// Begins an epoch of `total` batches, of which `done` are done.
    pub(super) fn epoch(&self, label: String, done: usize, total: usize) -> EpochProgress {
        let bar = (!self.is_quiet && self.is_terminal).then(|| {
            let style =
                ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {per_sec} eta {eta} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total as u64).with_style(style).with_position(done as u64);
            bar.reset_eta();
            bar.with_prefix(label.clone())
        });
        EpochProgress {
            bar,
            label,
            total,
            last_line: (!self.is_quiet && !self.is_terminal).then(Instant::now),
        }
    }
}

impl EpochProgress {
    /// A batch is done.
    pub(super) fn batch(&mut self, done: usize, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(format!("loss {loss:.4}"));
        }
        if let Some(last) = &mut self.last_line
            && last.elapsed() >= BETWEEN_LINES
        {
            eprintln!("{} batch {done}/{} loss {loss:.4}", self.label, self.total);
            *last = Instant::now();
        }
    }

    /// The epoch is over.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
