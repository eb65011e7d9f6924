//! Domains from decoded grey images.

use ndarray::{Array2, ArrayView2, s};
use porecast_base::{Checks, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Domain, Error, Result};

/// Which side of the threshold is pore space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Pores are bright: grey level ≥ threshold is pore.
    PoreBright,
    /// Pores are dark: grey level < threshold is pore.
    PoreDark,
}

impl Polarity {
    /// Whether a pixel is solid. With bright pores, grey levels below the threshold are solid; with dark
    /// pores, grey levels at or above it are. Compares 32-bit floats, as images hold: otherwise a pixel of 0.7
    /// would lie below a threshold of 0.7.
    pub fn is_solid(self, grey: f64, threshold: f64) -> bool {
        ((grey as f32) < threshold as f32) == (self == Self::PoreBright)
    }
}

/// How a grey image becomes a domain. Polarity and threshold have no default: the user must give both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Which side of the threshold is pore space.
    pub polarity: Polarity,
    /// Grey level that divides solid from pores, from 0 (black) to 1 (white).
    pub threshold: f64,
    /// Side in pixels of the squares that are averaged into one pixel before the threshold. The voxel size
    /// grows by this factor; rows and columns that do not fill a square are dropped.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1024))]
    pub downscale: usize,
}

fn one() -> usize {
    1
}

impl ImageConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        if !self.threshold.is_finite() {
            checks.add("threshold", format!("{} is not a finite number", self.threshold));
        }
        checks.range("downscale", self.downscale, 1, 1024);
        checks.0
    }

    /// Converts a grey image `[y, x]`, with pixels of edge length `voxel_size_m`, into a domain.
    ///
    /// Does not check that the pore space percolates; see [`percolates`](super::connectivity::percolates).
    ///
    /// # Errors
    /// A configuration error if settings are out of range. [`ErrorKind::Simulation`](crate::ErrorKind) if the
    /// image is smaller than one averaged pixel or has a value that is not a number.
    pub fn domain<T: Copy + Into<f64>>(&self, image: ArrayView2<'_, T>, voxel_size_m: f64) -> Result<Domain> {
        Checks(self.problems()).into_result()?;
        let (height, width) = image.dim();
        let side = self.downscale;
        if height < side || width < side {
            return Err(Error::simulation(format!(
                "an image of {height} x {width} pixels (height, width) is too small for downscale = {side}"
            )));
        }
        let grey = Array2::from_shape_fn((height / side, width / side), |(y, x)| {
            let square = image.slice(s![y * side..(y + 1) * side, x * side..(x + 1) * side]);
            square.iter().map(|&grey| grey.into()).sum::<f64>() / (side * side) as f64
        });
        if grey.iter().any(|grey| grey.is_nan()) {
            return Err(Error::simulation("the image has values that are not numbers"));
        }
        let solid = grey.map(|&grey| self.polarity.is_solid(grey, self.threshold));
        Ok(Domain { solid, voxel_size_m: voxel_size_m * side as f64 })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn polarity_and_threshold_are_obeyed() {
        let image = array![[0u8, 128, 255]];
        let bright = ImageConfig { polarity: Polarity::PoreBright, threshold: 128.0, downscale: 1 };
        assert_eq!(bright.domain(image.view(), 1e-6).unwrap().solid, array![[true, false, false]]);
        let dark = ImageConfig { polarity: Polarity::PoreDark, ..bright };
        assert_eq!(dark.domain(image.view(), 1e-6).unwrap().solid, array![[false, true, true]]);
        let tie = ImageConfig { threshold: 0.7, ..bright };
        assert_eq!(tie.domain(array![[0.7_f32]].view(), 1e-6).unwrap().solid, array![[false]]);
    }

    #[test]
    fn downscaling_averages_before_the_threshold() {
        let image = array![[0u16, 0, 4000, 0, 9], [0, 1000, 4000, 0, 9], [7, 7, 7, 7, 9]];
        let config = ImageConfig { polarity: Polarity::PoreBright, threshold: 1999.0, downscale: 2 };
        let domain = config.domain(image.view(), 1e-6).unwrap();
        assert_eq!(domain.solid, array![[true, false]]);
        assert_eq!(domain.voxel_size_m, 2e-6);
    }

    #[test]
    fn bad_images_are_errors() {
        let config = ImageConfig { polarity: Polarity::PoreDark, threshold: 0.5, downscale: 4 };
        assert!(config.domain(array![[0.0f32]].view(), 1e-6).is_err());
        let nan = ImageConfig { downscale: 1, ..config };
        assert!(nan.domain(array![[f32::NAN]].view(), 1e-6).is_err());
    }
}
