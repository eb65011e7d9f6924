//! The nine populations and streaming without memory moves.
//!
//! Streaming shifts every population by its velocity. In memory that is the same distance for all sites, so
//! the values stay in place and the origin of each array moves instead. After [`STEPS_BETWEEN_MOVES`] steps
//! all values are moved back at once. One copy of the populations is enough, and collision works in place.
//!
//! Populations that stream out of walls were written there before: see [`Links`](super::boundary::Links).

use super::layout::Layout;
use super::real::Real;
use super::stencil::{Q, VELOCITIES, each};

const STEPS_BETWEEN_MOVES: usize = 32;

#[derive(Debug, Clone)]
pub(super) struct Populations<T> {
    values: [Vec<T>; Q],
    origins: [usize; Q],
    offsets: [isize; Q],
    sites: usize,
    steps_until_move: usize,
}

impl<T: Real> Populations<T> {
    /// A fluid at rest with density 1.
    pub fn at_rest(layout: &Layout) -> Self {
        let slack = STEPS_BETWEEN_MOVES * (layout.stride + 1);
        let offsets = VELOCITIES.map(|velocity| layout.offset(velocity));
        Self {
            values: std::array::from_fn(|_| vec![T::default(); layout.len() + slack]),
            origins: offsets.map(|offset| Self::home(offset, slack)),
            offsets,
            sites: layout.len(),
            steps_until_move: STEPS_BETWEEN_MOVES,
        }
    }

    /// The initial origin. Origins decrease for positive offsets and increase for negative ones.
    fn home(offset: isize, slack: usize) -> usize {
        if offset > 0 { slack } else { 0 }
    }

    /// Population i of all sites, including the frame.
    pub fn all(&self) -> [&[T]; Q] {
        each(|i| &self.values[i][self.origins[i]..][..self.sites])
    }

    /// Like [`all`](Self::all), but mutable.
    pub fn all_mut(&mut self) -> [&mut [T]; Q] {
        let mut origins = self.origins.iter();
        self.values.each_mut().map(|values| {
            let origin = *origins.next().expect("one origin for each population");
            &mut values[origin..][..self.sites]
        })
    }

    /// Moves every population by its velocity.
    pub fn stream(&mut self) {
        if self.steps_until_move == 0 {
            let slack = self.values[0].len() - self.sites;
            for i in 0..Q {
                let (from, to) = (self.origins[i], Self::home(self.offsets[i], slack));
                self.values[i].copy_within(from..from + self.sites, to);
                self.origins[i] = to;
            }
            self.steps_until_move = STEPS_BETWEEN_MOVES;
        }
        for (origin, &offset) in self.origins.iter_mut().zip(&self.offsets) {
            *origin = origin.wrapping_add_signed(-offset);
        }
        self.steps_until_move -= 1;
    }
}
