//! Trained networks.

use std::path::PathBuf;

use numpy::{IntoPyArray, PyArray2, PyArray3, PyReadonlyArray2, PyReadonlyArray3};
use porecast::learning::predict::SHIPPED_PHYSICS;
use porecast::simulations::domain::connectivity::percolates;
use porecast::store::config::train::Channel;
use porecast::{Device, Domain, Error, MaskPredictor, Physics, Predictor};
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
    fn new(
        py: Python<'_>,
        path: Option<PathBuf>,
        device: &str,
        tile: Option<usize>,
        rescale: Option<f64>,
    ) -> PyResult<Self> {
        work::run(py, || {
            let device = Device::parse(device)?;
            let (predictor, physics) = match path {
                Some(path) => (Predictor::on(&path, device)?, Physics::default()),
                None => (Predictor::shipped(device)?, SHIPPED_PHYSICS),
            };
            Ok(Self { predictor: predictor.with_tile(tile).with_rescale(rescale), physics })
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

    /// Probability of the invading phase `[time, y, x]`, and what the caller should be warned about.
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
    ) -> PyResult<(Bound<'py, PyArray3<f32>>, Vec<String>)> {
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
        let outside = self.predictor.warnings(&domain, inlet, &physics, &times);
        let volumes = self.predictor.volume_warnings(&domain, inlet, &times, frames.view());
        let warnings = outside.into_iter().chain(volumes).map(|warning| python_words(&warning));
        Ok((frames.into_pyarray(py), warnings.collect()))
    }
}

/// The networks of a segmentation run.
#[pyclass(frozen, module = "porecast._porecast")]
pub(crate) struct SegmentationRun {
    predictor: MaskPredictor,
}

#[pymethods]
impl SegmentationRun {
    /// Loads a run folder.
    #[new]
    fn new(py: Python<'_>, path: PathBuf, device: &str, tile: Option<usize>) -> PyResult<Self> {
        work::run(py, || {
            let predictor = MaskPredictor::on(&path, Device::parse(device)?)?;
            Ok(Self { predictor: predictor.with_tile(tile) })
        })
    }

    #[getter]
    fn name(&self) -> &str {
        &self.predictor.card().name
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.predictor.classes().to_vec()
    }

    /// Probability of each class `[class, y, x]`.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        image: PyReadonlyArray3<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray3<f32>>> {
        let image = self.predictor.photograph(image.as_array().to_owned());
        Ok(work::run(py, || self.predictor.probability(&image))?.into_pyarray(py))
    }

    /// Class of each pixel `[y, x]`.
    fn mask<'py>(
        &self,
        py: Python<'py>,
        image: PyReadonlyArray3<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let image = self.predictor.photograph(image.as_array().to_owned());
        Ok(work::run(py, || self.predictor.mask(&image))?.into_pyarray(py))
    }
}

/// Input channels of a domain `[channel, y, x]`.
#[pyfunction]
pub(crate) fn channels<'py>(
    py: Python<'py>,
    solid: PyReadonlyArray2<'py, bool>,
    names: Vec<String>,
    inlet: &str,
) -> PyResult<Bound<'py, PyArray3<f32>>> {
    let inlet = side(inlet)?;
    let known = |name: &String| {
        Channel::named(name)
            .ok_or_else(|| exception(Error::config("names", format!("{name:?} is no channel"))))
    };
    let list = names.iter().map(known).collect::<PyResult<Vec<_>>>()?;
    let domain = Domain { solid: solid.as_array().to_owned(), voxel_size_m: 1.0 };
    Ok(work::run(py, || Ok(porecast::learning::channels(&domain, inlet, &list)))?.into_pyarray(py))
}
