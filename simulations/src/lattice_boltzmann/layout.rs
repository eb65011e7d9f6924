//! Memory layout of the lattice.
//!
//! The sites are stored row by row, with one frame row above and below, one frame column on the left and
//! [`LANES`] on the right. A block is [`LANES`] consecutive sites of a row. Each block of a row starts at the
//! first pore site that no earlier block covers, so that grains are skipped and no block reaches into the
//! next row.

use std::ops::Range;

use ndarray::Array2;

/// Sites per block, processed together.
pub(super) const LANES: usize = 16;

/// Type of a site of the framed lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    Pore,
    Wall,
    /// Periodic image of the pore site at this index.
    Image(u32),
    /// Outside an open end.
    Beyond(super::boundary::Edge),
}

#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub height: usize,
    pub width: usize,
    pub stride: usize,
    pub sites: Vec<Site>,
    /// First site of each block, row by row.
    blocks: Vec<u32>,
    /// Index in `blocks` at which each row starts.
    rows: Vec<usize>,
    surroundings: Vec<Surroundings>,
}

/// The blocks with a site next to those of a block, itself among them.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// Indices in `blocks`, of three rows.
    blocks: [Range<u32>; 3],
    /// Whether a periodic image, of a site anywhere else, is among the sites.
    has_images: bool,
}

impl Layout {
    /// The layout of a medium with a frame of one site. Columns to the right of the frame are walls.
    pub fn new(framed: &Array2<Site>) -> Self {
        let (framed_height, framed_width) = framed.dim();
        let (height, width) = (framed_height - 2, framed_width - 2);
        let stride = Self::framed_index(width, 1, 0);
        let mut sites = vec![Site::Wall; framed_height * stride];
        for ((row, column), &site) in framed.indexed_iter() {
            sites[row * stride + column] = site;
        }
        let mut blocks = Vec::new();
        let mut rows = vec![0];
        for y in 0..height {
            let mut covered = 0;
            for x in 0..width {
                let index = (y + 1) * stride + x + 1;
                if sites[index] == Site::Pore && index >= covered {
                    blocks.push(index as u32);
                    covered = index + LANES;
                }
            }
            rows.push(blocks.len());
        }
        let mut layout = Self { height, width, stride, sites, blocks, rows, surroundings: Vec::new() };
        let around = |y: usize| layout.blocks(&(y..y + 1)).iter().map(move |&at| (y, at as usize));
        layout.surroundings =
            (0..height).flat_map(around).map(|(y, at)| layout.surroundings_of(y, at)).collect();
        layout
    }

    /// The surroundings of the block of row `y` that starts at a site.
    fn surroundings_of(&self, y: usize, at: usize) -> Surroundings {
        // In the rows above, of and below the block.
        let sites = |row: usize| {
            let first = at + row * self.stride - self.stride - 1;
            first..first + LANES + 2
        };
        let blocks = |row: usize| {
            let Some(y) = (y + row).checked_sub(1).filter(|&y| y < self.height) else { return 0..0 };
            let (first, end) = (self.rows[y], self.rows[y + 1]);
            let before = |site: usize| {
                (first + self.blocks[first..end].partition_point(|&at| (at as usize) < site)) as u32
            };
            let sites = sites(row);
            before((sites.start + 1).saturating_sub(LANES))..before(sites.end)
        };
        let is_image = |site: &Site| matches!(site, Site::Image(_));
        Surroundings {
            blocks: [0, 1, 2].map(blocks),
            has_images: (0..3).any(|row| self.sites[sites(row)].iter().any(is_image)),
        }
    }

    /// Index of a site of the framed lattice, in rows and columns of the frame.
    pub fn framed_index(width: usize, row: usize, column: usize) -> usize {
        row * (width + 1 + LANES) + column
    }

    /// Number of sites, frame included.
    pub fn len(&self) -> usize {
        self.sites.len()
    }

    pub fn index(&self, y: usize, x: usize) -> usize {
        (y + 1) * self.stride + x + 1
    }

