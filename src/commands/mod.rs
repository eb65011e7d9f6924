//! One file per command: it parses the arguments, calls the library and prints the result.

pub mod compare;
pub mod evaluate;
pub mod import;
pub mod inspect;
pub mod predict;
pub mod prepare;
pub mod report;
pub mod search;
pub mod simulate;
pub mod synth;
pub mod train;

use std::io::Write;

use porecast_simulations::Side;

/// Prints to standard output. A closed pipe (`| head`) is not an error.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn parse_side(text: &str) -> Result<Side, String> {
    match text {
        "top" => Ok(Side::Top),
        "bottom" => Ok(Side::Bottom),
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err("expected top, bottom, left or right".into()),
    }
}
