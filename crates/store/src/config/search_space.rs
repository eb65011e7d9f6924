//! Maps parameter values to a coordinate from 0 to 1 and back; values are uniform in it.

use rand::RngExt;
use serde_json::Value;

use super::search::{Scale, Values};

/// Draws a value uniformly on its scale.
pub fn draw(values: &Values, generator: &mut impl RngExt) -> Value {
    match values {
        Values::Choice(list) => list[generator.random_range(0..list.len())].clone(),
        _ => at(values, generator.random()),
    }
}

/// The number at a coordinate from 0 to 1.
///
/// # Panics
/// `values` is a choice.
pub fn at(values: &Values, coordinate: f64) -> Value {
    match values {
        Values::Real { low, high, scale: Scale::Linear } => {
            (low + coordinate * (high - low)).clamp(*low, *high).into()
        }
        Values::Real { low, high, scale: Scale::Log } => {
            (low.ln() + coordinate * (high / low).ln()).exp().clamp(*low, *high).into()
        }
        Values::Whole { low, high } => {
            let count = (high - low + 1) as f64;
            (low + (coordinate * count) as i64).clamp(*low, *high).into()
        }
        Values::Choice(_) => panic!("a choice has no coordinate"),
    }
}

/// The coordinate of a number; `None` if `values` is a choice or `value` is not a number.
pub fn coordinate(values: &Values, value: &Value) -> Option<f64> {
    let value = value.as_f64()?;
    match values {
        Values::Real { low, high, scale: Scale::Linear } => Some((value - low) / (high - low)),
        Values::Real { low, high, scale: Scale::Log } => Some((value / low).ln() / (high / low).ln()),
        Values::Whole { low, high } => Some((value - *low as f64 + 0.5) / (high - low + 1) as f64),
        Values::Choice(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_at_its_coordinate() {
        let log = Values::Real { low: 1e-4, high: 1.0, scale: Scale::Log };
        let linear = Values::Real { low: -2.0, high: 6.0, scale: Scale::Linear };
        for (values, place, number) in [(&log, 0.5, 1e-2), (&linear, 0.25, 0.0), (&linear, 1.0, 6.0)] {
            let found = at(values, place);
            assert!((found.as_f64().expect("a number") - number).abs() < 1e-12);
            assert!((coordinate(values, &found).expect("a coordinate") - place).abs() < 1e-12);
        }
        let whole = Values::Whole { low: 1, high: 4 };
        let found: Vec<_> = [0.0, 0.24, 0.26, 0.99, 1.0].map(|place| at(&whole, place).as_i64()).to_vec();
        assert_eq!(found, [Some(1), Some(1), Some(2), Some(4), Some(4)]);
        assert_eq!(coordinate(&whole, &Value::from(1)), Some(0.125));
    }
}
