//! Trained networks.

use std::path::PathBuf;

use numpy::{IntoPyArray, PyArray3, PyReadonlyArray2};
use porecast::learning::predict::SHIPPED_PHYSICS;
use porecast::simulations::domain::connectivity::percolates;
use porecast::{Device, Domain, Error, Physics, Predictor};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{exception, python_words};
use crate::simulators::{side, time_unit};
use crate::work;

/// The networks of a run.
#[pyclass(frozen, module = "porecast._porecast")]
pub(crate) struct Run {
    predictor: Predictor,
    /// What the networks are told where nothing is given.
    physics: Physics,
}

#[pymethods]
impl Run {
    /// Loads a run folder, or the model that comes with porecast.
    #[new]
    fn new(py: Python<'_>, path: Option<PathBuf>, device: &str, tile: usize) -> PyResult<Self> {
        let device = if device == "cpu" { "flex" } else { device };
        work::run(py, || {
            let device = Device::parse(device)?;
            let (predictor, physics) = match path {
                Some(path) => (Predictor::on(&path, device)?, Physics::default()),
                None => (Predictor::shipped(device)?, SHIPPED_PHYSICS),
            };
            Ok(Self { predictor: predictor.with_tile(tile), physics })
        })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.predictor.card().name
    }

    #[getter]
    fn inlet(&self) -> String {
        self.predictor.card().dataset.inlet.to_string()
    }

    #[getter]
    fn time_unit(&self) -> String {
        time_unit(self.predictor.card().dataset.time_unit)
    }

    #[getter]
    fn voxel_size_m(&self) -> f64 {
        self.predictor.card().dataset.voxel_size_m
    }

    #[getter]
    fn last_time(&self) -> f64 {
        self.predictor.card().dataset.time_scale
    }

    #[getter]
    fn times(&self) -> Vec<f64> {
        self.predictor.times()
    }

    #[getter]
    fn physics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ranges = PyDict::new(py);
        for scale in &self.predictor.card().dataset.physics {
            ranges.set_item(python_words(scale.quantity.option()), (scale.least, scale.most))?;
        }
        Ok(ranges)
    }

    /// Probability of the invading phase `[time, y, x]`.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the Python method")]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        solid: PyReadonlyArray2<'py, bool>,
        times: Vec<f64>,
        inlet: &str,
        voxel_size_m: f64,
        capillary_number: Option<f64>,
        viscosity_ratio: Option<f64>,
        contact_angle_deg: Option<f64>,
        extrapolate: bool,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let inlet = side(inlet)?;
        let domain = Domain { solid: solid.as_array().to_owned(), voxel_size_m };
        let physics = Physics { capillary_number, viscosity_ratio, contact_angle_deg }.or(&self.physics);
        if !extrapolate {
            self.predictor.require_known(&times).map_err(exception)?;
        }
        if !domain.solid.is_empty() && !percolates(&domain, inlet) {
            let what = format!(
                "has no path from the {inlet} edge to the {} edge; solid is True in grains and False in pores",
                inlet.opposite()
            );
            return Err(exception(Error::config("solid", what)));
        }
        let frames = work::run(py, || self.predictor.frames(&domain, inlet, &physics, &times))?;
        let category = py.get_type::<PyUserWarning>();
        for warning in self.predictor.warnings(&domain, inlet, &physics, &times) {
            let text = std::ffi::CString::new(python_words(&warning))?;
            PyErr::warn(py, &category, &text, 2)?;
        }
        Ok(frames.into_pyarray(py))
    }
}
