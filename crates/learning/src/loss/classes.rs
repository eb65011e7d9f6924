//! Loss terms of annotated images, in which each pixel has one of any number of classes.
//!
//! A single logit z stands for two logits, 0 for class 0 and z for class 1 (foreground); the
//! overlap then leaves out class 0.

use std::cell::LazyCell;

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Bool, Tensor, TensorData, backend::Backend};
use porecast_imaging::Background;
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

use super::{Overlap, cross_entropy, dice, focal, inverse_dice, iou, switching};
use porecast_store::config::loss::Term;
use porecast_store::config::segmentation_loss::{SegmentationLossConfig, SegmentationWeights};

/// Evaluates the loss terms of annotated images.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    pub(super) config: SegmentationLossConfig,
    pub(super) class_weights: Vec<f32>,
}

impl Classes {
    /// The value of each term.
    ///
    /// # Shapes
    /// `logits` `[n, k, h, w]`, one for each class or a single one for two classes; `target`
    /// (classes) and `scored` (0 or 1) `[n, 1, h, w]`.
    pub(super) fn values<B: Kernels>(
        &self,
        terms: &[(Term, f64)],
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Vec<Tensor<B, 1>> {
        let config = &self.config;
        let is_single = logits.dims()[1] == 1;
        let log_p = if is_single {
            Tensor::cat(vec![log_sigmoid(-logits.clone()), log_sigmoid(logits)], 1)
        } else {
            log_softmax_channels(logits)
        };
        let g = self.channels(target, log_p.dims()[1]);
        let overlap = LazyCell::new(|| {
            let p = self.compared(log_p.clone(), is_single).exp();
            Overlap::of(p, self.compared(g.clone(), is_single), scored.clone(), config.over)
        });
        let y = || g.clone() * scored.clone();
        let value = |(term, _): &(Term, f64)| match term {
            Term::CrossEntropy => cross_entropy(log_p.clone(), self.weighted(y())),
            Term::Focal => {
                focal(log_p.clone(), y(), &self.focal_weights(is_single, g.dims()[1]), config.focal_gamma)
            }
            Term::Dice => dice(&overlap),
            Term::InverseDice => inverse_dice(&overlap),
            Term::Switching => switching(&overlap, config.switching_lambda, config.switching_threshold),
            Term::Iou => iou(&overlap),
            Term::SquaredError | Term::BinaryCrossEntropy | Term::VolumeHard | Term::VolumeSoft => {
                unreachable!("SegmentationLossConfig has no such term")
            }
        };
        terms.iter().map(value).collect()
    }

    /// Target `[n, classes, h, w]`: 1 in the channel of the class. On a grey or white background,
    /// the complement of the target grey level and that level.
    fn channels<B: Backend>(&self, target: Tensor<B, 4>, classes: usize) -> Tensor<B, 4> {
        let channel = |class| target.clone().equal_elem(class as f32).float();
        let channels = Tensor::cat((0..classes).map(channel).collect(), 1);
        if self.config.background == Background::Black {
            return channels;
        }
        let (dark, bright) = self.config.background.levels();
        let grey = channels.narrow(1, 1, 1) * (bright - dark) + dark;
        Tensor::cat(vec![-grey.clone() + 1.0, grey], 1)
    }

    /// Channels that enter the overlap: all but the excluded ones; with a single logit only the
    /// foreground.
    fn compared<B: Backend>(&self, x: Tensor<B, 4>, is_single: bool) -> Tensor<B, 4> {
        let is_kept = |class: &usize| !self.config.excluded.contains(class);
        let kept: Vec<_> = (usize::from(is_single)..x.dims()[1]).filter(is_kept).collect();
        if kept.len() == x.dims()[1] {
            return x;
        }
        Tensor::cat(kept.into_iter().map(|class| x.clone().narrow(1, class, 1)).collect(), 1)
    }

    fn weighted<B: Backend>(&self, y: Tensor<B, 4>) -> Tensor<B, 4> {
        let classes = y.dims()[1];
        let weights = if self.config.class_weights == SegmentationWeights::Dynamic {
            let counts = y.clone().sum_dim(0).sum_dim(2).sum_dim(3);
            let is_absent = counts.clone().lower_elem(0.5).float();
            (-is_absent.clone() + 1.0) / (counts + is_absent)
        } else {
            let weights = TensorData::from(self.class_weights.as_slice());
            Tensor::<B, 1>::from_data(weights, &y.device()).reshape([1, classes, 1, 1])
        };
        y * weights
    }

    /// With a single logit, 1 − α for the background and α for the foreground; with several
    /// classes, 0 for the excluded ones and 1 for the others.
    fn focal_weights(&self, is_single: bool, classes: usize) -> Vec<f32> {
        if is_single {
            let alpha = self.config.focal_alpha as f32;
            return vec![1.0 - alpha, alpha];
        }
        let is_excluded = |class| self.config.excluded.contains(&class);
        (0..classes).map(|class| if is_excluded(class) { 0.0 } else { 1.0 }).collect()
    }

    /// True positives, predicted positives and actual positives among the scored pixels, for each
    /// class but the background.
    pub(super) fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let classes = logits.dims()[1].max(2);
        let predicted =
            if logits.dims()[1] == 1 { self.is_foreground(logits).float() } else { logits.argmax(1).float() };
        let counts = (1..classes).flat_map(|class| {
            let predicted = predicted.clone().equal_elem(class as f32).float() * scored.clone();
            let actual = target.clone().equal_elem(class as f32).float() * scored.clone();
            [(predicted.clone() * actual.clone()).sum(), predicted.sum(), actual.sum()]
        });
        Tensor::cat(counts.collect(), 0)
    }

