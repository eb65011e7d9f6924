//! Flat indices into an image with a frame of one pixel around it.
//!
//! With the frame, all four neighbours of a pixel exist, so the inner loops need no test for the edge of the
//! image.

use crate::{Domain, Side};

/// An image of `height` x `width` pixels inside its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub height: usize,
    pub width: usize,
}

impl Grid {
    pub fn of(domain: &Domain) -> Self {
        let (height, width) = domain.shape();
        Self { height, width }
    }

    #[inline]
    pub fn stride(self) -> usize {
        self.width + 2
    }

    /// Number of pixels, frame included.
    pub fn len(self) -> usize {
        (self.height + 2) * self.stride()
    }

    #[inline]
    pub fn index(self, y: usize, x: usize) -> usize {
        (y + 1) * self.stride() + x + 1
    }

    /// `(y, x)` of a pixel inside the frame.
    #[inline]
    pub fn coordinates(self, index: u32) -> (usize, usize) {
        let stride = self.stride() as u32;
        ((index / stride) as usize - 1, (index % stride) as usize - 1)
    }

    #[inline]
    pub fn neighbours(self, index: usize) -> [usize; 4] {
        [index - self.stride(), index - 1, index + 1, index + self.stride()]
    }

    pub fn is_on(self, edge: Side, index: u32) -> bool {
        let (y, x) = self.coordinates(index);
        match edge {
            Side::Top => y == 0,
            Side::Bottom => y + 1 == self.height,
            Side::Left => x == 0,
            Side::Right => x + 1 == self.width,
        }
    }

    /// The pixels along an edge of the image.
    pub fn edge(self, edge: Side) -> impl Iterator<Item = usize> {
        let (first, step, count) = match edge {
            Side::Top => (self.index(0, 0), 1, self.width),
            Side::Bottom => (self.height * self.stride() + 1, 1, self.width),
            Side::Left => (self.index(0, 0), self.stride(), self.height),
            Side::Right => (self.stride() + self.width, self.stride(), self.height),
        };
        let count = if self.height == 0 || self.width == 0 { 0 } else { count };
        (0..count).map(move |i| first + i * step)
    }

    /// The frame pixels just outside an edge of the image.
    pub fn beyond(self, edge: Side) -> impl Iterator<Item = usize> {
        let stride = self.stride();
        self.edge(edge).map(move |index| match edge {
            Side::Top => index - stride,
            Side::Bottom => index + stride,
            Side::Left => index - 1,
            Side::Right => index + 1,
        })
    }
}
