//! The command line: definitions only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use porecast_simulations::Side;

/// Predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.
#[derive(Debug, Parser)]
#[command(name = "porecast", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// How much the program says.
#[derive(Debug, Clone, Copy, Args)]
pub struct Verbosity {
    /// Say nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// The commands, in the order of the pipeline.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a campaign of invasions into a dataset.
    Simulate(SimulateArgs),
    /// Turn published sequences into a dataset.
    Import(ImportArgs),
    /// Write synthetic images in the on-disk format of a segmentation study.
    Synth(SynthArgs),
    /// Turn the files of a segmentation study into a dataset.
    Prepare(PrepareArgs),
    /// Show what is in any file that porecast reads or writes.
    Inspect(InspectArgs),
    /// Train a network, or one network a frame.
    Train(TrainArgs),
    /// Search for settings whose training ends best; several processes can share it.
    Search(SearchArgs),
    /// Predict the invasion sequence of domains, or the masks of images.
    Predict(PredictArgs),
    /// Score a run on its training, validation and test domains, beside the baselines.
    Evaluate(EvaluateArgs),
    /// Score several runs side by side.
    Compare(CompareArgs),
    /// Write one self-contained HTML page for a run or a comparison.
    Report(ReportArgs),
}

/// Arguments of `porecast simulate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast simulate configs/simulate/demo.toml -o data/demo.h5\n  porecast simulate configs/simulate/lbm-256x64.toml -o data/lbm.h5\n  porecast simulate configs/simulate/percolation-512x128.toml -o data/shards --shard 0/4"
)]
pub struct SimulateArgs {
    /// Campaign configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; an unfinished or smaller one of the same campaign is continued.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Simulate only every n-th domain, beginning with the i-th: `i/n`; the output is then a folder of shards.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Seconds between two saved states of a long lattice Boltzmann simulation.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub checkpoint_seconds: u64,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Replace an existing dataset of another campaign.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast import`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast import sequences/ -o data/benchmark.h5 --inlet left --voxel-size 35e-6\n  porecast import labels.npz -o data/published.h5 --inlet top"
)]
pub struct ImportArgs {
    /// Files, or folders of files: HDF5 of the CO2-water benchmark, or npz label stacks.
    #[arg(required = true)]
    pub inputs: Vec<PathBuf>,
    /// Dataset to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Edge where the invading fluid enters.
    #[arg(long, default_value = "top", value_parser = parse_side)]
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    #[arg(long, default_value_t = 1.0)]
    pub voxel_size: f64,
    /// Replace an existing file.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast synth`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast synth mars -o data/mars\n  porecast synth right-ventricle -o data/right-ventricle --seed 7 --set patients=20\n  porecast synth stas -o data/stas --set training=60 --set 'shape=[320,576]'\n  porecast synth sea-ice -o data/sea-ice --set training=100 --set test=0\n\nValues that --set changes:\n  right-ventricle  patients slices phases layout (rvsc, sunnybrook)\n  stas             training public shape\n  mars             training test outliers\n  sea-ice          training test"
)]
pub struct SynthArgs {
    /// Study whose format is written.
    pub study: StudyName,
    /// New folder to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Seed of everything drawn: the same seed gives the same bytes.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Change how much is written; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// A segmentation study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StudyName {
    /// Right ventricle in cardiac MRI: DICOM slices with contours in text files.
    RightVentricle,
    /// Tumour cells in lung tissue: JPEG images with labelme's JSON files.
    Stas,
    /// Terrain seen by a rover: a NumPy archive.
    Mars,
    /// Sea ice by camera and radar: TIFF triples.
    SeaIce,
}

impl StudyName {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::RightVentricle => "right-ventricle",
            Self::Stas => "stas",
            Self::Mars => "mars",
            Self::SeaIce => "sea-ice",
        }
    }
}

