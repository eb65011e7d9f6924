//! One file per command: it parses the arguments, calls the library and prints the result.

pub mod compare;
pub mod completions;
pub mod config;
pub mod evaluate;
pub mod export;
pub mod import;
pub mod inspect;
pub mod man;
pub mod predict;
pub mod prepare;
pub mod report;
pub mod runs;
pub mod search;
pub mod simulate;
pub mod slurm;
pub mod study;
pub mod synth;
pub mod train;

use std::io::ErrorKind::BrokenPipe;
use std::io::Write;
use std::path::Path;

use porecast_base::progress::say;
use porecast_base::{Error, Result, Verbosity};
use porecast_scoring::evaluate::Printout;
use porecast_simulations::Side;
use porecast_store::study::shell_word;

/// Prints to standard output. A closed pipe (`| head`) is not an error.
///
/// # Errors
/// The text cannot be written, as on a full disk.
fn print(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != BrokenPipe => Err(Error::output("standard output".as_ref(), error)),
        _ => Ok(()),
    }
}

/// Prints what was scored: tables, or the JSON document.
///
/// # Errors
/// The document cannot be read again, or standard output is closed.
fn print_found(found: &Printout, is_json: bool, verbosity: Verbosity) -> Result<()> {
    if is_json {
        found.notes.iter().for_each(|note| say(verbosity, &format!("note: {note}")));
        let text = std::fs::read_to_string(&found.document);
        return print(&(text.map_err(|e| Error::unreadable(&found.document, e))? + "\n"));
    }
    if verbosity.quiet { Ok(()) } else { print(&found.to_text()) }
}

/// Names the command that follows a finished one.
fn next(verbosity: Verbosity, command: &str, path: &Path) {
    let path = shell_word(&path.display().to_string());
    say(verbosity, &format!("next: porecast {command} {path}"));
}

fn parse_side(text: &str) -> std::result::Result<Side, String> {
    match text {
        "top" => Ok(Side::Top),
        "bottom" => Ok(Side::Bottom),
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err("expected top, bottom, left or right".into()),
    }
}
