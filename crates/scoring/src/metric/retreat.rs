//! Retreat: pixels that un-invade from one frame to the next.

use std::iter::Sum;
use std::ops::Add;

use ndarray::{ArrayView2, Zip};
use serde::{Deserialize, Serialize};

/// Pixels invaded before, and those of them that are not any more. Counts add over frames and domains.
///
/// Quasi-static drainage never retreats; at finite rate an interface may draw back locally after a jump
/// (Haines 1930), so compare with the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Retreat {
    /// Pixels invaded in the earlier frame but not in the later one.
    pub retreated: u64,
    /// Pixels invaded in the earlier frame.
    pub invaded: u64,
}

impl Retreat {
    /// Counts from `earlier` to `later`.
    ///
    /// # Panics
    /// The shapes differ.
    pub fn count(earlier: ArrayView2<bool>, later: ArrayView2<bool>) -> Self {
        let mut counts = Self::default();
        Zip::from(&earlier).and(&later).for_each(|&earlier, &later| {
            counts.invaded += u64::from(earlier);
            counts.retreated += u64::from(earlier && !later);
        });
        counts
    }

    /// Share of the invaded pixels that retreated; 0 when none was invaded.
    pub fn fraction(&self) -> f64 {
        if self.invaded == 0 { 0.0 } else { self.retreated as f64 / self.invaded as f64 }
    }
}

impl Add for Retreat {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { retreated: self.retreated + other.retreated, invaded: self.invaded + other.invaded }
    }
}

impl Sum for Retreat {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn by_hand() {
        let earlier = array![[true, true], [false, false]];
        let later = array![[true, false], [true, false]];
        let counts = Retreat::count(earlier.view(), later.view());
        assert_eq!(counts, Retreat { retreated: 1, invaded: 2 });
        assert_eq!(counts.fraction(), 0.5);
        assert_eq!((counts + Retreat { retreated: 0, invaded: 2 }).fraction(), 0.25);
    }

    #[test]
    fn growth_and_nothing_do_not_retreat() {
        let (none, all) = (array![[false, false]], array![[true, true]]);
        assert_eq!(Retreat::count(none.view(), all.view()).fraction(), 0.0);
        assert_eq!(Retreat::count(none.view(), none.view()).fraction(), 0.0);
        assert_eq!(Retreat::count(all.view(), none.view()).fraction(), 1.0);
    }
}
