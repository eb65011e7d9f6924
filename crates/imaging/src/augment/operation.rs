//! The thirteen operations of auto-augmentation; each has one strength.

use ndarray::{Array3, Axis, Zip};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::Outside;
use super::geometry::Affine;
use super::warp;
use crate::AnnotatedImage;
use crate::exponential::widest;
use crate::quantile::range;

/// Values per parallel task.
const CHUNK: usize = 1 << 15;

/// Largest level of a published strength.
pub const LEVELS: u8 = 9;

/// An operation of the auto-augmentation.
///
/// The first eight change values and leave the mask unchanged; the last five move image and mask together.
///
/// # References
/// Cubuk et al. 2019, arXiv 1805.09501, Table 6 of the appendix, without Sharpness, Cutout and Sample
/// Pairing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// v' = s v.
    Brightness,
    /// v' = g + s (v - g) with the grey value g of the pixel; only for RGB images.
    Color,
    /// v' = m + s (v - m) with the mean grey value m of the image; if it is not RGB, with the mean of each
    /// channel.
    Contrast,
    /// Stretches each channel linearly to the whole range.
    AutoContrast,
    /// v' = 1 - v.
    Invert,
    /// Equalises the histogram (256 bins) of each channel.
    Equalize,
    /// v' = 1 - v where v ≥ s.
    Solarize,
    /// Keeps only the s highest of 8 bits.
    Posterize,
    /// Rotates by s degrees anticlockwise about the centre.
    Rotate,
    /// Shifts right by the fraction s of the width.
    TranslateX,
    /// Shifts down by the fraction s of the height.
    TranslateY,
    /// x' = x + s y, relative to the centre.
    ShearX,
    /// y' = y + s x, relative to the centre.
    ShearY,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Brightness,
        Self::Color,
        Self::Contrast,
        Self::AutoContrast,
        Self::Invert,
        Self::Equalize,
        Self::Solarize,
        Self::Posterize,
        Self::Rotate,
        Self::TranslateX,
        Self::TranslateY,
        Self::ShearX,
        Self::ShearY,
    ];

    /// The strength for a level from 0 to [`LEVELS`]. `reversed` selects the opposite direction for
    /// operations that have two directions.
    ///
    /// Factors are 1 ± 0.9 l/9, the solarize threshold 1 - l/9, bits 8 - round(4 l/9), rotations ± 30 l/9
    /// degrees, shifts ± 150/331 l/9, shears ± 0.3 l/9.
    pub fn strength(self, level: u8, reversed: bool) -> f64 {
        let share = f64::from(level.min(LEVELS)) / f64::from(LEVELS);
        let sign = if reversed { -1.0 } else { 1.0 };
        match self {
            Self::Brightness | Self::Color | Self::Contrast => 1.0 + sign * 0.9 * share,
            Self::AutoContrast | Self::Invert | Self::Equalize => 0.0,
            Self::Solarize => 1.0 - share,
            Self::Posterize => 8.0 - (4.0 * share).round(),
            Self::Rotate => sign * 30.0 * share,
            Self::TranslateX | Self::TranslateY => sign * share * 150.0 / 331.0,
            Self::ShearX | Self::ShearY => sign * 0.3 * share,
        }
    }

    /// Applies the operation to an image with values in [0, 1] and, if it moves pixels, to the mask.
    ///
    /// # Shapes
    /// Image `[c, y, x]`, mask `[y, x]`.
    pub fn apply(self, strength: f64, sample: &mut AnnotatedImage, outside: Outside) {
        let s = strength as f32;
        let image = &mut sample.image;
        match self {
            Self::Brightness => each(image, |v| (s * v).clamp(0.0, 1.0)),
            Self::Color => saturate(image, s),
            Self::Contrast => contrast(image, s),
            Self::AutoContrast => each_plane(image, auto_contrast),
            Self::Invert => each(image, |v| 1.0 - v),
            Self::Equalize => each_plane(image, equalize),
            Self::Solarize => each(image, |v| if v >= s { 1.0 - v } else { v }),
            Self::Posterize => {
                let kept = 255 << (8 - (strength.clamp(1.0, 8.0) as u32));
                each(image, |v| ((byte(v) & kept) as i32) as f32 / 255.0);
            }
            Self::Rotate => warp(sample, Affine::rotation(strength), None, outside),
            Self::TranslateX => {
                let pixels = (strength * image.dim().2 as f64).trunc();
                warp(sample, Affine::translation(pixels, 0.0), None, outside);
            }
            Self::TranslateY => {
                let pixels = (strength * image.dim().1 as f64).trunc();
                warp(sample, Affine::translation(0.0, pixels), None, outside);
            }
            Self::ShearX => warp(sample, Affine::shear(strength, 0.0), None, outside),
            Self::ShearY => warp(sample, Affine::shear(0.0, strength), None, outside),
        }
    }
}

