//! The sentence that a report begins with: who is better, and by how much.

use super::table::number;
use crate::metric::Interval;

/// Fewest samples over which a bootstrap interval is stated.
const FEWEST: usize = 5;

/// Two predictors beside each other, on the same samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Duel<'a> {
    /// The measure, in words.
    pub measure: &'a str,
    /// Whether a higher value is a better one.
    pub higher_is_better: bool,
    /// The samples, such as `12 test domains`, and their number.
    pub samples: (String, usize),
    /// The names.
    pub names: [&'a str; 2],
    /// The mean of each.
    pub means: [f64; 2],
    /// Mean of the first less the second, sample by sample.
    pub difference: Interval,
}

impl Duel<'_> {
    /// The answer in one sentence.
    pub fn sentence(&self) -> String {
        let Interval { mean, low, high } = self.difference;
        let (samples, count) = &self.samples;
        let is_clear = low > 0.0 || high < 0.0;
        let first_wins = (self.means[0] > self.means[1]) == self.higher_is_better;
        let (ahead, behind) = if first_wins { (0, 1) } else { (1, 0) };
        let verdict = capitalised(match is_clear {
            true => format!("{} is better than {}", self.names[ahead], self.names[behind]),
            false => format!("{} and {} do not differ clearly", self.names[0], self.names[1]),
        });
        let [ours, theirs] = [ahead, behind].map(|index| self.means[index]);
        let (low, high) = if mean < 0.0 { (-high, -low) } else { (low, high) };
        if *count < FEWEST {
            return format!(
                "{} has {} {}, {} {}, mean of {samples}: too few to tell whether they differ.",
                capitalised(self.names[ahead].to_owned()).trim_end_matches(','),
                self.measure,
                number(ours),
                self.names[behind].trim_end_matches(','),
                number(theirs),
            );
        }
        format!(
            "{}: {} {} against {}{}, mean of {} (difference {}, 95\u{a0}% interval {} to {}).",
            verdict.trim_end_matches(','),
            self.measure,
            number(ours),
            number(theirs),
            share(ours, theirs),
            samples,
            number(mean.abs()),
            number(low),
            number(high)
        )
    }
}

/// A run by its name; the best baseline is called so.
pub fn called(name: &str, is_baseline: bool) -> String {
    match is_baseline {
        true => format!("the best baseline, {name},"),
        false => name.to_owned(),
    }
}

/// A number of samples of a part, such as `12 test domains`; the part `all` goes without saying.
pub fn counted(count: usize, part: &str, sample: &str) -> String {
    let part = if part == "all" { String::new() } else { format!("{part} ") };
    format!("{count} {part}{sample}{}", if count == 1 { "" } else { "s" })
}

/// Where runs are compared with each other, a sentence on the best baseline.
pub fn baseline_beside(runs: usize, baseline: Option<(&str, Interval)>) -> String {
    match (runs > 1, baseline) {
        (true, Some((name, found))) => format!(" The best baseline, {name}, has {}.", number(found.mean)),
        _ => String::new(),
    }
}

/// A baseline begins a sentence with a capital; the name of a run is left as it is.
fn capitalised(text: String) -> String {
    match text.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => text,
    }
}

/// By how much `ours` is lower or higher than `theirs`, in words; empty where that says nothing.
fn share(ours: f64, theirs: f64) -> String {
    let (percent, word) = match ours < theirs {
        true => (100.0 * (1.0 - ours / theirs), "lower"),
        false => (100.0 * (ours / theirs - 1.0), "higher"),
    };
    match theirs > 0.0 && percent >= 0.5 {
        true => format!(", {percent:.0}\u{a0}% {word}"),
        false => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duel(means: [f64; 2], difference: [f64; 3]) -> String {
        let [mean, low, high] = difference;
        Duel {
            measure: "mean squared error",
            higher_is_better: false,
            samples: ("12 test domains".into(), 12),
            names: ["a", "b"],
            means,
            difference: Interval { mean, low, high },
        }
        .sentence()
    }

    #[test]
    fn the_better_one_is_named_first() {
        assert_eq!(
            duel([0.04, 0.03], [0.01, 0.005, 0.015]),
            "b is better than a: mean squared error 0.0300 against 0.0400, 25\u{a0}% lower, mean of 12 test domains \
             (difference 0.0100, 95\u{a0}% interval 0.0050 to 0.0150)."
        );
        let text = duel([0.03, 0.04], [-0.01, -0.015, -0.005]);
        assert!(text.starts_with("a is better than b"), "{text}");
        assert!(text.contains("difference 0.0100, 95\u{a0}% interval 0.0050 to 0.0150"), "{text}");
    }

    #[test]
    fn a_baseline_begins_the_sentence_with_a_capital() {
        let duel = |names| Duel {
            measure: "Dice coefficient",
            higher_is_better: true,
            samples: ("20 images".into(), 20),
            names,
            means: [0.9, 0.8],
            difference: Interval { mean: 0.1, low: 0.05, high: 0.15 },
        };
        let text = duel(["the best baseline, mean mask,", "a"]).sentence();
        assert!(text.starts_with("The best baseline, mean mask, is better than a: Dice"), "{text}");
        let text = duel(["a", "the best baseline, mean mask,"]).sentence();
        assert!(text.starts_with("a is better than the best baseline, mean mask: Dice"), "{text}");
    }

    #[test]
    fn few_samples_decide_nothing() {
        let duel = Duel {
            measure: "mean squared error",
            higher_is_better: false,
            samples: (counted(2, "test", "domain"), 2),
            names: ["a", "b"],
            means: [0.03, 0.04],
            difference: Interval { mean: -0.01, low: -0.011, high: -0.009 },
        };
        assert_eq!(
            duel.sentence(),
            "a has mean squared error 0.0300, b 0.0400, mean of 2 test domains: too few to tell whether they differ."
        );
    }

    #[test]
    fn an_interval_around_zero_is_no_difference() {
        let text = duel([0.03, 0.04], [-0.01, -0.03, 0.01]);
        assert!(text.starts_with("a and b do not differ clearly"), "{text}");
        assert!(text.contains("interval -0.0100 to 0.0300"), "{text}");
    }
}
