//! Separation of haematoxylin and eosin by colour, and normalisation of slides to common colours (Macenko).
//!
//! Light decays exponentially in stain (Beer and Lambert), so the optical density of a pixel
//!
//! OD = -ln((I + 1) / I₀), I from 0 to 255,
//!
//! is the sum of the two stain vectors times their concentrations. Pixels with tissue lie in the plane of
//! these vectors. The stains are the two directions that bound the pixels in this plane, after α percent are
//! cut off on either side.
//!
//! # References
//! Macenko et al., A method for normalizing histology slides for quantitative analysis, ISBI 2009, 1107.

use nalgebra::{Matrix2, Matrix3, Matrix3x2, SymmetricEigen, Vector2, Vector3};
use ndarray::{Array3, ArrayView3, Axis};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exponential::{exp, ln, widest};
use crate::quantile::percentiles;
use porecast_base::Checks;
use porecast_base::Problem;

/// Pixels per parallel task.
const CHUNK: usize = 1 << 14;
/// Smallest fraction of pixels with tissue for which stains are estimated.
const LEAST_TISSUE: f64 = 1e-3;
/// Directions with an angle below this sine count as one stain; between haematoxylin and eosin it is about
/// 0.4.
const LEAST_SINE: f64 = 0.05;
/// Percentile of the concentrations that defines the strength of a stain.
const STRENGTH_PERCENT: f64 = 99.0;

/// Parameters of the stain estimation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MacenkoConfig {
    /// Percentage of tissue pixels cut off at either end of the range of directions.
    #[schemars(extend("minimum" = 0.0, "maximum" = 49.0))]
    pub alpha: f64,
    /// Smallest optical density, in every channel, of a pixel with tissue.
    #[schemars(extend("minimum" = 0.0, "maximum" = 5.0))]
    pub beta: f64,
    /// Intensity of light that passes through no stain, on the scale to 255.
    #[schemars(extend("minimum" = 1.0, "maximum" = 256.0))]
    pub transmitted: f64,
}

impl Default for MacenkoConfig {
    fn default() -> Self {
        Self { alpha: 1.0, beta: 0.15, transmitted: 240.0 }
    }
}

impl MacenkoConfig {
    /// Every value outside its range.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.range("alpha", self.alpha, 0.0, 49.0);
        checks.range("beta", self.beta, 0.0, 5.0);
        checks.range("transmitted", self.transmitted, 1.0, 256.0);
        checks.0
    }
}

/// Why the stains of an image cannot be separated. Such an image should be left unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unseparable {
    /// The image is not RGB.
    #[error("the image has {0} channels; stains are found in RGB images alone")]
    NotRgb(usize),
    /// Fewer than one in a thousand pixels are dense enough.
    #[error(
        "hardly any tissue: less than one pixel in a thousand has the optical density beta; leave the image as it is"
    )]
    NoTissue,
    /// All tissue has the same colour.
    #[error("all tissue has one colour, so there are no two stains to tell apart; leave the image as it is")]
    OneStain,
}

/// The two stains of a slide.
///
/// ```
/// use ndarray::Array3;
/// use porecast_imaging::stain::{MacenkoConfig, Stains, Unseparable};
///
/// let white = Array3::from_elem((3, 8, 8), 1.0);
/// assert_eq!(Stains::find(white.view(), &MacenkoConfig::default()), Err(Unseparable::NoTissue));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stains {
    /// Optical density of red, green and blue at concentration 1: haematoxylin, eosin.
    pub vectors: [[f64; 3]; 2],
    /// The 99th percentile of the concentration of each stain.
    pub strength: [f64; 2],
}

impl Stains {
    /// The reference slide for normalisation: the usual values since the first code of the method's authors.
    pub const REFERENCE: Self =
        Self { vectors: [[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]], strength: [1.9705, 1.0308] };

    /// Finds the stains of an RGB image `[3, y, x]` with values in [0, 1].
    ///
    /// # Errors
    /// If the image is not RGB, has hardly any tissue, or has only one stain.
    pub fn find(image: ArrayView3<'_, f32>, config: &MacenkoConfig) -> Result<Self, Unseparable> {
        Self::of_densities(&densities(image, config)?, config)
    }

