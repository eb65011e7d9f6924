//! `porecast config`.

use porecast_base::Result;
use porecast_store::config::reference;
use porecast_store::config::schema::{self, ConfigKind};
use porecast_store::config::start::Start;

use super::print;

/// Arguments of `porecast config`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast config invasion > my.toml\n  porecast config explain model.time.mode\n  porecast config list simulate\n  porecast config schema train > train.schema.json"
)]
pub struct Args {
    /// What to print.
    #[command(subcommand)]
    pub what: What,
}

/// What `porecast config` prints.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum What {
    /// A commented configuration of a training on invasions.
    Invasion,
    /// A commented configuration of a segmentation study.
    Segmentation,
    /// A commented configuration of a campaign of percolation.
    Percolation,
    /// A commented configuration of a campaign of lattice Boltzmann.
    LatticeBoltzmann,
    /// A commented configuration of a search for training settings.
    Search,
    /// A commented study of several stages.
    Study,
    /// What a key means: type, range, default, and the commands that read it.
    Explain {
        /// Path of the key, such as `model.time.mode`; its end is enough.
        key: String,
    },
    /// Every key with its meaning in a line.
    List {
        /// Kind of configuration; all when absent.
        kind: Option<Kind>,
    },
    /// A JSON Schema, with which an editor checks and completes a configuration.
    Schema {
        /// Kind of configuration; `train` is an invasion, or a segmentation if the file has the key `task`.
        kind: Kind,
    },
    /// The reference of every key in Markdown, as in docs/reference/configuration.md.
    Reference,
}

/// A kind of configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Campaign of `porecast simulate`.
    Simulate,
    /// Training, of either kind.
    Train,
    /// Training on invasions.
    Invasion,
    /// Segmentation study.
    Segmentation,
    /// Search for training settings.
    Search,
    /// Study of several stages.
    Study,
}

impl Kind {
    fn kinds(self) -> &'static [ConfigKind] {
        match self {
            Self::Simulate => &[ConfigKind::Simulate],
            Self::Train => &[ConfigKind::Invasion, ConfigKind::Segmentation],
            Self::Invasion => &[ConfigKind::Invasion],
            Self::Segmentation => &[ConfigKind::Segmentation],
            Self::Search => &[ConfigKind::Search],
            Self::Study => &[ConfigKind::Study],
        }
    }
}

/// Runs `porecast config`.
pub fn run(args: Args) -> Result<()> {
    print(&match args.what {
        What::Invasion => Start::Invasion.text()?,
        What::Segmentation => Start::Segmentation.text()?,
        What::Percolation => Start::Percolation.text()?,
        What::LatticeBoltzmann => Start::LatticeBoltzmann.text()?,
        What::Search => Start::Search.text()?,
        What::Study => Start::Study.text()?,
        What::Explain { key } => reference::explain(&key)?,
        What::List { kind } => list(kind.map_or(&ConfigKind::ALL, Kind::kinds)),
        What::Schema { kind } => format!(
            "{:#}\n",
            match kind.kinds() {
                [kind] => kind.schema(),
                _ => schema::training(),
            }
        ),
        What::Reference => reference::page(),
    })
}

fn list(kinds: &[ConfigKind]) -> String {
    let heading =
        |kind: ConfigKind| if kinds.len() > 1 { format!("== {}\n", kind.name()) } else { String::new() };
    kinds.iter().map(|&kind| heading(kind) + &reference::list(kind)).collect::<Vec<_>>().join("\n")
}
