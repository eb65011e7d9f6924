//! The `porecast` program.

use std::process::ExitCode;

use porecast_store::examine;

fn main() -> ExitCode {
    if examine::serve() {
        return ExitCode::SUCCESS;
    }
    if let Ok(program) = std::env::current_exe() {
        examine::by(vec![program.into()]);
    }
    ExitCode::from(porecast::program::run(std::env::args_os()))
}
