//! Progress on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Verbosity;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Counts finished pieces of work and shows them.
pub struct Progress {
    bar: ProgressBar,
    /// When the last plain line was written; `None` for a bar and when quiet.
    lines: Option<Mutex<Instant>>,
    what: &'static str,
}

impl Progress {
    /// Progress over `total` pieces called `what` ("domains"), `done` of which were finished earlier.
    pub fn new(what: &'static str, total: usize, done: usize, verbosity: Verbosity) -> Self {
        let is_bar = !verbosity.quiet && std::io::stderr().is_terminal();
        let bar = if is_bar { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        bar.set_length(total as u64);
        let template = "{bar:40} {pos}/{len} {msg}, {per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_message(what);
        bar.set_position(done as u64);
        bar.reset_eta();
        let is_plain = !verbosity.quiet && !is_bar;
        Self { bar, lines: is_plain.then(|| Mutex::new(Instant::now())), what }
    }

    /// One more piece is done.
    pub fn step(&self) {
        self.bar.inc(1);
        let Some(lines) = &self.lines else { return };
        let mut last = lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            eprintln!(
                "{done}/{total} {}, {:.1}/s, {:.0} s left",
                self.what,
                self.bar.per_sec(),
                self.bar.eta().as_secs_f64()
            );
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
