//! The commands, each in a file: arguments in, one call, words out.

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

/// Prints on standard output. A reader that has gone away (`| head`) is no failure.
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
