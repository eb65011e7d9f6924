//! Scaling of stored values to [0, 1].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stored values that are mapped to 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// The range of the stored type (0 to 255, 0 to 65535). Values of other types (signed, more than 16 bits,
    /// floating point) stay as they are if they lie in [0, 1], and are scaled as with `Image` otherwise.
    #[default]
    Type,
    /// The smallest and the largest value of each channel of the image; a constant channel becomes 0.
    Image,
    /// Two fixed values, the same for all images; values outside are clamped.
    Fixed {
        /// Maps to 0.
        low: f32,
        /// Maps to 1.
        high: f32,
    },
}

impl Scaling {
    /// Scales one channel whose stored type has the given range. Pixels that hold one of `fills` have no data:
    /// they do not count in the scaling and become 0. `None` if another pixel is not a finite number.
    pub(super) fn apply(
        self,
        values: &mut [f32],
        type_range: Option<(f32, f32)>,
        fills: &[f32],
    ) -> Option<()> {
        let is_fill = |v: f32| fills.iter().any(|&fill| v == fill || (v.is_nan() && fill.is_nan()));
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for &value in values.iter().filter(|v| !is_fill(**v)) {
            if !value.is_finite() {
                return None;
            }
            (low, high) = (low.min(value), high.max(value));
        }
        let (from, to) = match (self, type_range) {
            (Self::Fixed { low, high }, _) => (low, high),
            (Self::Type, Some(range)) => range,
            (Self::Type, None) if low >= 0.0 && high <= 1.0 => (0.0, 1.0),
            (Self::Type, None) | (Self::Image, _) => (low, high),
        };
        let span = if to > from { to - from } else { 1.0 };
        for value in values {
            *value = if is_fill(*value) { 0.0 } else { ((*value - from) / span).clamp(0.0, 1.0) };
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(scaling: Scaling, values: &[f32], range: Option<(f32, f32)>) -> Option<Vec<f32>> {
        let mut values = values.to_vec();
        scaling.apply(&mut values, range, &[]).map(|()| values)
    }

    #[test]
    fn each_scaling_by_hand() {
        let bytes = Some((0.0, 255.0));
        assert_eq!(scaled(Scaling::Type, &[0.0, 51.0], bytes).unwrap(), [0.0, 0.2]);
        assert_eq!(scaled(Scaling::Image, &[10.0, 30.0, 20.0], bytes).unwrap(), [0.0, 1.0, 0.5]);
        assert_eq!(scaled(Scaling::Image, &[7.0, 7.0], bytes).unwrap(), [0.0, 0.0]);
        let fixed = Scaling::Fixed { low: -30.0, high: 0.0 };
        assert_eq!(scaled(fixed, &[-40.0, -15.0, 3.0], None).unwrap(), [0.0, 0.5, 1.0]);
        assert_eq!(scaled(Scaling::Type, &[0.0, 0.5], None).unwrap(), [0.0, 0.5]);
        assert_eq!(scaled(Scaling::Type, &[-30.0, 0.0], None).unwrap(), [0.0, 1.0]);
        assert_eq!(scaled(Scaling::Type, &[0.0, f32::NAN], None), None);
    }

    #[test]
    fn pixels_without_data_do_not_set_the_scale() {
        for (fill, scaling) in [(-9999.0, Scaling::Image), (f32::NAN, Scaling::Type), (1e30, Scaling::Type)] {
            let mut values = [fill, 2.0, 4.0, 3.0];
            scaling.apply(&mut values, None, &[fill]).unwrap();
            assert_eq!(values, [0.0, 0.0, 1.0, 0.5]);
        }
    }
}
