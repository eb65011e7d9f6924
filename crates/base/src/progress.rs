//! Progress on stderr: on a terminal a bar with rate and remaining time, elsewhere plain lines. A program that hosts this
//! library can show the lines itself ([`redirect`]).

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
    began: Instant,
    /// Pieces finished before.
    earlier: u64,
    /// Pieces a second when the last one was finished.
    rate: Mutex<f64>,
    /// When the last plain line was written; `None` for a bar and when quiet.
    lines: Option<Mutex<Instant>>,
}

impl Progress {
    /// Progress over `total` pieces, `done` of which were finished earlier.
    pub fn new(label: impl Into<String>, total: usize, done: usize, verbosity: Verbosity) -> Self {
        let label = label.into();
        let is_bar = !verbosity.quiet && std::io::stderr().is_terminal() && listener().is_none();
        // A wide message is cut at the edge of the terminal.
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is well formed");
        let bar = ProgressBar::hidden().with_style(style).with_message(format!("{label} {done}/{total}"));
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        if is_bar {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let is_plain = !verbosity.quiet && !is_bar;
        let lines = is_plain.then(|| Mutex::new(Instant::now()));
        Self { label, bar, began: Instant::now(), earlier: done as u64, rate: Mutex::new(0.0), lines }
    }

    /// Records finished pieces.
    pub fn advance(&self, pieces: usize, message: &str) {
        let rate = self.count(pieces);
        let rest = self.bar.length().unwrap_or(0).saturating_sub(self.bar.position());
        self.show(message, Duration::try_from_secs_f64(rest as f64 / rate).ok());
    }

    /// Records finished pieces of a longer work, of which `left` remains.
    pub fn advance_within(&self, pieces: usize, message: &str, left: Duration) {
        self.count(pieces);
        self.show(message, Some(left));
    }

    /// Counts finished pieces; returns how many were finished a second.
    fn count(&self, pieces: usize) -> f64 {
        self.bar.inc(pieces as u64);
        let finished = self.bar.position().saturating_sub(self.earlier);
        let rate = finished as f64 / self.began.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
        rate
    }

    /// Tells how far the pieces in work are.
    pub fn note(&self, message: &str) {
        self.show(message, None);
    }

    fn show(&self, message: &str, left: Option<Duration>) {
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let rate = *self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = if self.lines.is_some() { String::new() } else { drawn(done, total) };
        let words = [
            format!("{} {bar}{done}/{total}", self.label),
            left.map_or_else(String::new, |left| format!("{} left", duration_in_words(left))),
            if rate > 0.0 { rate_in_words(rate) } else { String::new() },
            message.to_owned(),
        ];
        let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
        let Some(lines) = &self.lines else {
            return self.bar.set_message(line);
        };
        let mut last = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            print_line(&line);
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A bar.
fn drawn(done: u64, total: u64) -> String {
    const LENGTH: u64 = 20;
    let full = (LENGTH * done / total.max(1)).min(LENGTH) as usize;
    format!("{}{} ", "█".repeat(full), "░".repeat(LENGTH as usize - full))
}

/// Pieces a second, or seconds a piece if it takes longer.
fn rate_in_words(per_second: f64) -> String {
    if per_second >= 1.0 {
        format!("{per_second:.1}/s")
    } else {
        format!(
            "{} each",
            duration_in_words(Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX))
        )
    }
}

fn duration_in_words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        0.0..10.0 => format!("{seconds:.1} s"),
        10.0..100.0 => format!("{seconds:.0} s"),
        100.0..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_work_is_told_in_seconds_a_piece() {
        assert_eq!(rate_in_words(12.34), "12.3/s");
        assert_eq!(rate_in_words(0.4), "2.5 s each");
        assert_eq!(rate_in_words(1.0 / 300.0), "5 min each");
        let words = [3.0, 45.0, 150.0, 9000.0].map(|s| duration_in_words(Duration::from_secs_f64(s)));
        assert_eq!(words, ["3.0 s", "45 s", "2 min", "2.5 h"]);
    }

    #[test]
    fn the_rate_is_that_of_the_pieces_finished_here() {
        let progress = Progress::new("domains", 20, 10, Verbosity { quiet: true, verbose: false });
        std::thread::sleep(Duration::from_millis(20));
        let rate = progress.count(2);
        let most = 2.0 / 0.02;
        assert!(rate > 0.0 && rate <= most, "{rate}");
        // A note tells nothing about the rate.
        progress.note("domain 3: 50 %");
        assert_eq!(*progress.rate.lock().unwrap(), rate);
    }

    #[test]
    fn the_bar_fills() {
        assert_eq!(drawn(0, 4).matches('█').count(), 0);
        assert_eq!(drawn(3, 4).matches('█').count(), 15);
        assert_eq!(drawn(9, 4).chars().count(), 21);
    }

    #[test]
    fn a_listener_gets_the_lines() {
        let (send, lines) = std::sync::mpsc::channel();
        redirect(Some(Box::new(move |line| drop(send.send(line.to_owned())))));
        say(Verbosity::default(), "first");
        say(Verbosity { quiet: true, verbose: false }, "quiet");
        print_line("last");
        redirect(None);
        print_line("to standard error");
        assert_eq!(lines.iter().collect::<Vec<_>>(), ["first", "last"]);
    }
}