    /// Memory offset of a neighbour relative to its site.
    #[inline(always)]
    pub fn offset(&self, (ex, ey): (isize, isize)) -> isize {
        ey * self.stride as isize + ex
    }

    pub fn is_pore(&self, index: usize) -> bool {
        self.sites[index] == Site::Pore
    }

    /// Indices of all pore sites.
    pub fn pores(&self) -> impl Iterator<Item = usize> + '_ {
        self.sites.iter().enumerate().filter(|(_, site)| **site == Site::Pore).map(|(index, _)| index)
    }

    /// First sites of the blocks in some rows.
    pub fn blocks(&self, rows: &Range<usize>) -> &[u32] {
        &self.blocks[self.rows[rows.start]..self.rows[rows.end]]
    }

    /// The blocks of a range of rows, each with those around it.
    #[inline(always)]
    pub fn blocks_with_surroundings(
        &self,
        rows: &Range<usize>,
    ) -> impl Iterator<Item = (&u32, &Surroundings)> {
        let range = self.rows[rows.start]..self.rows[rows.end];
        self.blocks[range.clone()].iter().zip(&self.surroundings[range])
    }

    /// Whether a condition on the first site is true for any block of some surroundings. With a periodic image among them
    /// the answer is yes, since its block may be anywhere.
    #[inline(always)]
    pub fn any_block(&self, surroundings: &Surroundings, is: impl Fn(usize) -> bool) -> bool {
        surroundings.has_images
            || surroundings.blocks.iter().any(|row| {
                self.blocks[row.start as usize..row.end as usize].iter().any(|&at| is(at as usize))
            })
    }

    /// Row that splits the blocks of `rows` into two halves of about equal number.
    pub fn middle(&self, rows: &Range<usize>) -> usize {
        let half = (self.rows[rows.start] + self.rows[rows.end]) / 2;
        let middle = self.rows.partition_point(|&first| first < half);
        middle.clamp(rows.start + 1, rows.end - 1)
    }
}

/// The block of `values` at a site.
#[inline(always)]
pub(super) fn block<T>(values: &[T], at: usize) -> &[T; LANES] {
    values[at..].first_chunk().expect("the frame is a block wide")
}

/// The block of `values` at a site, mutable.
#[inline(always)]
pub(super) fn block_mut<T>(values: &mut [T], at: usize) -> &mut [T; LANES] {
    values[at..].first_chunk_mut().expect("the frame is a block wide")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::stencil::VELOCITIES;
    use super::*;

    proptest! {
        #[test]
        fn surroundings_are_the_blocks_with_a_neighbour(
            pores in proptest::collection::vec(proptest::bool::weighted(0.4), 5 * 70),
        ) {
            let (height, width) = (5, 70);
            let framed = Array2::from_shape_fn((height + 2, width + 2), |(row, column)| {
                let is_inside = (1..=height).contains(&row) && (1..=width).contains(&column);
                if is_inside && pores[(row - 1) * width + column - 1] { Site::Pore } else { Site::Wall }
            });
            let layout = Layout::new(&framed);
            let sites = |at: u32| (at as usize..at as usize + LANES).collect::<Vec<_>>();
            for (&at, around) in layout.blocks_with_surroundings(&(0..height)) {
                let near: Vec<usize> = sites(at)
                    .into_iter()
                    .flat_map(|site| VELOCITIES.map(|e| site.wrapping_add_signed(layout.offset(e))))
                    .collect();
                let expected: Vec<usize> = layout
                    .blocks(&(0..height))
                    .iter()
                    .filter(|&&other| sites(other).iter().any(|site| near.contains(site)))
                    .map(|&other| other as usize)
                    .collect();
                let found = std::cell::RefCell::new(Vec::new());
                layout.any_block(around, |at| {
                    found.borrow_mut().push(at);
                    false
                });
                prop_assert_eq!(found.into_inner(), expected);
            }
        }
    }
}