/// Index of the nearest of the values 0, 1/255, …, 1.
#[inline(always)]
fn byte(value: f32) -> u32 {
    // A float of 2²³ or more has no fractional bits: the sum is rounded, and its lowest bits are the integer.
    (value.clamp(0.0, 1.0) * 255.0 + 8_388_608.0).to_bits() & 255
}

/// Applies `change` to each value.
pub(super) fn each(image: &mut Array3<f32>, change: impl Fn(f32) -> f32 + Sync) {
    let values = image.as_slice_mut().expect("augmentation keeps images in standard layout");
    values.par_chunks_mut(CHUNK).for_each(|values| widest!(values.iter_mut().for_each(|v| *v = change(*v))));
}

/// Applies `change` to each channel.
fn each_plane(image: &mut Array3<f32>, change: impl Fn(&mut [f32]) + Sync) {
    for mut plane in image.axis_iter_mut(Axis(0)) {
        change(plane.as_slice_mut().expect("augmentation keeps images in standard layout"));
    }
}

/// Grey value of a colour, ITU-R BT.601.
fn grey(red: f32, green: f32, blue: f32) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// v' = g + s (v - g) with the grey value g of the pixel; only for images with three channels.
pub(super) fn saturate(image: &mut Array3<f32>, s: f32) {
    if image.dim().0 != 3 {
        return;
    }
    let rows = image.dim().1.div_ceil(rayon::current_num_threads() * 4).max(1);
    let blocks: Vec<_> = image.axis_chunks_iter_mut(Axis(1), rows).collect();
    blocks.into_par_iter().for_each(|mut block| {
        let (red, rest) = block.view_mut().split_at(Axis(0), 1);
        let (green, blue) = rest.split_at(Axis(0), 1);
        Zip::from(red).and(green).and(blue).for_each(|red, green, blue| {
            let g = grey(*red, *green, *blue);
            for value in [red, green, blue] {
                *value = (g + s * (*value - g)).clamp(0.0, 1.0);
            }
        });
    });
}

/// v' = m + s (v - m) with the mean grey value m.
pub(super) fn contrast(image: &mut Array3<f32>, s: f32) {
    let means: Vec<f32> = image
        .axis_iter(Axis(0))
        .map(|plane| mean(plane.as_slice().expect("augmentation keeps images in standard layout")))
        .collect();
    let stretch = |m: f32| move |v: &mut f32| *v = (m + s * (*v - m)).clamp(0.0, 1.0);
    if let [red, green, blue] = means[..] {
        let stretch = stretch(grey(red, green, blue));
        each_plane(image, |plane| {
            plane.par_chunks_mut(CHUNK).for_each(|values| widest!(values.iter_mut().for_each(stretch)))
        });
    } else {
        for (mut plane, m) in image.axis_iter_mut(Axis(0)).zip(means) {
            plane.iter_mut().for_each(stretch(m));
        }
    }
}

/// Mean of a plane, summed in fixed chunks, so that it does not depend on the number of threads.
fn mean(values: &[f32]) -> f32 {
    let sums: Vec<f64> = values
        .par_chunks(CHUNK)
        .map(|values| {
            widest!({
                let mut lanes = [0.0f32; 16];
                let (groups, rest) = values.as_chunks::<16>();
                for group in groups {
                    for (lane, v) in lanes.iter_mut().zip(group) {
                        *lane += v;
                    }
                }
                lanes.iter().chain(rest).map(|&v| f64::from(v)).sum::<f64>()
            })
        })
        .collect();
    (sums.iter().sum::<f64>() / values.len().max(1) as f64) as f32
}

fn auto_contrast(plane: &mut [f32]) {
    let (low, high) = plane
        .par_chunks(CHUNK)
        .map(|values| widest!(range(values)))
        .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if high > low {
        let factor = 1.0 / (high - low);
        plane.par_chunks_mut(CHUNK).for_each(|values| {
            widest!(values.iter_mut().for_each(|v| *v = ((*v - low) * factor).clamp(0.0, 1.0)));
        });
    }
}

