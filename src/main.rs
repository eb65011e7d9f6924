//! The `porecast` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(porecast::program::run(std::env::args_os()))
}