    fn of_densities(densities: &Densities, config: &MacenkoConfig) -> Result<Self, Unseparable> {
        let beta = config.beta as f32;
        let moments: Vec<Moments> =
            densities.chunks().map(|chunk| widest!(Moments::of(chunk, beta))).collect();
        let moments = moments.iter().fold(Moments::default(), |sum, part| sum.plus(part));
        if moments.count < 3.0 || moments.count < LEAST_TISSUE * densities.pixels() as f64 {
            return Err(Unseparable::NoTissue);
        }
        let (mean, plane) = moments.principal_plane();

        // Directions in the plane are measured from that of the mean, so that they do not depend on the signs
        // of the eigenvectors.
        let ahead = plane.transpose() * mean;
        if ahead.norm() < 1e-9 {
            return Err(Unseparable::OneStain);
        }
        let ahead = ahead.normalize();
        let (ahead, aside) = (plane * ahead, plane * Vector2::new(-ahead.y, ahead.x));
        let [u, v] = [ahead, aside].map(|axis: Vector3<f64>| axis.map(|value| value as f32));
        let directions: Vec<Vec<f32>> = densities
            .chunks()
            .map(|[red, green, blue]| {
                let mut turns = vec![0.0; red.len()];
                widest!({
                    for (i, value) in turns.iter_mut().enumerate() {
                        let (r, g, b) = (red[i], green[i], blue[i]);
                        *value = turn(u.x * r + u.y * g + u.z * b, v.x * r + v.y * g + v.z * b);
                    }
                });
                let mut pixels = 0..red.len();
                turns.retain(|_| pixels.next().is_some_and(|i| red[i].min(green[i]).min(blue[i]) >= beta));
                turns
            })
            .collect();
        let bounds =
            percentiles(&directions, [config.alpha, 100.0 - config.alpha]).ok_or(Unseparable::NoTissue)?;
        let [one, other] = bounds.map(|turn| {
            let (x, y) = direction(turn);
            (ahead * x + aside * y).normalize()
        });
        if one.cross(&other).norm() < LEAST_SINE {
            return Err(Unseparable::OneStain);
        }
        // Haematoxylin is blue: it absorbs more red.
        let vectors = if one.x > other.x { [one, other] } else { [other, one] };
        let mut stains = Self { vectors: vectors.map(Into::into), strength: [1.0; 2] };
        let rows = stains.separation();
        for (row, strength) in rows.iter().zip(&mut stains.strength) {
            let [a, b, c] = row.map(|value| value as f32);
            let concentrations: Vec<Vec<f32>> = densities
                .chunks()
                .map(|[red, green, blue]| {
                    let mut values = vec![0.0; red.len()];
                    widest!({
                        for (i, value) in values.iter_mut().enumerate() {
                            *value = a * red[i] + b * green[i] + c * blue[i];
                        }
                    });
                    values
                })
                .collect();
            let [value] = percentiles(&concentrations, [STRENGTH_PERCENT]).ok_or(Unseparable::NoTissue)?;
            *strength = f64::from(value).max(1e-6);
        }
        Ok(stains)
    }

    /// The matrix that maps a density to the concentrations of haematoxylin and eosin (its rows), by least
    /// squares.
    fn separation(&self) -> [[f64; 3]; 2] {
        let [h, e] = self.vectors.map(Vector3::from);
        let (hh, he, ee) = (h.dot(&h), h.dot(&e), e.dot(&e));
        // (Vᵀ V)⁻¹ Vᵀ; `find` has ensured that the two columns of V are different.
        let determinant = hh * ee - he * he;
        let inverse = Matrix2::new(ee, -he, -he, hh) / determinant;
        let columns = Matrix3x2::from_columns(&[h, e]);
        let rows = inverse * columns.transpose();
        [0, 1].map(|row| [0, 1, 2].map(|column| rows[(row, column)]))
    }

    /// The matrix that maps densities of this slide to those of `target`, with the chosen stains.
    fn transfer(&self, target: &Self, chosen: Chosen) -> [[f32; 3]; 3] {
        let rows = self.separation();
        let mut matrix = [[0.0; 3]; 3];
        let stains = match chosen {
            Chosen::Both => 0..2,
            Chosen::Haematoxylin => 0..1,
        };
        for stain in stains {
            let factor = target.strength[stain] / self.strength[stain];
            for (to, density) in matrix.iter_mut().zip(target.vectors[stain]) {
                for (to, share) in to.iter_mut().zip(rows[stain]) {
                    *to += (density * factor * share) as f32;
                }
            }
        }
        matrix
    }
}

