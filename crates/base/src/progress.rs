//! Progress on stderr: on a terminal a bar with rate and remaining time, elsewhere plain lines. A program that hosts this
//! library can show the lines itself ([`redirect`]).

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::Verbosity;

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Shows lines in place of standard error.
pub type Listener = Box<dyn Fn(&str) + Send>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Sends every line to `listener`, or again to standard error if it is `None`. With a listener there are no bars.
pub fn redirect(listener: Option<Listener>) {
    *self::listener() = listener;
}

fn listener() -> MutexGuard<'static, Option<Listener>> {
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prints a line, unless quiet.
pub fn say(verbosity: Verbosity, text: &str) {
    if !verbosity.quiet {
        print_line(text);
    }
}

/// Prints a line to standard error. Work goes on when nobody reads it: after `| head`, or in a closed terminal.
pub fn print_line(text: &str) {
    if let Some(listener) = &*listener() {
        return listener(text);
    }
    // In one piece, so that lines of several threads do not mix.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Counts and displays finished pieces of work.
pub struct Progress {
    label: String,
    bar: ProgressBar,
    /// When the last plain line was written; `None` for a bar and when quiet.
    lines: Option<Mutex<Instant>>,
}

impl Progress {
    /// Progress over `total` pieces, `done` of which were finished earlier.
    pub fn new(label: impl Into<String>, total: usize, done: usize, verbosity: Verbosity) -> Self {
        let label = label.into();
        let is_bar = !verbosity.quiet && std::io::stderr().is_terminal() && listener().is_none();
        let bar = if is_bar { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        bar.set_length(total as u64);
        let template = "{prefix} {bar:40} {pos}/{len}, {per_sec}, {eta} left {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
        bar.set_prefix(label.clone());
        bar.set_position(done as u64);
        bar.reset_eta();
        let is_plain = !verbosity.quiet && !is_bar;
        Self { label, bar, lines: is_plain.then(|| Mutex::new(Instant::now())) }
    }

    /// Records finished pieces.
    pub fn advance(&self, pieces: usize, message: &str) {
        self.bar.set_message(message.to_owned());
        self.bar.inc(pieces as u64);
        let Some(lines) = &self.lines else { return };
        let mut last = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            print_line(&format!(
                "{} {}/{}, {:.1}/s, {:.0} s left {message}",
                self.label,
                self.bar.position(),
                self.bar.length().unwrap_or(0),
                self.bar.per_sec(),
                self.bar.eta().as_secs_f64()
            ));
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_listener_gets_the_lines() {
        let (send, lines) = mpsc::channel();
        redirect(Some(Box::new(move |line| drop(send.send(line.to_owned())))));
        say(Verbosity::default(), "first");
        say(Verbosity { quiet: true, verbose: false }, "quiet");
        print_line("last");
        redirect(None);
        print_line("to standard error");
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["first", "last"]);
    }
}
