//! One file per command: it parses the arguments, calls the library and prints the result.

pub mod compare;
pub mod evaluate;
pub mod export;
pub mod import;
pub mod inspect;
pub mod predict;
pub mod prepare;
pub mod report;
pub mod search;
pub mod simulate;
pub mod synth;
pub mod train;

use std::io::ErrorKind::BrokenPipe;
use std::io::Write;

use porecast_base::{Error, Result};
use porecast_simulations::Side;

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

fn parse_side(text: &str) -> std::result::Result<Side, String> {
    match text {
        "top" => Ok(Side::Top),
        "bottom" => Ok(Side::Bottom),
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err("expected top, bottom, left or right".into()),
    }
}