/// Stains to show in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chosen {
    /// Haematoxylin and eosin: the normalised slide.
    Both,
    /// Only haematoxylin: the H image.
    Haematoxylin,
}

/// Normalises an RGB image `[3, y, x]` with values in [0, 1] to the colours of `target`, with the chosen
/// stains.
///
/// The new intensities are I' + 1 = I₀ exp(-OD'). An image normalised to its own stains is therefore
/// unchanged, except for components outside their plane and values outside [0, 1].
///
/// # Errors
/// If the image is not RGB, has hardly any tissue, or has only one stain.
pub fn normalise(
    image: ArrayView3<'_, f32>,
    target: &Stains,
    chosen: Chosen,
    config: &MacenkoConfig,
) -> Result<Array3<f32>, Unseparable> {
    let densities = densities(image, config)?;
    let matrix = Stains::of_densities(&densities, config)?.transfer(target, chosen);
    Ok(densities.into_image(matrix, config))
}

/// Optical densities `[3, y, x]`, in standard layout.
struct Densities(Array3<f32>);

fn densities(image: ArrayView3<'_, f32>, config: &MacenkoConfig) -> Result<Densities, Unseparable> {
    if image.dim().0 != 3 {
        return Err(Unseparable::NotRgb(image.dim().0));
    }
    let image = image.as_standard_layout();
    let transmitted = config.transmitted as f32;
    let mut result = Array3::zeros(image.dim());
    let values = image.as_slice().expect("standard layout");
    let densities = result.as_slice_mut().expect("a new array has standard layout");
    densities.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(densities, values)| {
        widest!({
            for (density, value) in densities.iter_mut().zip(values) {
                *density = -ln((255.0 * value + 1.0) / transmitted);
            }
        });
    });
    Ok(Densities(result))
}

impl Densities {
    fn pixels(&self) -> usize {
        self.0.dim().1 * self.0.dim().2
    }

    /// Red, green and blue values in chunks that are always the same.
    fn chunks(&self) -> impl IndexedParallelIterator<Item = [&[f32]; 3]> {
        let values = self.0.as_slice().expect("densities have standard layout");
        let (red, rest) = values.split_at(self.pixels());
        let (green, blue) = rest.split_at(self.pixels());
        red.par_chunks(CHUNK)
            .zip(green.par_chunks(CHUNK))
            .zip(blue.par_chunks(CHUNK))
            .map(|((red, green), blue)| [red, green, blue])
    }

    /// Converts the densities `matrix` OD to an image.
    fn into_image(mut self, matrix: [[f32; 3]; 3], config: &MacenkoConfig) -> Array3<f32> {
        let transmitted = config.transmitted as f32;
        let (red, mut rest) = self.0.view_mut().split_at(Axis(0), 1);
        let (green, blue) = rest.view_mut().split_at(Axis(0), 1);
        let [red, green, blue] =
            [red, green, blue].map(|plane| plane.into_slice().expect("densities have standard layout"));
        red.par_chunks_mut(CHUNK).zip(green.par_chunks_mut(CHUNK)).zip(blue.par_chunks_mut(CHUNK)).for_each(
            |((red, green), blue)| {
                widest!({
                    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
                        (*red, *green, *blue) = brightness(matrix, [*red, *green, *blue], transmitted).into();
                    }
                });
            },
        );
        self.0
    }
}

/// Red, green and blue values for the densities `matrix` OD.
#[inline(always)]
fn brightness(matrix: [[f32; 3]; 3], od: [f32; 3], transmitted: f32) -> [f32; 3] {
    let mut levels = [0.0; 3];
    for (level, row) in levels.iter_mut().zip(matrix) {
        let density = row[0] * od[0] + row[1] * od[1] + row[2] * od[2];
        *level = ((transmitted * exp(-density) - 1.0) / 255.0).clamp(0.0, 1.0);
    }
    levels
}

/// Sums over the pixels with tissue.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: [f64; 3],
    /// Sums of red², green², blue², red green, red blue, green blue.
    products: [f64; 6],
}