fn equalize(plane: &mut [f32]) {
    let histogram = plane
        .par_chunks(CHUNK)
        .map(|values| {
            // Four interleaved histograms: with a single one, runs of equal values would wait for the same
            // counter.
            let mut counts = [[0u32; 256]; 4];
            widest!({
                let (groups, rest) = values.as_chunks::<16>();
                for group in groups {
                    let bytes = group.map(byte);
                    (0..16).for_each(|i| counts[i % 4][bytes[i] as usize] += 1);
                }
                rest.iter().for_each(|&v| counts[0][byte(v) as usize] += 1);
            });
            std::array::from_fn(|bin| counts.iter().map(|counts| u64::from(counts[bin])).sum::<u64>())
        })
        .reduce(|| [0; 256], |a: [u64; 256], b| std::array::from_fn(|bin| a[bin] + b[bin]));
    let Some(table) = equalizing_table(&histogram) else { return };
    plane.par_chunks_mut(CHUNK).for_each(|values| {
        widest!(values.iter_mut().for_each(|v| *v = table[byte(*v) as usize]));
    });
}

/// New value for each of the 256 values: the fraction of pixels below it, scaled such that the darkest value
/// becomes 0 and the brightest 1. `None` if there is nothing to equalise.
fn equalizing_table(histogram: &[u64; 256]) -> Option<[f32; 256]> {
    let brightest = *histogram.iter().rfind(|&&count| count > 0)?;
    let step = (histogram.iter().sum::<u64>() - brightest) / 255;
    if step == 0 {
        return None;
    }
    let mut below = step / 2;
    Some(std::array::from_fn(|bin| {
        let value = (below / step).min(255);
        below += histogram[bin];
        value as f32 / 255.0
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use crate::augment::tests::blank;

    const FILL: Outside = Outside::Fill { value: 0.0, class: 0 };

    fn grey_after(operation: Operation, strength: f64, values: &[f32]) -> Vec<f32> {
        let mut sample = blank(1, 1, values.len());
        sample.image.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        operation.apply(strength, &mut sample, FILL);
        sample.image.into_raw_vec_and_offset().0
    }

    fn close(values: &[f32], expected: &[f32]) {
        assert_eq!(values.len(), expected.len());
        assert!(values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?} {expected:?}");
    }

    #[test]
    fn point_operations_by_hand() {
        close(&grey_after(Operation::Brightness, 1.5, &[0.0, 0.4, 0.8]), &[0.0, 0.6, 1.0]);
        close(&grey_after(Operation::Contrast, 0.5, &[0.0, 0.3, 0.6]), &[0.15, 0.3, 0.45]);
        close(&grey_after(Operation::Contrast, 3.0, &[0.0, 0.3, 0.6]), &[0.0, 0.3, 1.0]);
        close(&grey_after(Operation::AutoContrast, 0.0, &[0.2, 0.3, 0.6]), &[0.0, 0.25, 1.0]);
        close(&grey_after(Operation::AutoContrast, 0.0, &[0.2, 0.2]), &[0.2, 0.2]);
        close(&grey_after(Operation::Invert, 0.0, &[0.0, 0.3, 1.0]), &[1.0, 0.7, 0.0]);
        close(&grey_after(Operation::Solarize, 0.5, &[0.4, 0.5, 0.9]), &[0.4, 0.5, 0.1]);
        // 200 = 0b1100_1000, of which the two highest bits are 192.
        close(&grey_after(Operation::Posterize, 2.0, &[200.0 / 255.0, 63.0 / 255.0]), &[192.0 / 255.0, 0.0]);
        close(&grey_after(Operation::Color, 0.0, &[0.1, 0.9]), &[0.1, 0.9]);
    }

    #[test]
    fn colour_by_hand() {
        let mut sample = blank(3, 1, 1);
        sample.image.iter_mut().zip([1.0, 0.5, 0.0]).for_each(|(to, from)| *to = from);
        let g = 0.299 + 0.2935;
        let mut greyed = sample.clone();
        Operation::Color.apply(0.0, &mut greyed, FILL);
        close(greyed.image.as_slice().unwrap(), &[g, g, g]);
        Operation::Color.apply(0.5, &mut sample, FILL);
        close(sample.image.as_slice().unwrap(), &[g + 0.5 * (1.0 - g), g + 0.5 * (0.5 - g), 0.5 * g]);
    }

    #[test]
    fn equalizing_evens_out_a_histogram_by_hand() {
        // The step is (2533 + 1270) / 255 = 14, so that 20 moves to (7 + 2533) / 14 = 181.
        let mut histogram = [0; 256];
        (histogram[10], histogram[20], histogram[200]) = (2533, 1270, 1280);
        let table = equalizing_table(&histogram).unwrap();
        close(&[table[10], table[20], table[200]], &[0.0, 181.0 / 255.0, 1.0]);
        let mut one_value = [0; 256];
        one_value[7] = 1000;
        assert_eq!(equalizing_table(&one_value), None);
    }

    #[test]
    fn an_even_histogram_stays() {
        let ramp: Vec<f32> = (0..256 * 40).map(|i| (i / 40) as f32 / 255.0).collect();
        close(&grey_after(Operation::Equalize, 0.0, &ramp), &ramp);
    }

    #[test]
    fn moves_take_the_mask_along_by_hand() {
        let mut sample = blank(1, 2, 4);
        sample.image = array![[[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]]];
        sample.mask = Some(array![[1, 2, 3, 4], [5, 6, 7, 8]]);
        let mut right = sample.clone();
        Operation::TranslateX.apply(0.25, &mut right, FILL);
        assert_eq!(right.mask.unwrap(), array![[0, 1, 2, 3], [0, 5, 6, 7]]);
        close(right.image.as_slice().unwrap(), &[0.0, 0.1, 0.2, 0.3, 0.0, 0.5, 0.6, 0.7]);
        let mut down = sample.clone();
        Operation::TranslateY.apply(0.5, &mut down, FILL);
        assert_eq!(down.mask.unwrap(), array![[0, 0, 0, 0], [1, 2, 3, 4]]);
        // Half a pixel below the centre, s = 2 moves the lower row right by one and the upper row left by
        // one.
        Operation::ShearX.apply(2.0, &mut sample, FILL);
        assert_eq!(sample.mask.unwrap(), array![[2, 3, 4, 0], [0, 5, 6, 7]]);
    }

    #[test]
    fn strengths_at_the_ends_of_the_published_ranges() {
        let ends = |operation: Operation| {
            [(0, false), (LEVELS, false), (LEVELS, true)]
                .map(|(level, reversed)| operation.strength(level, reversed))
        };
        assert_eq!(ends(Operation::Brightness), [1.0, 1.9, 1.0 - 0.9]);
        assert_eq!(ends(Operation::Solarize), [1.0, 0.0, 0.0]);
        assert_eq!(ends(Operation::Posterize), [8.0, 4.0, 4.0]);
        assert_eq!(ends(Operation::Rotate), [0.0, 30.0, -30.0]);
        assert_eq!(ends(Operation::TranslateX), [0.0, 150.0 / 331.0, -150.0 / 331.0]);
        assert_eq!(ends(Operation::ShearY), [0.0, 0.3, -0.3]);
    }

    proptest! {
        #[test]
        fn neutral_strengths_change_nothing(
            values in prop::collection::vec((0u8..=255).prop_map(|v| f32::from(v) / 255.0), 12),
        ) {
            let mut original = blank(3, 2, 2);
            original.image.iter_mut().zip(&values).for_each(|(to, from)| *to = *from);
            for operation in Operation::ALL {
                if matches!(operation, Operation::AutoContrast | Operation::Invert | Operation::Equalize) { continue }
                let mut sample = original.clone();
                let strength = if operation == Operation::Solarize { 1.001 } else { operation.strength(0, true) };
                operation.apply(strength, &mut sample, FILL);
                let difference = (&sample.image - &original.image).fold(0.0f32, |most, d| most.max(d.abs()));
                prop_assert!(difference < 1e-6, "{operation:?} {difference}");
            }
            let mut sample = original.clone();
            Operation::Invert.apply(0.0, &mut sample, FILL);
            Operation::Invert.apply(0.0, &mut sample, FILL);
            prop_assert!((&sample.image - &original.image).iter().all(|d| d.abs() < 1e-6));
        }

        #[test]
        fn values_stay_in_range_and_only_moves_touch_the_mask(
            values in prop::collection::vec(0.0f32..=1.0, 3 * 6 * 7), level in 0u8..=LEVELS, reversed in any::<bool>(),
        ) {
            let mut original = blank(3, 6, 7);
            original.image.iter_mut().zip(&values).for_each(|(to, from)| *to = *from);
            original.mask = Some(Array2::from_shape_fn((6, 7), |(y, x)| u8::from(values[y * 7 + x] > 0.5) * 3));
            for operation in Operation::ALL {
                let mut sample = original.clone();
                operation.apply(operation.strength(level, reversed), &mut sample, FILL);
                prop_assert!(sample.image.iter().all(|v| (0.0..=1.0).contains(v)), "{operation:?}");
                let moves = matches!(operation, Operation::Rotate | Operation::TranslateX | Operation::TranslateY
                    | Operation::ShearX | Operation::ShearY);
                prop_assert!(moves || sample.mask == original.mask);
                prop_assert!(sample.mask.unwrap().iter().all(|class| [0, 3].contains(class)));
            }
        }
    }
}
