//! Finds suspicious samples in a stack of images and masks, which should be inspected and perhaps removed.

use std::collections::BTreeMap;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::NpzStack;

/// Criteria for suspicious samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleaningConfig {
    /// An image is an outlier if its mean or its standard deviation differs from the median of all images by
    /// more than this many robust standard deviations (1.4826 times the median absolute deviation).
    pub deviations: f64,
}

impl Default for CleaningConfig {
    /// Six: exceeded by about one in a billion normally distributed values.
    fn default() -> Self {
        Self { deviations: 6.0 }
    }
}

/// Indices of suspicious samples in a training set.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// Samples with identical masks of more than one class, which cannot be independent annotations. Groups
    /// of two or more, in order.
    pub same_mask: Vec<Vec<usize>>,
    /// Samples with identical images, whatever their masks.
    pub same_image: Vec<Vec<usize>>,
    /// Samples whose image differs strongly from the others.
    pub outliers: Vec<Outlier>,
    /// Samples whose mask contains only background. They teach a network nothing if the background is not
    /// scored.
    pub all_background: Vec<usize>,
}

/// An image that differs strongly from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlier {
    /// Index into the training set.
    pub index: usize,
    /// Why it is an outlier, with numbers.
    pub reason: String,
}

impl Findings {
    /// Indices to remove, in order, without duplicates: every sample with a shared mask (it can fit only one
    /// image, and it is unknown which), all but the first of each shared image, and the outliers.
    pub fn removals(&self) -> Vec<usize> {
        let mut removals: Vec<usize> = self.same_mask.concat();
        removals.extend(self.same_image.iter().flat_map(|group| &group[1..]));
        removals.extend(self.outliers.iter().map(|outlier| outlier.index));
        removals.sort_unstable();
        removals.dedup();
        removals
    }
}

/// Searches the training set of a stack for suspicious samples.
pub fn look_through(stack: &NpzStack, config: &CleaningConfig) -> Findings {
    let count = stack.training_len();
    let is_uniform = |index: usize| {
        let mask = stack.mask(index);
        mask.iter().all(|class| Some(class) == mask.first())
    };
    let with_outline = (0..count).filter(|&index| !is_uniform(index));
    Findings {
        same_mask: groups(with_outline, |index| stack.mask(index)),
        same_image: groups(0..count, |index| stack.image(index)),
        outliers: outliers(stack, config.deviations),
        all_background: (0..count)
            .filter(|&index| stack.mask(index).iter().all(|&class| class == 0))
            .collect(),
    }
}

/// Groups of two or more indices whose arrays are equal.
fn groups<'a>(
    indices: impl Iterator<Item = usize>,
    array: impl Fn(usize) -> ArrayView2<'a, u8>,
) -> Vec<Vec<usize>> {
    let mut by_content: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for index in indices {
        by_content.entry(array(index).iter().copied().collect()).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = by_content.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_unstable();
    groups
}

fn outliers(stack: &NpzStack, deviations: f64) -> Vec<Outlier> {
    let moments: Vec<(f64, f64)> = (0..stack.training_len())
        .map(|index| {
            let image = stack.image(index);
            let count = image.len() as f64;
            let mean = image.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
            let variance = image.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
            (mean, variance.sqrt())
        })
        .collect();
    let means = Spread::of(moments.iter().map(|m| m.0).collect());
    let contrasts = Spread::of(moments.iter().map(|m| m.1).collect());
    let mut outliers = Vec::new();
    for (index, &(mean, contrast)) in moments.iter().enumerate() {
        let mut reasons = Vec::new();
        for (name, value, spread) in [("mean", mean, &means), ("standard deviation", contrast, &contrasts)] {
            let away = spread.deviations(value);
            if away > deviations {
                reasons.push(format!(
                    "{name} {value:.1} is {away:.1} robust standard deviations from the median {:.1}",
                    spread.median
                ));
            }
        }
        if contrast == 0.0 {
            reasons.push("all pixels are equal".into());
        }
        if !reasons.is_empty() {
            outliers.push(Outlier { index, reason: reasons.join("; ") });
        }
    }
    outliers
}

/// Median and robust standard deviation.
struct Spread {
    median: f64,
    deviation: f64,
}

impl Spread {
    fn of(values: Vec<f64>) -> Self {
        let median = median(values.clone());
        let deviation = 1.4826 * self::median(values.iter().map(|v| (v - median).abs()).collect());
        Self { median, deviation }
    }

    /// Distance from the median in robust standard deviations; 0 if more than half of the values are equal,
    /// because the spread is then unknown.
    fn deviations(&self, value: f64) -> f64 {
        if self.deviation > 0.0 { (value - self.median).abs() / self.deviation } else { 0.0 }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4, s};

    use super::super::npz_stack::{self, Options};
    use super::*;

    #[test]
    fn the_median_by_hand() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0])), (2.0, 2.5));
    }

    #[test]
    fn shared_masks_shared_images_and_outliers_are_listed() {
        // Twenty images with slightly different contrasts; each mask has a different corner.
        let mut training = Array4::from_shape_fn((20, 2, 6, 6), |(k, part, y, x)| match part {
            0 => (100 + (7 * k + 3 * x + 5 * y) % 30 + k % 5) as u8,
            _ => u8::from(6 * y + x > k),
        });
        let first_mask = training.slice(s![2, 1, .., ..]).to_owned();
        training.slice_mut(s![9, 1, .., ..]).assign(&first_mask);
        let first_image = training.slice(s![4, 0, .., ..]).to_owned();
        training.slice_mut(s![11, 0, .., ..]).assign(&first_image);
        training.slice_mut(s![15, 0, .., ..]).fill(250);
        // Uniform masks are common and not suspicious.
        training.slice_mut(s![16..18, 1, .., ..]).fill(3);
        training.slice_mut(s![18..20, 1, .., ..]).fill(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        npz_stack::write(&path, &training, &Array3::zeros((0, 1, 1))).unwrap();
        let stack = NpzStack::open(&path, Options::default()).unwrap();
        let findings = look_through(&stack, &CleaningConfig::default());
        assert_eq!(findings.same_mask, [[2, 9]]);
        assert_eq!(findings.same_image, [[4, 11]]);
        assert_eq!(findings.all_background, [18, 19]);
        assert_eq!(findings.outliers.iter().map(|o| o.index).collect::<Vec<_>>(), [15]);
        assert!(findings.outliers[0].reason.contains("mean 250.0"), "{}", findings.outliers[0].reason);
        assert_eq!(findings.removals(), [2, 9, 11, 15]);
    }
}
