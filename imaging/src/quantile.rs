//! Percentiles of many values.

use rayon::prelude::*;

/// Values that one task looks at.
const CHUNK: usize = 1 << 16;
const BINS: usize = 4096;

/// Percentiles of finite values, exactly, interpolated linearly between the two nearest in order. None of no values.
///
/// A histogram finds the stretch in which each rank lies; only the values of that stretch are put in order.
pub(crate) fn percentiles<const N: usize>(values: &[f32], percents: [f64; N]) -> Option<[f32; N]> {
    let (low, high) = values
        .par_chunks(CHUNK)
        .map(|values| {
            values
                .iter()
                .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
        })
        .reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    if values.is_empty() {
        return None;
    }
    if low >= high {
        return Some([low; N]);
    }
    let scale = BINS as f32 / (high - low);
    let bin = |value: f32| (((value - low) * scale) as usize).min(BINS - 1);
    let counts = values
        .par_chunks(CHUNK)
        .map(|values| {
            let mut counts = vec![0usize; BINS];
            values.iter().for_each(|&value| counts[bin(value)] += 1);
            counts
        })
        .reduce(
            || vec![0; BINS],
            |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            },
        );
    let in_order = |rank: usize| {
        let (mut before, mut found) = (0, 0);
        while before + counts[found] <= rank {
            before += counts[found];
            found += 1;
        }
        let mut stretch: Vec<f32> = values.par_iter().copied().filter(|&v| bin(v) == found).collect();
        *stretch.select_nth_unstable_by(rank - before, f32::total_cmp).1
    };
    Some(percents.map(|percent| {
        let position = (percent / 100.0).clamp(0.0, 1.0) * (values.len() - 1) as f64;
        let (rank, part) = (position.floor() as usize, position.fract() as f32);
        let lower = in_order(rank);
        if part == 0.0 { lower } else { lower + part * (in_order(rank + 1) - lower) }
    }))
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
            let [result, least, most] = percentiles(&values, [percent, 0.0, 100.0]).unwrap();
            prop_assert!((result - expected).abs() < 1e-5);
            prop_assert_eq!((least, most), (sorted[0], sorted[values.len() - 1]));
        }
    }

    #[test]
    fn no_values_and_equal_values() {
        assert_eq!(percentiles(&[], [50.0]), None);
        assert_eq!(percentiles(&[3.0; 9], [1.0, 99.0]), Some([3.0, 3.0]));
    }
}