    /// Where the predicted grey level is nearer to the target's than to the background's.
    fn is_foreground<B: Backend>(&self, logits: Tensor<B, 4>) -> Tensor<B, 4, Bool> {
        let (background, target) = self.config.background.levels();
        let between = f32::midpoint(background, target);
        let logit = (between / (1.0 - between)).ln();
        if target > background { logits.greater_elem(logit) } else { logits.lower_elem(logit) }
    }

    /// Mean Dice coefficient, from summed [`counts`](Self::counts), over the classes that are
    /// predicted or present, without the background and excluded classes; 1 if there are none.
    pub(super) fn mean_dice(&self, counts: &[f64]) -> f64 {
        let of_classes = counts.chunks_exact(3).enumerate().filter_map(|(index, of_class)| {
            let total = of_class[1] + of_class[2];
            let counts = total > 0.0 && !self.config.excluded.contains(&(index + 1));
            counts.then(|| 2.0 * of_class[0] / total)
        });
        let dice: Vec<f64> = of_classes.collect();
        if dice.is_empty() { 1.0 } else { dice.iter().sum::<f64>() / dice.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Objective, Terms};
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use porecast_store::config::segmentation_loss::Over;
    use proptest::prelude::*;

    type Ad = Autodiff<Flex>;

    fn tensor<B: Backend>(values: &[f32], shape: [usize; 4]) -> Tensor<B, 4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
    }

    fn classes<B: Backend>(values: &[i64], [n, h, w]: [usize; 3]) -> Tensor<B, 4> {
        tensor(&values.iter().map(|class| *class as f32).collect::<Vec<_>>(), [n, 1, h, w])
    }

