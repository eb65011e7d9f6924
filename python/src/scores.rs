//! Scores of a predicted sequence.

use numpy::{IntoPyArray, PyReadonlyArray2, PyReadonlyArray3};
use porecast::evaluate::invasions::measure::Measure;
use porecast::evaluate::invasions::score::score;
use porecast::simulations::{Parameters, TimeUnit, Trajectory};
use porecast::store::Prediction;
use porecast::{Domain, Error};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::exception;
use crate::simulators::side;
use crate::work;

/// Each measure by time step.
#[pyfunction]
pub(crate) fn scores<'py>(
    py: Python<'py>,
    truth: PyReadonlyArray3<'py, bool>,
    prediction: PyReadonlyArray3<'py, f32>,
    solid: PyReadonlyArray2<'py, bool>,
    inlet: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let (truth, probability, solid) = (truth.as_array(), prediction.as_array(), solid.as_array());
    if truth.dim() != probability.dim() || truth.dim().1 != solid.dim().0 || truth.dim().2 != solid.dim().1 {
        let [truth, prediction, solid] = [truth.shape(), probability.shape(), solid.shape()];
        let what = format!(
            "truth {truth:?} and prediction {prediction:?} are [time, y, x] of one shape, solid {solid:?} is [y, x] of the same"
        );
        return Err(exception(Error::config("shapes", what)));
    }
    // Frames belong together by their number.
    let times: Vec<f64> = (0..truth.dim().0).map(|frame| frame as f64).collect();
    let domain = Domain { solid: solid.to_owned(), voxel_size_m: 1.0 };
    let unknown = f64::NAN;
    let parameters = Parameters {
        seed: 0,
        porosity: domain.porosity(),
        contact_angle_deg: unknown,
        surface_tension: unknown,
        viscosity_invading: unknown,
        viscosity_defending: unknown,
        capillary_number: unknown,
        viscosity_ratio: unknown,
    };
    let prediction = Prediction {
        domain_id: String::new(),
        solid: domain.solid.clone(),
        times: times.clone(),
        probability: probability.to_owned(),
    };
    let truth = Trajectory {
        domain,
        inlet: side(inlet)?,
        times,
        time_unit: TimeUnit::Frame,
        phase: truth.to_owned(),
        parameters,
    };
    let scored = work::run(py, || score(&truth, &prediction))?;
    let scores = PyDict::new(py);
    for measure in Measure::ALL {
        let values: Vec<f64> = scored.frames.iter().map(|frame| measure.of(&scored, frame)).collect();
        scores.set_item(measure.key(), values.into_pyarray(py))?;
    }
    Ok(scores)
}
