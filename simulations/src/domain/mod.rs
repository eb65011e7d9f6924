//! A porous domain: the solid mask, its voxel size and derived quantities.

mod config;
pub mod connectivity;
mod crop;
mod disc_pack;
pub mod distance;
mod gaussian;
mod grain;
mod image;
mod jittered_lattice;
mod random_field;

pub use config::DomainConfig;
pub use crop::Crop;
pub use disc_pack::DiscPackConfig;
pub use image::{ImageConfig, Polarity};
pub use jittered_lattice::{JitteredLatticeConfig, Lattice};
pub use random_field::RandomFieldConfig;

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An edge of the domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The edge y = 0.
    #[default]
    Top,
    /// The edge y = height - 1.
    Bottom,
    /// The edge x = 0.
    Left,
    /// The edge x = width - 1.
    Right,
}

impl Side {
    /// The edge across the domain: the outlet, when `self` is the inlet.
    pub fn opposite(self) -> Self {
        match self {
            Self::Top => Self::Bottom,
            Self::Bottom => Self::Top,
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// The pixels of an image `[y, x]` along this edge; empty if the image is empty.
    pub fn lane<'a, T>(self, image: ArrayView2<'a, T>) -> ArrayView1<'a, T> {
        let (height, width) = image.dim();
        if image.is_empty() {
            return ArrayView1::from(&[]);
        }
        match self {
            Self::Top => image.index_axis_move(Axis(0), 0),
            Self::Bottom => image.index_axis_move(Axis(0), height - 1),
            Self::Left => image.index_axis_move(Axis(1), 0),
            Self::Right => image.index_axis_move(Axis(1), width - 1),
        }
    }

    /// The `rows` outermost rows of pixels of an image `[y, x]` along this edge; the whole image if it has
    /// fewer.
    pub fn band_mut<T>(self, image: &mut Array2<T>, rows: usize) -> ArrayViewMut2<'_, T> {
        let (height, width) = image.dim();
        match self {
            Self::Top => image.slice_mut(s![..rows.min(height), ..]),
            Self::Bottom => image.slice_mut(s![height.saturating_sub(rows).., ..]),
            Self::Left => image.slice_mut(s![.., ..rows.min(width)]),
            Self::Right => image.slice_mut(s![.., width.saturating_sub(rows)..]),
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Top => "top",
            Self::Bottom => "bottom",
            Self::Left => "left",
            Self::Right => "right",
        })
    }
}

/// A porous medium in two dimensions.
///
/// ```
/// use porecast_simulations::Domain;
///
/// let domain = Domain { solid: ndarray::array![[false, true], [false, false]], voxel_size_m: 35e-6 };
/// assert_eq!(domain.porosity(), 0.75);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// Solid mask `[y, x]`: `true` where there is a grain.
    pub solid: Array2<bool>,
    /// Edge length of a pixel in metres.
    pub voxel_size_m: f64,
}

impl Domain {
    /// Height and width in pixels.
    pub fn shape(&self) -> (usize, usize) {
        self.solid.dim()
    }

    /// Pore space `[y, x]`: `true` where there is no grain.
    pub fn pore_space(&self) -> Array2<bool> {
        self.solid.map(|&solid| !solid)
    }

    /// Number of pore pixels.
    pub fn pore_count(&self) -> usize {
        self.solid.iter().filter(|&&solid| !solid).count()
    }

    /// Fraction of all pixels that are pore pixels.
    pub fn porosity(&self) -> f64 {
        self.pore_count() as f64 / self.solid.len() as f64
    }

    /// Mean length, in pixels, of the chords that rows and columns of pixels cut out of the pore space; `None` without pores.
    ///
    /// ```
    /// use porecast_simulations::Domain;
    ///
    /// let domain = Domain { solid: ndarray::array![[false, true], [false, false]], voxel_size_m: 35e-6 };
    /// // Rows: 1 and 2 pixels; columns: 2 and 1.
    /// assert_eq!(domain.mean_chord_length(), Some(1.5));
    /// ```
    pub fn mean_chord_length(&self) -> Option<f64> {
        let chords = |axis| {
            let starts = |lane: ArrayView1<'_, bool>| {
                let before = std::iter::once(&true).chain(lane);
                before.zip(lane).filter(|(before, own)| **before && !**own).count()
            };
            self.solid.lanes(axis).into_iter().map(starts).sum::<usize>()
        };
        let count = chords(Axis(0)) + chords(Axis(1));
        (count > 0).then(|| 2.0 * self.pore_count() as f64 / count as f64)
    }
}