    fn value(config: SegmentationLossConfig, weights: &[f32], z: &[f32], g: &[i64], m: [f32; 4]) -> f64 {
        let k = z.len() / 4;
        let loss = Objective::of_classes(config, weights.to_vec());
        let terms = loss.evaluate(
            vec![tensor::<Flex>(z, [1, k, 2, 2])],
            classes(g, [1, 2, 2]),
            tensor(&m, [1, 1, 2, 2]),
        );
        f64::from(terms.total.into_scalar())
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5, "{found} instead of {expected}");
    }

    fn config(change: impl FnOnce(&mut SegmentationLossConfig)) -> SegmentationLossConfig {
        let mut config = SegmentationLossConfig::default();
        change(&mut config);
        config
    }

    #[test]
    fn the_mean_dice_is_of_the_classes_that_occur() {
        let counts = |z: &[f32], g: &[f32], m: [f32; 4], excluded: &[usize]| {
            let loss = Objective::of_classes(config(|c| c.excluded = excluded.to_vec()), vec![]);
            let logits = tensor::<Flex>(z, [1, z.len() / 4, 2, 2]);
            let counts = loss.counts(logits, tensor(g, [1, 1, 2, 2]), tensor(&m, [1, 1, 2, 2]));
            let counts: Vec<f64> = counts.into_data().iter::<f64>().collect();
            let dice = 1.0 - loss.error(&counts);
            (counts, dice)
        };
        let (found, dice) = counts(&[1.0, 1.0, -1.0, 3.0], &[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0], &[]);
        assert_eq!((found, dice), (vec![1.0, 2.0, 2.0], 0.5));
        // Predicted: 1, 2, 0, 1.
        let z = [0.0, 0.0, 5.0, 0.0, 2.0, 1.0, 0.0, 1.0, 1.0, 2.0, 0.0, 0.0];
        let all = [1.0; 4];
        assert_eq!(counts(&z, &[1.0, 2.0, 0.0, 0.0], all, &[]).1, (2.0 / 3.0 + 1.0) / 2.0);
        assert_eq!(counts(&z, &[1.0, 2.0, 0.0, 0.0], all, &[1]).1, 1.0);
        assert_eq!(counts(&z, &[0.0; 4], [0.0; 4], &[]).1, 1.0);
    }

    #[test]
    fn pictures_on_grey_and_white_by_hand() {
        let of = |change: fn(&mut SegmentationLossConfig)| {
            value(config(change), &[1.0, 1.0], &binary(), &TRUTH, SCORED)
        };
        let (ln2, ln43, ln4) = (2f64.ln(), (4f64 / 3.0).ln(), 4f64.ln());
        // p = 1/2, 3/4, 1/4 against 1, 1/2, 1/2 on grey and 0, 1, 1 on white.
        let grey = (ln2 + 0.5 * (ln43 + ln4) + 0.5 * (ln4 + ln43)) / 3.0;
        close(of(|c| (c.cross_entropy, c.background) = (1.0, Background::Grey)), grey);
        close(of(|c| (c.dice, c.background) = (1.0, Background::Grey)), 1.0 - 2.0 * 1.0 / 3.5);
        close(of(|c| (c.cross_entropy, c.background) = (1.0, Background::White)), (ln2 + ln43 + ln4) / 3.0);
        close(of(|c| (c.dice, c.background) = (1.0, Background::White)), 1.0 - 2.0 * 1.0 / 3.5);

        // Foreground: above 3/4 on grey, below 1/2 on white.
        let predicted = |background| {
            let loss = Objective::of_classes(config(|c| c.background = background), vec![]);
            let logits = tensor::<Flex>(&[1.0, 1.2, -1.0, 0.1], [1, 1, 2, 2]);
            let ones = tensor(&[1.0; 4], [1, 1, 2, 2]);
            loss.counts(logits, ones.clone(), ones).into_data().iter::<f64>().nth(1)
        };
        assert_eq!(predicted(Background::Black), Some(3.0));
        assert_eq!(predicted(Background::Grey), Some(1.0));
        assert_eq!(predicted(Background::White), Some(1.0));
    }

    /// p = 1/2, 3/4, 1/4, 1/2 as logits.
    fn binary() -> [f32; 4] {
        let ln3 = 3f32.ln();
        [0.0, ln3, -ln3, 0.0]
    }

    const TRUTH: [i64; 4] = [1, 0, 0, 1];
    const SCORED: [f32; 4] = [1.0, 1.0, 1.0, 0.0];

    #[test]
    fn one_logit_by_hand() {
        let of = |change: fn(&mut SegmentationLossConfig)| {
            value(config(change), &[1.0, 1.0], &binary(), &TRUTH, SCORED)
        };
        let (ln2, ln43, ln4) = (2f64.ln(), (4f64 / 3.0).ln(), 4f64.ln());
        close(of(|c| c.cross_entropy = 1.0), (ln2 + ln4 + ln43) / 3.0);
        // Foreground: both 1/2, predicted 3/2, actual 1.
        close(of(|c| c.dice = 1.0), 1.0 - 1.0 / 2.5);
        close(of(|c| c.iou = 1.0), 1.0 - 0.5 / 2.0);
        // Background: both 1/4 + 3/4, predicted 3/2, actual 2.
        close(of(|c| c.inverse_dice = 1.0), 1.0 - 2.0 / 3.5);
        close(of(|c| c.switching = 1.0), 0.75 * 0.6 + 0.25 * (1.0 - 2.0 / 3.5));
        let focal = (0.25 * 0.25 * ln2 + 0.75 * (0.5625 * ln4 + 0.0625 * ln43)) / 3.0;
        close(of(|c| c.focal = 1.0), focal);
        close(
            of(|c| {
                c.dice = 1.0;
                c.focal = 2.0;
            }),
            0.6 + 2.0 * focal,
        );
    }

    #[test]
    fn class_weights_by_hand() {
        let ln = |x: f64| x.ln();
        let (of_one, of_zero) = (ln(2.0), ln(4.0) + ln(4.0 / 3.0));
        let given = config(|c| {
            c.cross_entropy = 1.0;
            c.class_weights = SegmentationWeights::Given(vec![1.0, 3.0]);
        });
        close(value(given, &[1.0, 3.0], &binary(), &TRUTH, SCORED), (3.0 * of_one + of_zero) / 5.0);
        let dynamic = config(|c| {
            c.cross_entropy = 1.0;
            c.class_weights = SegmentationWeights::Dynamic;
        });
        close(value(dynamic.clone(), &[], &binary(), &TRUTH, SCORED), (of_one + of_zero / 2.0) / 2.0);
        // Only class 0 occurs.
        close(value(dynamic, &[], &binary(), &[0; 4], SCORED), (ln(2.0) + of_zero) / 3.0);
    }

    /// Logits of p = (1/4, 1/4, 1/2) everywhere.
    fn three() -> [f32; 12] {
        let mut z = [0.0; 12];
        z[8..].fill(2f32.ln());
        z
    }

    #[test]
    fn several_classes_by_hand() {
        let truth = [0, 1, 2, 2];
        let of = |change: fn(&mut SegmentationLossConfig)| {
            value(config(change), &[1.0; 3], &three(), &truth, [1.0; 4])
        };
        let (ln2, ln4) = (2f64.ln(), 4f64.ln());
        close(of(|c| c.cross_entropy = 1.0), (2.0 * ln4 + 2.0 * ln2) / 4.0);
        let of_class = |both: f64, predicted: f64, actual: f64| 1.0 - both / (predicted + actual - both);
        let [zero, one, two] = [of_class(0.25, 1.0, 1.0), of_class(0.25, 1.0, 1.0), of_class(1.0, 2.0, 2.0)];
        close(of(|c| c.iou = 1.0), (zero + one + two) / 3.0);
        close(
            of(|c| {
                c.iou = 1.0;
                c.excluded = vec![0];
            }),
            (one + two) / 2.0,
        );
        close(
            of(|c| {
                c.focal = 1.0;
                c.focal_gamma = 1.0;
                c.excluded = vec![0];
            }),
            (0.75 * ln4 + 2.0 * 0.5 * ln2) / 3.0,
        );
    }

    #[test]
    fn one_logit_is_two_with_the_first_at_zero() {
        let z = [0.3, -1.2, 2.0, 0.1];
        let mut two = vec![0.0; 4];
        two.extend(z);
        let base = config(|c| {
            c.cross_entropy = 1.0;
            c.dice = 1.0;
            c.inverse_dice = 1.0;
            c.switching = 1.0;
        });
        let foreground = SegmentationLossConfig { excluded: vec![0], ..base.clone() };
        close(
            value(base, &[1.0, 2.0], &z, &TRUTH, SCORED),
            value(foreground, &[1.0, 2.0], &two, &TRUTH, SCORED),
        );
    }

    #[test]
    fn nothing_scored_is_nothing_lost() {
        let all = config(|c| {
            c.cross_entropy = 1.0;
            c.focal = 1.0;
            c.dice = 1.0;
            c.inverse_dice = 1.0;
            c.switching = 1.0;
            c.iou = 1.0;
        });
        close(value(all.clone(), &[1.0; 2], &binary(), &TRUTH, [0.0; 4]), 0.0);
        // A confident correct prediction has almost no loss, a confident wrong one a finite loss.
        let sure = [40.0, -40.0, -40.0, 40.0];
        close(value(all.clone(), &[1.0; 2], &sure, &TRUTH, [1.0; 4]), 0.0);
        let wrong = value(all, &[1.0; 2], &sure.map(|z| -1e3 * z), &TRUTH, [1.0; 4]);
        assert!(wrong.is_finite() && wrong > 4.0, "{wrong}");
    }

    #[test]
    fn heads_are_weighted_and_see_every_second_pixel() {
        let config = config(|c| {
            c.cross_entropy = 1.0;
            c.dice = 0.5;
            c.levels = vec![1.0, 0.25];
        });
        let loss = Objective::of_classes(config, vec![1.0, 1.0]);
        let fine = tensor::<Flex>(&[0.5, -0.5, 1.0, 0.3, -2.0, 0.7, 0.0, 1.5, -0.2], [1, 1, 3, 3]);
        let coarse = tensor::<Flex>(&[1.0, -1.0, 0.5, 2.0], [1, 1, 2, 2]);
        let truth = classes(&[1, 0, 0, 1, 1, 1, 0, 1, 1], [1, 3, 3]);
        let scored = tensor(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0], [1, 1, 3, 3]);
        let total = |terms: Terms<Flex>| f64::from(terms.total.into_scalar());
        let together = loss.evaluate(vec![fine.clone(), coarse.clone()], truth.clone(), scored.clone());
        assert_eq!(together.values.dims(), [2]);
        let finest = total(loss.evaluate(vec![fine], truth, scored));
        let second = total(loss.evaluate(
            vec![coarse],
            classes(&[1, 0, 0, 1], [1, 2, 2]),
            tensor(&[1.0, 1.0, 0.0, 1.0], [1, 1, 2, 2]),
        ));
        close(total(together), finest + 0.25 * second);
    }

    fn all_terms(k: usize, weights: SegmentationWeights, over: Over) -> Objective {
        let config = config(|c| {
            c.cross_entropy = 0.7;
            c.focal = 1.3;
            c.dice = 0.5;
            c.inverse_dice = 0.4;
            c.switching = 0.3;
            c.iou = 0.25;
            c.class_weights = weights;
            c.over = over;
            c.excluded = if k > 1 { vec![0] } else { Vec::new() };
        });
        assert_eq!(config.problems(k, 1), []);
        Objective::of_classes(config, (0..k.max(2)).map(|class| 1.0 + class as f32).collect())
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for k in [1, 2, 3] {
            for (weights, over) in
                [(SegmentationWeights::Equal, Over::Sample), (SegmentationWeights::Dynamic, Over::Batch)]
            {
                let loss = all_terms(k, weights, over);
                let z: Vec<f32> = (0..8 * k).map(|i| ((i * 37 % 17) as f32 - 8.0) / 5.0).collect();
                let g: Vec<i64> = (0..8).map(|i| (i * 5 % 7 % k.max(2)) as i64).collect();
                let m: Vec<f32> = (0..8).map(|i| (i % 5 != 0) as u8 as f32).collect();
                let total = |z: &[f32]| {
                    let terms = loss.evaluate::<Flex>(
                        vec![tensor(z, [2, k, 2, 2])],
                        classes(&g, [2, 2, 2]),
                        tensor(&m, [2, 1, 2, 2]),
                    );
                    f64::from(terms.total.into_scalar())
                };
                let input = tensor::<Ad>(&z, [2, k, 2, 2]).require_grad();
                let terms =
                    loss.evaluate(vec![input.clone()], classes(&g, [2, 2, 2]), tensor(&m, [2, 1, 2, 2]));
                let gradients = terms.total.backward();
                let gradient = input.grad(&gradients).expect("the input has a gradient").into_data();
                for (i, slope) in gradient.iter::<f32>().enumerate() {
                    let step = 1e-2;
                    let (mut up, mut down) = (z.clone(), z.clone());
                    up[i] += step;
                    down[i] -= step;
                    let difference = (total(&up) - total(&down)) / (2.0 * f64::from(step));
                    let error = (difference - f64::from(slope)).abs();
                    assert!(error < 2e-3, "{k} logits, value {i}: {slope} and {difference}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_term_is_bounded(
            z in proptest::collection::vec(-50f32..50.0, 12),
            g in proptest::collection::vec(0i64..3, 4),
            m in proptest::collection::vec(any::<bool>(), 4),
        ) {
            let m: Vec<f32> = m.iter().map(|&b| f32::from(u8::from(b))).collect();
            for k in [1, 3] {
                let g: Vec<i64> = g.iter().map(|class| class % k.max(2)).collect();
                let k = k as usize;
                let loss = all_terms(k, SegmentationWeights::Equal, Over::Sample);
                let terms = loss.evaluate::<Flex>(
                    vec![tensor(&z[..4 * k], [1, k, 2, 2])],
                    classes(&g, [1, 2, 2]),
                    tensor(&m, [1, 1, 2, 2]),
                );
                for ((term, _), value) in terms.weights.iter().zip(terms.values.into_data().iter::<f32>()) {
                    let bound = loss.upper_bound(*term);
                    prop_assert!(value >= -1e-5 && f64::from(value) <= bound, "{term:?} = {value}");
                }
            }
        }
    }
}