impl Moments {
    #[inline(always)]
    fn of([red, green, blue]: [&[f32]; 3], beta: f32) -> Self {
        let mut sums = Self::default();
        // Sixteen parallel sums in single precision, added up before they lose accuracy.
        for ((red, green), blue) in red.chunks(1024).zip(green.chunks(1024)).zip(blue.chunks(1024)) {
            let mut lanes = [[0.0f32; 16]; 10];
            let ((red, red_rest), (green, green_rest), (blue, blue_rest)) =
                (red.as_chunks::<16>(), green.as_chunks::<16>(), blue.as_chunks::<16>());
            for ((r, g), b) in red.iter().zip(green).zip(blue) {
                for lane in 0..16 {
                    add_terms(&mut lanes, lane, [r[lane], g[lane], b[lane]], beta);
                }
            }
            for ((&r, &g), &b) in red_rest.iter().zip(green_rest).zip(blue_rest) {
                add_terms(&mut lanes, 0, [r, g, b], beta);
            }
            let [count, r, g, b, products @ ..] = lanes.map(|lane| f64::from(lane.iter().sum::<f32>()));
            sums = sums.plus(&Self { count, sum: [r, g, b], products });
        }
        sums
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: std::array::from_fn(|i| self.sum[i] + other.sum[i]),
            products: std::array::from_fn(|i| self.products[i] + other.products[i]),
        }
    }

    /// The mean, and the two eigenvectors of the covariance with the largest eigenvalues.
    fn principal_plane(&self) -> (Vector3<f64>, Matrix3x2<f64>) {
        let mean = Vector3::from(self.sum) / self.count;
        let [rr, gg, bb, rg, rb, gb] = self.products.map(|product| product / self.count);
        let covariance = Matrix3::new(rr, rg, rb, rg, gg, gb, rb, gb, bb) - mean * mean.transpose();
        let eigen = SymmetricEigen::new(covariance);
        let least = eigen.eigenvalues.imin();
        let columns = eigen.eigenvectors;
        let [a, b] = match least {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        (mean, Matrix3x2::from_columns(&[columns.column(a).into_owned(), columns.column(b).into_owned()]))
    }
}

/// Adds a pixel, if it has tissue, to one lane of the sums.
#[inline(always)]
fn add_terms(lanes: &mut [[f32; 16]; 10], lane: usize, [r, g, b]: [f32; 3], beta: f32) {
    let tissue = if r.min(g).min(b) >= beta { 1.0 } else { 0.0 };
    let (x, y, z) = (tissue * r, tissue * g, tissue * b);
    for (sums, term) in lanes.iter_mut().zip([tissue, x, y, z, x * r, y * g, z * b, x * g, x * b, y * b]) {
        sums[lane] += term;
    }
}

/// A number from -2 to 2 that increases with the angle of (x, y) from -π to π, but is cheaper to compute.
#[inline(always)]
fn turn(x: f32, y: f32) -> f32 {
    let part = y / (x.abs() + y.abs()).max(f32::MIN_POSITIVE);
    if x >= 0.0 { part } else { 2.0f32.copysign(y) - part }
}

