//! The tree-structured Parzen estimator: proposes values where good trials are dense and the others
//! sparse.
//!
//! Each parameter is estimated on its own. Kernels are logistic, not normal: their distribution
//! function has a closed form, which makes truncation at the ends of the range exact.
//!
//! # References
//! Bergstra, Bardenet, Bengio & Kégl (2011), section 4. The widths of the kernels and the size of
//! the good part follow section 3 of Watanabe (2023), Tree-structured Parzen estimator.

use rand::RngExt;
use serde_json::Value;

use porecast_store::config::search::Values;
use porecast_store::config::search_space as space;
use porecast_store::journal::{Outcome, Record};

/// Candidates drawn for each value.
const CANDIDATES: usize = 24;
/// Largest number of good trials.
const GOOD_AT_MOST: usize = 25;

/// The trials so far: the good ones and the others.
pub(super) struct Halves<'a> {
    good: Vec<&'a Record>,
    /// Worse, failed or still running; running ones keep parallel processes from trying the same
    /// point.
    other: Vec<&'a Record>,
}

impl<'a> Halves<'a> {
    /// Splits off the tenth with the lowest values, rounded up and at most [`GOOD_AT_MOST`]; `None`
    /// before `startup` trials have a value.
    pub(super) fn of(records: &'a [Record], startup: usize) -> Option<Self> {
        let value = |record: &Record| match record.outcome {
            Some(Outcome::Value(value)) if value.is_finite() => Some(value),
            _ => None,
        };
        let (mut good, mut other): (Vec<_>, Vec<_>) =
            records.iter().partition(|record| value(record).is_some());
        if good.len() < startup {
            return None;
        }
        good.sort_by(|a, b| value(a).partial_cmp(&value(b)).expect("finite values"));
        other.extend(good.split_off(good.len().div_ceil(10).min(GOOD_AT_MOST)));
        Some(Self { good, other })
    }
}

/// The value with the highest ratio of the good density to the other, among candidates drawn from
/// the good density.
pub(super) fn draw(key: &str, values: &Values, halves: &Halves, generator: &mut impl RngExt) -> Value {
    let of = |records: &[&Record]| -> Vec<Value> {
        records.iter().filter_map(|record| record.point.get(key).cloned()).collect()
    };
    let (good, other) = (of(&halves.good), of(&halves.other));
    if let Values::Choice(list) = values {
        let (good, other) = (shares(list, &good), shares(list, &other));
        let candidates = (0..CANDIDATES).map(|_| pick(&good, generator));
        let best = candidates.max_by(|a, b| (good[*a] / other[*a]).total_cmp(&(good[*b] / other[*b])));
        return list[best.expect("there are candidates")].clone();
    }
    let density = |found: Vec<Value>| {
        Density::of(found.iter().filter_map(|value| space::coordinate(values, value)).collect())
    };
    let (good, other) = (density(good), density(other));
    let ratio = |x: f64| good.at(x).ln() - other.at(x).ln();
    let candidates = (0..CANDIDATES).map(|_| good.draw(generator));
    let best = candidates.max_by(|a, b| ratio(*a).total_cmp(&ratio(*b))).expect("there are candidates");
    space::at(values, best)
}

/// Shares of the choices, with one added to each count.
fn shares(list: &[Value], found: &[Value]) -> Vec<f64> {
    let total = (found.len() + list.len()) as f64;
    list.iter()
        .map(|choice| (1 + found.iter().filter(|value| *value == choice).count()) as f64 / total)
        .collect()
}

fn pick(shares: &[f64], generator: &mut impl RngExt) -> usize {
    let mut rest: f64 = generator.random();
    for (index, share) in shares.iter().enumerate() {
        rest -= share;
        if rest < 0.0 {
            return index;
        }
    }
    shares.len() - 1
}

/// A mixture, with equal weights, of the uniform density and kernels on [0, 1].
struct Density {
    /// Centres and scales.
    kernels: Vec<(f64, f64)>,
}

impl Density {
    /// A kernel at each point; its standard deviation is the distance to the farther neighbour or
    /// end of the range.
    fn of(mut points: Vec<f64>) -> Self {
        points.sort_by(f64::total_cmp);
        let narrowest = 1.0 / (points.len() + 1).min(100) as f64;
        let neighbour = |index: usize| points.get(index).copied();
        let kernels = (0..points.len())
            .map(|index| {
                let x = points[index];
                let before = index.checked_sub(1).and_then(neighbour).unwrap_or(0.0);
                let after = neighbour(index + 1).unwrap_or(1.0);
                let deviation = (x - before).max(after - x).clamp(narrowest, 1.0);
                // The standard deviation of a logistic distribution is π/√3 times its scale.
                (x, deviation * 3f64.sqrt() / std::f64::consts::PI)
            })
            .collect();
        Self { kernels }
    }

    fn at(&self, x: f64) -> f64 {
        let kernels = self.kernels.iter().map(|&(centre, scale)| {
            let [low, high, here] = [0.0, 1.0, x].map(|x| logistic((x - centre) / scale));
            here * (1.0 - here) / scale / (high - low)
        });
        (1.0 + kernels.sum::<f64>()) / (1 + self.kernels.len()) as f64
    }

    fn draw(&self, generator: &mut impl RngExt) -> f64 {
        let share: f64 = generator.random();
        match self.kernels.get(generator.random_range(0..=self.kernels.len())) {
            None => share,
            Some(&(centre, scale)) => {
                let [low, high] = [0.0, 1.0].map(|x| logistic((x - centre) / scale));
                let reached = low + share * (high - low);
                (centre + scale * (reached / (1.0 - reached)).ln()).clamp(0.0, 1.0)
            }
        }
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use porecast_base::seed;

    #[test]
    fn a_density_integrates_to_one_and_draws_follow_it() {
        for points in [vec![], vec![0.3], vec![0.0, 0.02, 0.5, 1.0, 1.0]] {
            let density = Density::of(points);
            let steps = 20_000;
            let middle = |i: usize| (i as f64 + 0.5) / steps as f64;
            let below = |x: f64| {
                (0..steps).map(middle).filter(|at| *at < x).map(|at| density.at(at)).sum::<f64>()
                    / steps as f64
            };
            assert!((below(2.0) - 1.0).abs() < 1e-4);
            let mut generator = seed::generator(0, "test", 0);
            let draws: Vec<f64> = (0..20_000).map(|_| density.draw(&mut generator)).collect();
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
            for x in [0.1, 0.35, 0.8] {
                let share = draws.iter().filter(|draw| **draw < x).count() as f64 / draws.len() as f64;
                assert!(
                    (share - below(x)).abs() < 0.02,
                    "{share} of the draws below {x}, expected {}",
                    below(x)
                );
            }
        }
    }

    #[test]
    fn the_good_part_is_a_tenth_and_waits_for_the_start() {
        let record = |number: usize, outcome| Record { number, point: Default::default(), outcome };
        let mut records: Vec<_> = (0..11).map(|i| record(i, Some(Outcome::Value(i as f64)))).collect();
        records.push(record(11, None));
        records.push(record(12, Some(Outcome::Failed("for the test".into()))));
        assert!(Halves::of(&records, 12).is_none());
        let halves = Halves::of(&records, 11).expect("enough trials");
        let numbers = |records: &[&Record]| records.iter().map(|record| record.number).collect::<Vec<_>>();
        assert_eq!(numbers(&halves.good), [0, 1]);
        assert_eq!(halves.other.len(), 11);
    }
}
