//! `porecast synth`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_datasets::synth::{self, StudyName, SynthOptions};

use super::{next, print};

/// Arguments of `porecast synth`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast synth mars -o data/mars\n  porecast synth right-ventricle -o data/right-ventricle --seed 7 --set patients=4\n  porecast synth stas -o data/stas --set training=12 --set 'shape=[160,288]'\n  porecast synth sea-ice -o data/sea-ice --set training=16 --set test=0\n\nKeys of --set:\n  right-ventricle  patients slices phases layout (rvsc, sunnybrook)\n  stas             training public shape\n  mars             training test outliers\n  sea-ice          training test"
)]
pub struct Args {
    /// Study whose file format is written.
    pub study: Study,
    /// New folder to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Random seed; the same seed gives the same bytes.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Change a value listed below; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// A segmentation study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Study {
    /// Right ventricle in cardiac MRI: DICOM slices with contours in text files.
    RightVentricle,
    /// Tumour cells in lung tissue: JPEG images with labelme JSON files.
    Stas,
    /// Terrain seen by a Mars rover: a NumPy archive.
    Mars,
    /// Sea ice seen by camera and radar: TIFF triples.
    SeaIce,
}

impl Study {
    /// Its configuration in the source of porecast.
    fn config(self) -> &'static str {
        match self {
            Self::RightVentricle => "configs/segmentation/right_ventricle.toml",
            Self::Stas => "configs/segmentation/stas.toml",
            Self::Mars => "configs/segmentation/mars.toml",
            Self::SeaIce => "configs/segmentation/sea_ice.toml",
        }
    }
}

impl From<Study> for StudyName {
    fn from(study: Study) -> Self {
        match study {
            Study::RightVentricle => Self::RightVentricle,
            Study::Stas => Self::Stas,
            Study::Mars => Self::Mars,
            Study::SeaIce => Self::SeaIce,
        }
    }
}

/// Runs `porecast synth`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { study, output, seed, set } = args;
    let config = study.config();
    let options = SynthOptions { study: study.into(), output, seed, set };
    let text = synth::run(&options)?;
    if !verbosity.quiet {
        print(&format!("{text}\n"))?;
    }
    next(verbosity, "prepare", config.as_ref());
    Ok(())
}