/// A vector with this [`turn`].
fn direction(turn: f32) -> (f64, f64) {
    let turn = f64::from(turn);
    if turn.abs() <= 1.0 {
        (1.0 - turn.abs(), turn)
    } else {
        let y = 2.0f64.copysign(turn) - turn;
        (y.abs() - 1.0, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use proptest::prelude::*;

    /// A slide with known stains: concentrations are smooth blobs, and some of it is bare glass.
    fn slide(stains: &Stains, height: usize, width: usize, seed: f64) -> Array3<f32> {
        let config = MacenkoConfig::default();
        Array3::from_shape_fn((3, height, width), |(channel, y, x)| {
            let (y, x) = (y as f64 * 0.31 + seed, x as f64 * 0.17 + 2.0 * seed);
            let h = (y.sin() * x.cos() + 0.3).max(0.0) * stains.strength[0];
            let e = ((0.7 * x).sin() * (1.3 * y).cos() + 0.3).max(0.0) * stains.strength[1];
            let density = h * stains.vectors[0][channel] + e * stains.vectors[1][channel];
            let level = (config.transmitted * (-density).exp() - 1.0).round();
            (level.clamp(0.0, 255.0) / 255.0) as f32
        })
    }

    fn unit(vector: [f64; 3]) -> [f64; 3] {
        Vector3::from(vector).normalize().into()
    }

    fn some_stains() -> Stains {
        Stains { vectors: [unit([0.65, 0.70, 0.29]), unit([0.07, 0.99, 0.11])], strength: [1.5, 1.2] }
    }

    /// The method step by step as published, in double precision and with sorted lists.
    fn slow(image: &Array3<f32>, config: &MacenkoConfig) -> (Stains, Array3<f64>) {
        let (_, height, width) = image.dim();
        let od = image.mapv(|v| -((255.0 * f64::from(v) + 1.0) / config.transmitted).ln());
        let pixels: Vec<Vector3<f64>> = (0..height * width)
            .map(|i| Vector3::from_fn(|channel, _| od[[channel, i / width, i % width]]))
            .collect();
        let tissue: Vec<_> = pixels.iter().filter(|od| od.min() >= config.beta).collect();
        let mean = tissue.iter().copied().sum::<Vector3<f64>>() / tissue.len() as f64;
        let covariance = tissue.iter().map(|&od| (od - mean) * (od - mean).transpose()).sum::<Matrix3<f64>>();
        let svd = covariance.svd(true, false);
        let u = svd.u.unwrap();
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| svd.singular_values[b].total_cmp(&svd.singular_values[a]));
        let mut first = u.column(order[0]).into_owned();
        if first.dot(&mean) < 0.0 {
            first = -first;
        }
        let second = u.column(order[1]).into_owned();
        let mut angles: Vec<f64> = tissue.iter().map(|od| od.dot(&second).atan2(od.dot(&first))).collect();
        let percentile = |values: &mut Vec<f64>, percent: f64| {
            values.sort_by(f64::total_cmp);
            let position = percent / 100.0 * (values.len() - 1) as f64;
            let (low, high) = (values[position.floor() as usize], values[position.ceil() as usize]);
            low + position.fract() * (high - low)
        };
        let ends = [config.alpha, 100.0 - config.alpha].map(|percent| {
            let angle = percentile(&mut angles, percent);
            first * angle.cos() + second * angle.sin()
        });
        let [h, e] = if ends[0].x > ends[1].x { ends } else { [ends[1], ends[0]] };
        let solve = Matrix3x2::from_columns(&[h, e]).pseudo_inverse(1e-12).unwrap();
        let concentrations: Vec<Vector2<f64>> = pixels.iter().map(|od| solve * od).collect();
        let strength = [0, 1].map(|stain| {
            percentile(&mut concentrations.iter().map(|c| c[stain]).collect(), STRENGTH_PERCENT)
        });
        let reference = Stains::REFERENCE;
        let normalised = Array3::from_shape_fn(image.dim(), |(channel, y, x)| {
            let c = concentrations[y * width + x];
            let density: f64 = (0..2)
                .map(|stain| {
                    reference.vectors[stain][channel] * c[stain] * reference.strength[stain] / strength[stain]
                })
                .sum();
            ((config.transmitted * (-density).exp() - 1.0) / 255.0).clamp(0.0, 1.0)
        });
        (Stains { vectors: [h.into(), e.into()], strength }, normalised)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn the_fast_way_equals_the_slow_one(
            seed in 0.0f64..100.0, height in 20usize..60, width in 20usize..60, alpha in 0.5f64..5.0,
        ) {
            let image = slide(&some_stains(), height, width, seed);
            let config = MacenkoConfig { alpha, ..Default::default() };
            let (stains, normalised) = slow(&image, &config);
            let found = Stains::find(image.view(), &config).unwrap();
            for stain in 0..2 {
                for channel in 0..3 {
                    prop_assert!((found.vectors[stain][channel] - stains.vectors[stain][channel]).abs() < 1e-4);
                }
                prop_assert!((found.strength[stain] / stains.strength[stain] - 1.0).abs() < 1e-3);
            }
            let fast = normalise(image.view(), &Stains::REFERENCE, Chosen::Both, &config).unwrap();
            for (fast, slow) in fast.iter().zip(&normalised) {
                prop_assert!((f64::from(*fast) - slow).abs() < 1e-3, "{fast} {slow}");
            }
        }

        #[test]
        fn turns_rise_with_the_angle(a in -3.1f32..3.1, b in -3.1f32..3.1, scale in 0.1f32..10.0) {
            let of = |angle: f32| turn(scale * angle.cos(), scale * angle.sin());
            prop_assert!((a - b).abs() < 1e-3 || (a < b) == (of(a) < of(b)));
            let (x, y) = direction(of(a));
            prop_assert!((y.atan2(x) - f64::from(a)).abs() < 1e-5);
        }
    }

    #[test]
    fn known_stains_are_found() {
        let stains = some_stains();
        let found = Stains::find(slide(&stains, 150, 150, 0.0).view(), &MacenkoConfig::default()).unwrap();
        for stain in 0..2 {
            let cosine = Vector3::from(found.vectors[stain]).dot(&Vector3::from(stains.vectors[stain]));
            assert!(cosine > 0.99, "{found:?}");
        }
    }

    #[test]
    fn two_slides_of_one_tissue_become_alike() {
        let other = Stains { vectors: [unit([0.5, 0.75, 0.4]), unit([0.2, 0.9, 0.3])], strength: [0.9, 0.7] };
        let [a, b] = [some_stains(), other].map(|stains| slide(&stains, 120, 120, 0.0));
        let config = MacenkoConfig::default();
        let distance = |a: &Array3<f32>, b: &Array3<f32>| (a - b).mapv(f32::abs).mean().unwrap();
        let [x, y] =
            [&a, &b].map(|slide| normalise(slide.view(), &Stains::REFERENCE, Chosen::Both, &config).unwrap());
        assert!(distance(&x, &y) < 0.25 * distance(&a, &b), "{} {}", distance(&x, &y), distance(&a, &b));
    }

    #[test]
    fn an_image_brought_to_its_own_stains_stays() {
        let image = slide(&some_stains(), 90, 90, 1.0);
        let config = MacenkoConfig::default();
        let own = Stains::find(image.view(), &config).unwrap();
        let same = normalise(image.view(), &own, Chosen::Both, &config).unwrap();
        let furthest = (&same - &image).fold(0.0f32, |most, d| most.max(d.abs()));
        assert!(furthest < 0.03, "{furthest}");
    }

    #[test]
    fn the_h_image_shows_haematoxylin_alone() {
        let image = slide(&some_stains(), 90, 90, 1.0);
        let config = MacenkoConfig::default();
        let h = normalise(image.view(), &Stains::REFERENCE, Chosen::Haematoxylin, &config).unwrap();
        let densities = densities(h.view(), &config).unwrap().0;
        let expected = Vector3::from(Stains::REFERENCE.vectors[0]).normalize();
        let mut checked = 0;
        for y in 0..90 {
            for x in 0..90 {
                let density = Vector3::from_fn(|channel, _| f64::from(densities[[channel, y, x]]));
                let inside = (0..3).all(|channel| h[[channel, y, x]] > 0.0 && h[[channel, y, x]] < 1.0);
                if inside && density.norm() > 0.5 {
                    checked += 1;
                    assert!(density.normalize().dot(&expected) > 0.9999);
                }
            }
        }
        assert!(checked > 500, "{checked}");
    }

    #[test]
    fn images_without_two_stains_say_so() {
        let config = MacenkoConfig::default();
        let find = |image: &Array3<f32>| Stains::find(image.view(), &config);
        let even = |value: f32| Array3::from_elem((3, 20, 20), value);
        assert_eq!(find(&even(1.0)), Err(Unseparable::NoTissue));
        assert_eq!(find(&even(0.0)), Err(Unseparable::OneStain));
        assert_eq!(find(&even(0.5)), Err(Unseparable::OneStain));
        assert_eq!(find(&Array3::zeros((1, 20, 20))), Err(Unseparable::NotRgb(1)));
        assert_eq!(find(&Array3::zeros((3, 0, 0))), Err(Unseparable::NoTissue));
        let one = Stains { strength: [1.5, 0.0], ..some_stains() };
        assert_eq!(find(&slide(&one, 80, 80, 0.0)), Err(Unseparable::OneStain));
        // A small spot of tissue on glass.
        let mut speck = Array2::from_elem((3, 10_000), 1.0f32);
        speck.column_mut(5).fill(0.2);
        let speck = speck.into_shape_with_order((3, 100, 100)).unwrap();
        assert_eq!(find(&speck), Err(Unseparable::NoTissue));
    }

    #[test]
    fn every_problem_is_reported() {
        let config = MacenkoConfig { alpha: 50.0, beta: -1.0, transmitted: 0.0 };
        assert_eq!(config.problems().len(), 3);
        assert_eq!(MacenkoConfig::default().problems(), []);
    }
}
