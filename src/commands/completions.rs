//! `porecast completions`.

use clap::CommandFactory;
use clap_complete::Shell;
use porecast_base::Result;

use super::print;
use crate::cli::Cli;

/// Arguments of `porecast completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast completions bash > porecast.bash\n  porecast completions zsh > _porecast\n  porecast completions fish > porecast.fish\n\nbash reads ~/.local/share/bash-completion/completions/porecast, zsh _porecast in a folder of $fpath, fish\n~/.config/fish/completions/porecast.fish."
)]
pub struct Args {
    /// The shell.
    pub shell: Shell,
}

/// Runs `porecast completions`.
pub fn run(args: Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "porecast", &mut script);
    print(&String::from_utf8_lossy(&script))
}
