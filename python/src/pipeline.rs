//! Commands: campaigns and trainings.

use std::path::PathBuf;

use porecast::Verbosity;
use porecast::simulate::{self as campaign, SimulateOptions};
use porecast::train::{self as training, IfExists, TrainOptions};
use pyo3::prelude::*;

use crate::work;

/// Seconds between two saved states of a lattice Boltzmann simulation.
const CHECKPOINT_SECONDS: u64 = 30;

fn verbosity(show: Option<&Py<PyAny>>) -> Verbosity {
    Verbosity { quiet: show.is_none(), verbose: false }
}

/// `porecast simulate`; `show` gets each line.
#[pyfunction]
pub(crate) fn simulate(
    py: Python<'_>,
    config: PathBuf,
    output: PathBuf,
    set: Vec<String>,
    force: bool,
    show: Option<Py<PyAny>>,
) -> PyResult<()> {
    let verbosity = verbosity(show.as_ref());
    let options =
        SimulateOptions { config, output, shard: None, checkpoint_seconds: CHECKPOINT_SECONDS, set, force };
    work::run_shown(py, show, || campaign::run(&options, verbosity))
}

/// `porecast train`; `show` gets each line.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "the arguments of the Python function")]
pub(crate) fn train(
    py: Python<'_>,
    config: PathBuf,
    output: PathBuf,
    set: Vec<String>,
    device: &str,
    init: Option<PathBuf>,
    resume: bool,
    force: bool,
    show: Option<Py<PyAny>>,
) -> PyResult<()> {
    let device = device.to_owned();
    let if_exists = match (resume, force) {
        (true, _) => IfExists::Resume,
        (false, true) => IfExists::Replace,
        (false, false) => IfExists::Refuse,
    };
    let verbosity = verbosity(show.as_ref());
    let options = TrainOptions { config, output: Some(output), device, set, fold: None, init, if_exists };
    work::run_shown(py, show, || training::run(&options, verbosity).map(drop))
}
