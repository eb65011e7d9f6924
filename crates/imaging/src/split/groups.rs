//! Order in which groups are assigned to parts, and number of groups per part.

use std::collections::BTreeMap;

use porecast_base::seed;

use super::method::{Method, SplitConfig};
use super::{Member, TRAIN};

/// Groups bin by bin, each bin shuffled with the seed; independent of the order of `members`.
pub(super) fn ordered_groups<'a>(members: &'a [Member], config: &SplitConfig) -> Vec<&'a str> {
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for member in members {
        ratios.entry(&member.group).or_default().extend(member.target_ratio);
    }
    let rank = |group: &str| seed::rank(config.seed, group);
    // A group without a mask counts as having no target.
    let mut groups: Vec<(&str, f64)> = ratios
        .into_iter()
        .map(|(group, mut ratios)| {
            ratios.sort_by(f64::total_cmp);
            (group, ratios.iter().sum::<f64>() / ratios.len().max(1) as f64)
        })
        .collect();
    groups.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| rank(a.0).cmp(&rank(b.0))));
    let count = groups.len();
    let mut ordered: Vec<(usize, &str)> = groups
        .into_iter()
        .enumerate()
        .map(|(i, (group, _))| (i * config.bins / count.max(1), group))
        .collect();
    ordered.sort_by_cached_key(|&(bin, group)| (bin, rank(group)));
    ordered.into_iter().map(|(_, group)| group).collect()
}

/// Fraction of groups in each part: training, test, folds. Empty if lists define the parts.
pub(super) fn shares(method: &Method, groups: usize) -> Vec<f64> {
    match *method {
        Method::HoldOut { validation, test } => vec![1.0 - validation - test, test, validation],
        Method::Folds { count, test } => {
            let mut shares = vec![0.0, test];
            shares.extend(std::iter::repeat_n((1.0 - test) / count as f64, count));
            shares
        }
        Method::LeaveOneGroupOut => {
            let mut shares = vec![0.0, 0.0];
            shares.extend(std::iter::repeat_n(1.0 / groups.max(1) as f64, groups));
            shares
        }
        Method::Listed { .. } | Method::TestOnly => Vec::new(),
    }
}

/// Number of groups in each part: its share rounded down, plus one for the parts with the largest remainders.
/// A part that would be empty takes one group from the largest part.
pub(super) fn counts(shares: &[f64], groups: usize) -> Vec<usize> {
    let exact: Vec<f64> = shares.iter().map(|share| share * groups as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|e| (e + 1e-9).floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).filter(|&part| shares[part] > 0.0).collect();
    by_remainder.sort_by(|&a, &b| (exact[b] - counts[b] as f64).total_cmp(&(exact[a] - counts[a] as f64)));
    let missing = groups.saturating_sub(counts.iter().sum());
    by_remainder.iter().take(missing).for_each(|&part| counts[part] += 1);
    for part in 0..counts.len() {
        if shares[part] > 0.0 && counts[part] == 0 {
            let largest = (0..counts.len()).rev().max_by_key(|&p| counts[p]).unwrap_or(part);
            if counts[largest] > 1 {
                counts[largest] -= 1;
                counts[part] += 1;
            }
        }
    }
    counts
}

/// The part of each group in order. Each group goes to the part that is farthest behind its share so far.
/// Every section of the sequence, and so every bin, is then divided in proportion to the shares.
pub(super) fn deal(counts: &[usize]) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    let mut dealt = vec![0_usize; counts.len()];
    (1..=total)
        .map(|so_far| {
            // Multiplied by `total` to use integers; ties go to the first part.
            let behind = |part: usize| (counts[part] * so_far) as i64 - (dealt[part] * total) as i64;
            let part = (0..counts.len()).rev().max_by_key(|&part| behind(part)).unwrap_or(TRAIN);
            dealt[part] += 1;
            part
        })
        .collect()
}
