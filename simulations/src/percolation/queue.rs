//! Priority queue of accessible pixels: the widest first.

/// Pixels sorted by their squared distance to the solid.
///
/// The order of invasion depends only on the squared distance, a small integer, so each value has a bucket.
/// Insertion costs a few instructions, and removal returns all pixels of equal entry pressure at once. Every
/// pixel enters at most once; a bucket is therefore a linked list in one shared array, and no insertion
/// allocates.
pub(super) struct WidestFirst {
    /// First pixel of each bucket; 0, which is a frame pixel, ends a list.
    head: Vec<u32>,
    next: Vec<u32>,
    /// One bit for each bucket that holds pixels.
    occupied: Vec<u64>,
    /// Index of a word of `occupied` after which no bit is set.
    last_word: usize,
}

impl WidestFirst {
    pub fn new(pixels: usize, widest: u32) -> Self {
        let buckets = widest as usize + 1;
        Self {
            head: vec![0; buckets],
            next: vec![0; pixels],
            occupied: vec![0; buckets.div_ceil(64)],
            last_word: 0,
        }
    }

    #[inline]
    pub fn push(&mut self, pixel: usize, squared_radius: u32) {
        let bucket = squared_radius as usize;
        self.next[pixel] = self.head[bucket];
        self.head[bucket] = pixel as u32;
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.last_word = self.last_word.max(bucket / 64);
    }

    /// Moves all pixels of the largest squared distance into `batch` and returns that distance.
    pub fn pop_widest(&mut self, batch: &mut Vec<u32>) -> Option<u32> {
        batch.clear();
        while self.occupied[self.last_word] == 0 {
            self.last_word = self.last_word.checked_sub(1)?;
        }
        let word = &mut self.occupied[self.last_word];
        let bit = word.ilog2();
        *word ^= 1 << bit;
        let bucket = self.last_word * 64 + bit as usize;
        let mut pixel = std::mem::take(&mut self.head[bucket]);
        while pixel != 0 {
            batch.push(pixel);
            pixel = self.next[pixel as usize];
        }
        Some(bucket as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_radii_leave_together_and_widest_first() {
        let mut queue = WidestFirst::new(10, 500);
        let mut batch = Vec::new();
        for (pixel, squared) in [(1, 4), (2, 500), (3, 4), (4, 130)] {
            queue.push(pixel, squared);
        }
        assert_eq!(queue.pop_widest(&mut batch), Some(500));
        assert_eq!(batch, [2]);
        queue.push(5, 131);
        assert_eq!(queue.pop_widest(&mut batch), Some(131));
        assert_eq!(queue.pop_widest(&mut batch), Some(130));
        assert_eq!(queue.pop_widest(&mut batch), Some(4));
        assert_eq!(batch, [3, 1]);
        assert_eq!(queue.pop_widest(&mut batch), None);
        assert!(batch.is_empty());
    }
}
