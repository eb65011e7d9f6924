//! Intersection over union.

use super::Confusion;
use super::confusion::ratio;

impl Confusion {
    /// Intersection over union, TP / (TP + FP + FN) (Jaccard 1912); 1 when both are empty.
    pub fn iou(&self) -> f64 {
        ratio(self.true_positive, self.true_positive + self.false_positive + self.false_negative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_by_hand() {
        let counts = Confusion { true_positive: 3, false_positive: 1, false_negative: 2, true_negative: 9 };
        assert_eq!(counts.iou(), 0.5);
        assert_eq!(Confusion { true_negative: 4, ..Confusion::default() }.iou(), 1.0);
    }
}