/// Arguments of `porecast prepare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast prepare configs/segmentation/stas.toml\n  porecast prepare configs/segmentation/mars.toml --source terrain.npz --clean data/terrain-clean.npz -o data/terrain.h5\n  porecast prepare configs/segmentation/right_ventricle.toml --set source.format.dicom-contours.structure=whole --force\n\nBeside the dataset lie its card, <dataset>.card.md, and its split, <dataset>.split.toml."
)]
pub struct PrepareArgs {
    /// Segmentation configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; the configuration's `dataset` when absent.
    #[arg(short, long, value_name = "DATASET")]
    pub output: Option<PathBuf>,
    /// Folder or file of the study; the configuration's `source.path` when absent.
    #[arg(long, value_name = "PATH")]
    pub source: Option<PathBuf>,
    /// First write the npz archive without outliers and shared masks to this file, and prepare from that.
    #[arg(long, value_name = "FILE.npz")]
    pub clean: Option<PathBuf>,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Replace an existing dataset and its split.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast inspect`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast inspect data/demo.h5\n  porecast inspect runs/demo --png demo.png\n  porecast inspect data/stas.h5 --png images.png\n  porecast inspect data/stas.h5 --augment configs/segmentation/stas.toml --png augmented.png"
)]
pub struct InspectArgs {
    /// A dataset, predictions, run folder, image, npz or safetensors file.
    pub path: PathBuf,
    /// Draw what the augmentation of this configuration does to images of a segmentation dataset.
    #[arg(long, value_name = "CONFIG", requires = "png")]
    pub augment: Option<PathBuf>,
    /// Draw a picture as well.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Replace an existing picture.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast train`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast train configs/invasion/time-embedded.toml -o runs/time\n  porecast train configs/invasion/time-embedded.toml -o runs/frame-15 --set 'conditioning={single-frame=[15]}'\n  porecast train configs/invasion/time-embedded.toml -o runs/time --resume\n  porecast train configs/segmentation/stas.toml -o runs/stas --fold 0"
)]
pub struct TrainArgs {
    /// Training configuration (TOML).
    pub config: PathBuf,
    /// Run folder to make; `runs/<name of the configuration>` when absent.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Where to compute: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Of a segmentation split in folds, train the network of this fold only; the others can follow with --resume.
    #[arg(long, value_name = "I")]
    pub fold: Option<usize>,
    /// Go on from the last checkpoint.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace an existing run.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast search`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast search configs/search/sea-ice.toml -o runs/sea-ice-search\n\nStart the same command again to go on, or in a second process to share the trials."
)]
pub struct SearchArgs {
    /// Search configuration (TOML).
    pub config: PathBuf,
    /// Folder of the study; `runs/<name of the configuration>` when absent.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Where to compute: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Change a value of the search configuration; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Arguments of `porecast predict`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast predict --run runs/time domain.png -o out/\n  porecast predict --run runs/time data/demo.h5 --part test -o out/\n  porecast predict --run runs/time domain.png -o out/ --times 0.1,0.2,0.3\n  porecast predict --run runs/stas slides/ -o masks/"
)]
pub struct PredictArgs {
    /// Run folder.
    #[arg(long)]
    pub run: PathBuf,
    /// An image of a domain (PNG, TIFF; dark is solid), or a dataset. With a segmentation run: a dataset, a photograph (PNG,
    /// JPEG), or files in the format of the run's source.
    pub input: PathBuf,
    /// Folder to write: predictions.h5, frames, animation, saturation; or masks and overlays.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Times to predict, in the dataset's unit; the training set's mean times when absent.
    #[arg(long, value_delimiter = ',')]
    pub times: Vec<f64>,
    /// Of a dataset, only the domains of this part of the run's split: train, validation or test.
    #[arg(long)]
    pub part: Option<String>,
    /// Edge where the invading fluid enters; that of the training data when absent.
    #[arg(long, value_parser = parse_side)]
    pub inlet: Option<Side>,
    /// Grey level from which an image is pore, between 0 and 1.
    #[arg(long, default_value_t = 0.5)]
    pub threshold: f64,
    /// Read bright as solid.
    #[arg(long)]
    pub invert: bool,
    /// Largest tile edge in pixels; larger domains are predicted in overlapping tiles.
    #[arg(long, default_value_t = 512)]
    pub tile: usize,
    /// Where to compute: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace an existing output.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast evaluate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast evaluate runs/time\n  porecast evaluate runs/time --dataset data/other.h5\n  porecast evaluate predictions.h5 --dataset data/demo.h5 -o scores/"
)]
pub struct EvaluateArgs {
    /// Run folder, or a predictions file of any program (then `--dataset` and `-o` are needed).
    pub input: PathBuf,
    /// Dataset with the true sequences; the run's own when absent.
    #[arg(long)]
    pub dataset: Option<PathBuf>,
    /// Folder for scores and figures; `<run>/evaluation` when absent.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Where to compute missing predictions.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace existing scores and predict anew.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  porecast compare runs/time runs/frames -o runs/comparison")]
pub struct CompareArgs {
    /// Run folders.
    #[arg(required = true, num_args = 1..)]
    pub runs: Vec<PathBuf>,
    /// Folder for the tables and figures.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Where to compute missing predictions.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Replace an existing comparison.
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `porecast report`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  porecast report runs/time\n  porecast report runs/comparison -o comparison.html"
)]
pub struct ReportArgs {
    /// Run folder or comparison folder.
    pub input: PathBuf,
    /// HTML file; `report.html` in the folder when absent.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long)]
    pub force: bool,
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
