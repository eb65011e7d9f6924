//! Prediction intervals of saturation and breakthrough time from the validation domains, and how many other domains
//! they cover.
//!
//! Split conformal prediction: the half-width is the k-th smallest absolute error of n validation domains, with
//! k = ⌈(n + 1) 0.9⌉. A new domain drawn like these lies inside with a probability of at least 90 %.
//!
//! # References
//! Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), Distribution-free predictive inference for regression,
//! algorithm 2.

use porecast_store::Intervals;
use porecast_store::run::MemberCard;

use super::scores::SequenceScores;
use crate::evaluate::table::{Row, Table, number};

/// Share of new domains that an interval shall cover.
const LEVEL: f64 = 0.9;

/// Intervals from the scores of the validation domains, for the networks `members`. `None` where the domains are too few for
/// the level.
pub(super) fn intervals(validation: &SequenceScores, members: &[MemberCard]) -> Option<Intervals> {
    let frames = validation.frames();
    let times = validation.per_time_step(&frames).iter().map(|step| step.time).collect();
    let widths = frames.iter().map(|frame| half_width(saturation_errors(validation, *frame)));
    let widths = widths.collect::<Option<Vec<f64>>>()?;
    let breakthrough = half_width(breakthrough_errors(validation));
    Some(Intervals::new(LEVEL, validation.domains.len(), (times, widths), breakthrough, members))
}

/// The intervals and their coverage of `others`; `None` where the validation domains are too few for the level.
pub(super) fn table(validation: &SequenceScores, others: &SequenceScores, what: &str) -> Option<Table> {
    let Intervals { saturation: widths, breakthrough, .. } = intervals(validation, &[])?;
    let (mut inside, mut all) = (0, 0);
    for (frame, width) in validation.frames().into_iter().zip(&widths) {
        let found = saturation_errors(others, frame);
        inside += found.iter().filter(|error| *error <= width).count();
        all += found.len();
    }
    let last = *widths.last()?;
    let mean = widths.iter().sum::<f64>() / widths.len() as f64;
    let row = |cells: [String; 3]| Row { cells: cells.to_vec(), is_baseline: false };
    let covered =
        |inside: usize, all: usize| format!("{:.1} % of {all}", 100.0 * inside as f64 / all.max(1) as f64);
    let mut rows = vec![row([
        "saturation at a time step".into(),
        format!("{} (mean), {} (last)", number(mean), number(last)),
        covered(inside, all),
    ])];
    if let Some(width) = breakthrough {
        let found = breakthrough_errors(others);
        let inside = found.iter().filter(|error| **error <= width).count();
        rows.push(row(["breakthrough time".into(), number(width), covered(inside, found.len())]));
    }
    Some(Table {
        title: format!(
            "Intervals at {:.0} % from {} validation domains, and their coverage of the {what}",
            100.0 * LEVEL,
            validation.domains.len()
        ),
        headings: ["", "half-width", "covered"].map(String::from).to_vec(),
        rows,
    })
}

/// Errors of the saturation at a frame, one a domain.
fn saturation_errors(scores: &SequenceScores, frame: usize) -> Vec<f64> {
    let frames = scores.domains.iter().flat_map(|domain| &domain.frames);
    let of_frame = frames.filter(|score| score.frame == frame);
    of_frame.map(|score| (score.saturation - score.true_saturation).abs()).collect()
}

/// Errors of the breakthrough time, one for each domain in which truth and prediction break through.
fn breakthrough_errors(scores: &SequenceScores) -> Vec<f64> {
    let pairs = scores.domains.iter().map(|d| (d.breakthrough_time, d.true_breakthrough_time));
    pairs.filter_map(|(p, t)| Some((p? - t?).abs())).collect()
}

/// Half-width of the interval that covers a new error with the probability [`LEVEL`].
fn half_width(mut errors: Vec<f64>) -> Option<f64> {
    errors.sort_by(f64::total_cmp);
    let rank = ((errors.len() + 1) as f64 * LEVEL).ceil() as usize;
    errors.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{exact, trajectory};
    use super::super::score::score;
    use super::*;

    #[test]
    fn the_half_width_is_the_conformal_quantile() {
        let errors: Vec<f64> = (1..=19).rev().map(f64::from).collect();
        assert_eq!(half_width(errors), Some(18.0));
        assert_eq!(half_width((1..=8).map(f64::from).collect()), None);
        assert_eq!(half_width((1..=9).map(f64::from).collect()), Some(9.0));
    }

    #[test]
    fn coverage_counts_time_steps_of_all_domains() {
        let scores = |seeds: std::ops::Range<u64>, error: f64| {
            let domains = seeds.map(|seed| {
                let truth = trajectory(seed);
                let mut score = score(&truth, &exact(&seed.to_string(), &truth)).unwrap();
                score.frames.iter_mut().for_each(|frame| frame.saturation += error * (1.0 + seed as f64));
                score
            });
            SequenceScores { source: "run".into(), is_baseline: false, domains: domains.collect() }
        };
        // The widest error of the nine is 0.1; two of four domains lie within it.
        let table = table(&scores(0..9, 0.01 / 0.9), &scores(7..11, 0.0105), "test domains").unwrap();
        assert_eq!(table.rows[0].cells[2], "50.0 % of 24");
        assert!(super::table(&scores(0..8, 0.01), &scores(0..2, 0.01), "").is_none());
    }
}
