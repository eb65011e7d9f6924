//! Percentiles of many values.

use rayon::prelude::*;

use crate::exponential::widest;

const BINS: usize = 4096;

/// Exact percentiles of finite values, with linear interpolation between the two nearest ranks. The values
/// are given in parts, one per task. `None` if there are no values.
///
/// A histogram finds the bins that contain the ranks; only the values of these bins are sorted.
pub(crate) fn percentiles<const N: usize>(parts: &[Vec<f32>], percents: [f64; N]) -> Option<[f32; N]> {
    let count: usize = parts.iter().map(Vec::len).sum();
    if count == 0 {
        return None;
    }
    let (low, high) = parts
        .par_iter()
        .map(|values| widest!(range(values)))
        .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if low >= high {
        return Some([low; N]);
    }
    let scale = BINS as f32 / (high - low);
    let bin = |value: f32| (((value - low) * scale) as u32).min(BINS as u32 - 1);
    let counts = parts
        .par_iter()
        .fold(
            || vec![0usize; BINS],
            |mut counts, values| {
                widest!({
                    let (groups, rest) = values.as_chunks::<16>();
                    for group in groups {
                        let bins = group.map(bin);
                        bins.iter().for_each(|&bin| counts[bin as usize] += 1);
                    }
                    rest.iter().for_each(|&value| counts[bin(value) as usize] += 1);
                });
                counts
            },
        )
        .reduce(
            || vec![0; BINS],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        );

    let positions = percents.map(|percent| (percent / 100.0).clamp(0.0, 1.0) * (count - 1) as f64);
    // For each rank: its bin, and its rank within the bin.
    let place = |rank: usize| {
        let (mut before, mut found) = (0, 0);
        while before + counts[found] <= rank {
            before += counts[found];
            found += 1;
        }
        (found, rank - before)
    };
    let places =
        positions.map(|position| [position.floor(), position.ceil()].map(|rank| place(rank as usize)));
    // Value range of each bin, widened by one bin on both sides to be safe against rounding.
    let stretches: Vec<[f32; 2]> = places
        .as_flattened()
        .iter()
        .map(|&(bin, _)| [low + (bin as f32 - 1.0) / scale, low + (bin as f32 + 2.0) / scale])
        .collect();
    let found: Vec<Vec<f32>> = parts
        .par_iter()
        .map(|values| {
            let mut found = Vec::new();
            widest!({
                for group in values.chunks(16) {
                    let lies_in = |[from, to]: &[f32; 2]| {
                        group.iter().fold(false, |any, value| any | ((value >= from) & (value <= to)))
                    };
                    if stretches.iter().any(lies_in) {
                        found.extend_from_slice(group);
                    }
                }
            });
            found
        })
        .collect();
    let in_order = |(place, rank): (usize, usize)| {
        let mut stretch: Vec<f32> =
            found.iter().flatten().copied().filter(|&v| bin(v) as usize == place).collect();
        *stretch.select_nth_unstable_by(rank, f32::total_cmp).1
    };
    Some(std::array::from_fn(|i| {
        let [lower, upper] = places[i].map(in_order);
        lower + positions[i].fract() as f32 * (upper - lower)
    }))
}

/// The smallest and the largest value.
#[inline(always)]
pub(crate) fn range(values: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([f32::INFINITY; 16], [f32::NEG_INFINITY; 16]);
    let (groups, rest) = values.as_chunks::<16>();
    for group in groups {
        for i in 0..16 {
            low[i] = if group[i] < low[i] { group[i] } else { low[i] };
            high[i] = if group[i] > high[i] { group[i] } else { high[i] };
        }
    }
    let low = low.iter().chain(rest).copied().fold(f32::INFINITY, f32::min);
    let high = high.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn percentiles_equal_those_of_sorted_values(
            values in prop::collection::vec(-10.0f32..10.0, 1..300), percent in 0.0f64..=100.0,
        ) {
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let position = percent / 100.0 * (values.len() - 1) as f64;
            let (lower, upper) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
            let expected = lower + position.fract() as f32 * (upper - lower);
            let parts: Vec<Vec<f32>> = values.chunks(37).map(<[f32]>::to_vec).collect();
            let [result, least, most] = percentiles(&parts, [percent, 0.0, 100.0]).unwrap();
            prop_assert!((result - expected).abs() < 1e-5);
            prop_assert_eq!((least, most), (sorted[0], sorted[values.len() - 1]));
        }
    }

    #[test]
    fn no_values_and_equal_values() {
        assert_eq!(percentiles(&[vec![]], [50.0]), None);
        assert_eq!(percentiles(&[vec![], vec![3.0; 9]], [1.0, 99.0]), Some([3.0, 3.0]));
    }
}
