//! Dice coefficient.

use super::Confusion;
use super::confusion::ratio;

impl Confusion {
    /// Dice coefficient, 2 TP / (2 TP + FP + FN) (Dice 1945); 1 when both are empty.
    pub fn dice(&self) -> f64 {
        ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_by_hand() {
        let counts = Confusion { true_positive: 3, false_positive: 1, false_negative: 3, true_negative: 9 };
        assert_eq!(counts.dice(), 0.6);
        assert_eq!(Confusion { true_negative: 4, ..Confusion::default() }.dice(), 1.0);
    }
}
