//! Panels: copies of input rows in which every tap of a kernel is at a fixed offset.
//!
//! There are two layouts. For wide rows there is one padded copy, in which the taps of a kernel row are
//! neighbours: loads are unaligned, and each output row is a separate run. With a horizontal stride of s, every
//! s-th column is in a row of its own. Otherwise there is one copy for each horizontal tap (for each tap if the vertical stride is not one), shifted so that its
//! columns match those of the output. The rows of a tile are then contiguous and form a single run, however
//! narrow they are.

use super::shape::ConvShape;
use crate::ahead::LINE;

/// Floats that may be read beyond the last output pixel of a panel: at most one vector minus one.
const OVERHANG: usize = 16;
/// Rows of at least this width, or of a multiple of the widest vector, use a padded copy with one run per
/// row.
const WIDE: usize = 64;

/// Memory layout of the input of a row tile.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    shape: ConvShape,
    /// Largest number of output rows in a tile.
    pub rows: usize,
    /// Floats from one channel to the next.
    pub channel: usize,
    /// Offset of each tap from an output pixel, kernel rows first.
    pub taps: Vec<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One copy with zeros on the left and right. Input rows are `line` floats apart; in them, columns with the same
    /// remainder by the stride are neighbours, and remainders `phase` floats apart. A row begins after `lead` unused floats, so
    /// that its first pixel is at the beginning of a cache line; with a stride there are none.
    Padded { line: usize, phase: usize, lead: usize },
    /// One copy for each horizontal tap, `copy` floats apart; vertical taps share rows.
    Shifted { copy: usize },
    /// One copy for each tap, `copy` floats apart.
    Gathered { copy: usize },
}

/// Runs of consecutive output pixels in a tile: `count` of `len` pixels, `line` floats apart in the panel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runs {
    pub count: usize,
    pub len: usize,
    pub line: usize,
}

/// A vector of output pixels: its offset in the panel, its first pixel in the tile, and its number of valid
/// pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vector {
    pub from: usize,
    pub to: usize,
    pub live: usize,
}

impl Panel {
    /// A panel for tiles of at most `rows` output rows.
    pub fn new(shape: &ConvShape, rows: usize) -> Self {
        let [kernel_height, kernel_width] = shape.kernel;
        let [down, across] = shape.dilation;
        let width = shape.out_size[1];
        let rows = rows.min(shape.out_size[0]).max(1);
        let in_rows = (rows - 1) * shape.stride[0] + down * (kernel_height - 1) + 1;
        let wide = match shape.stride {
            [1, 1] => width >= WIDE || width.is_multiple_of(16),
            // One copy saves more than vectors that are full for three quarters cost.
            _ => 4 * width >= 3 * width.next_multiple_of(16),
        };
        let (kind, floats) = if wide {
            let lead = match shape.stride[1] {
                1 => shape.padding[1].next_multiple_of(LINE) - shape.padding[1],
                _ => 0,
            };
            let phase = (lead + phase_len(shape)).next_multiple_of(LINE);
            let line = shape.stride[1] * phase;
            (Kind::Padded { line, phase, lead }, in_rows * line)
        } else if shape.stride[0] == 1 {
            let copy = odd_lines(in_rows * width);
            (Kind::Shifted { copy }, kernel_width * copy)
        } else {
            let copy = odd_lines(rows * width);
            (Kind::Gathered { copy }, shape.taps() * copy)
        };
        let mut taps = Vec::with_capacity(shape.taps());
        for y in 0..kernel_height {
            for x in 0..kernel_width {
                taps.push(match kind {
                    Kind::Padded { line, phase, lead } => {
                        let [column, remainder] =
                            [x * across / shape.stride[1], x * across % shape.stride[1]];
                        lead + y * down * line + remainder * phase + column
                    }
                    Kind::Shifted { copy } => x * copy + y * down * width,
                    Kind::Gathered { copy } => (y * kernel_width + x) * copy,
                });
            }
        }
        Self { shape: *shape, rows, channel: odd_lines(floats), taps, kind }
    }

    /// Floats needed for `channels` channels.
    pub fn len(&self, channels: usize) -> usize {
        channels * self.channel + OVERHANG
    }

    /// Floats from row to row if there is one padded copy.
    pub fn padded_line(&self) -> Option<usize> {
        match self.kind {
            Kind::Padded { line, .. } => Some(line),
            Kind::Shifted { .. } | Kind::Gathered { .. } => None,
        }
    }

    /// Output columns.
    pub fn width(&self) -> usize {
        self.shape.out_size[1]
    }

    /// The runs of a tile of `rows` rows.
    pub fn runs(&self, rows: usize) -> Runs {
        let width = self.shape.out_size[1];
        match self.kind {
            Kind::Padded { line, .. } => Runs { count: rows, len: width, line: line * self.shape.stride[0] },
            Kind::Shifted { .. } | Kind::Gathered { .. } => Runs { count: 1, len: rows * width, line: 0 },
        }
    }

    /// The vectors of a tile of `rows` rows, `lanes` pixels each.
    #[inline(always)]
    pub fn vectors(&self, rows: usize, lanes: usize, vectors: &mut Vec<Vector>) {
        let runs = self.runs(rows);
        for run in 0..runs.count {
            for first in (0..runs.len).step_by(lanes) {
                vectors.push(Vector {
                    from: run * runs.line + first,
                    to: run * runs.len + first,
                    live: lanes.min(runs.len - first),
                });
            }
        }
    }

    /// Copies the rows of a tile from its first row on, for a kernel that is one row high.
    #[inline(always)]
    pub fn pack_rows(&self, plane: &[f32], rows: usize, to: &mut [f32]) {
        debug_assert_eq!((self.shape.kernel[0], self.shape.padding[0]), (1, 0));
        debug_assert!(plane.len() >= rows * self.shape.in_size[1]);
        self.pack(plane, 0, rows, to);
    }

    /// Copies one channel of the tile that starts at output row `first_row` and has `rows` rows.
    #[inline(always)]
    pub fn pack(&self, plane: &[f32], first_row: usize, rows: usize, to: &mut [f32]) {
        debug_assert!(rows <= self.rows && to.len() >= self.channel);
        let [height, in_width] = self.shape.in_size;
        let [kernel_height, kernel_width] = self.shape.kernel;
        let [down, across] = self.shape.dilation;
        let [pad_top, pad_left] = self.shape.padding;
        let width = self.shape.out_size[1];
        let source = |row: usize| {
            row.checked_sub(pad_top)
                .filter(|&row| row < height)
                .map(|row| &plane[row * in_width..][..in_width])
        };
        match self.kind {
            Kind::Padded { line, phase, lead } => {
                let [stride, phases] = self.shape.stride;
                for remainder in 0..phases {
                    let columns = Columns::new(in_width, pad_left, remainder, phases, phase_len(&self.shape));
                    for row in 0..(rows - 1) * stride + down * (kernel_height - 1) + 1 {
                        let to = &mut to[lead + row * line + remainder * phase..];
                        columns.copy(source(first_row * stride + row), to);
                    }
                }
            }
            Kind::Shifted { copy } => {
                for x in 0..kernel_width {
                    let columns = Columns::new(in_width, pad_left, x * across, self.shape.stride[1], width);
                    for row in 0..rows + down * (kernel_height - 1) {
                        columns.copy(source(first_row + row), &mut to[x * copy + row * width..]);
                    }
                }
            }
            Kind::Gathered { copy } => {
                for x in 0..kernel_width {
                    let columns = Columns::new(in_width, pad_left, x * across, self.shape.stride[1], width);
                    for y in 0..kernel_height {
                        for row in 0..rows {
                            let to = &mut to[(y * kernel_width + x) * copy + row * width..];
                            columns.copy(source((first_row + row) * self.shape.stride[0] + y * down), to);
                        }
                    }
                }
            }
        }
    }
}

/// Columns of a padded copy with the same remainder by the stride.
fn phase_len(shape: &ConvShape) -> usize {
    shape.out_size[1] + shape.dilation[1] * (shape.kernel[1] - 1) / shape.stride[1]
}

/// Columns `first`, `first + stride`, ... of rows with zeros before them and after them.
#[derive(Clone, Copy)]
struct Columns {
    /// Columns before the row, inside it, and in all.
    before: usize,
    inside: usize,
    count: usize,
    /// The first column inside the row.
    start: usize,
    stride: usize,
}

impl Columns {
    /// `count` columns of a row of `width` pixels with `pad` zeros before it and as many as needed after it.
    fn new(width: usize, pad: usize, first: usize, stride: usize, count: usize) -> Self {
        let before = pad.saturating_sub(first).div_ceil(stride).min(count);
        let start = (first + before * stride).saturating_sub(pad).min(width);
        let inside = (width - start).div_ceil(stride).min(count - before);
        Self { before, inside, count, start, stride }
    }

    /// Copies the columns of a row. A missing row is all zeros.
    #[inline(always)]
    fn copy(&self, from: Option<&[f32]>, to: &mut [f32]) {
        let to = &mut to[..self.count];
        let Some(from) = from else {
            return to.fill(0.0);
        };
        let (left, rest) = to.split_at_mut(self.before);
        let (middle, right) = rest.split_at_mut(self.inside);
        let from = &from[self.start..];
        zero(left);
        if self.stride == 1 {
            for (to, from) in middle.iter_mut().zip(from) {
                *to = *from;
            }
        } else if self.stride == 2 {
            // A constant stride is vectorised. The last column may have no neighbour.
            for (to, pair) in middle.iter_mut().zip(from.as_chunks::<2>().0) {
                *to = pair[0];
            }
            if let (Some(last), Some(from)) = (middle.last_mut(), from.get(2 * self.inside.saturating_sub(1)))
            {
                *last = *from;
            }
        } else {
            for (to, from) in middle.iter_mut().zip(from.iter().step_by(self.stride)) {
                *to = *from;
            }
        }
        zero(right);
    }
}

/// Copies columns `first`, `first + stride`, ... of a row with `pad` zeros before it and as many as needed after it.
#[inline(always)]
pub(crate) fn copy_row(from: Option<&[f32]>, pad: usize, first: usize, stride: usize, to: &mut [f32]) {
    Columns::new(from.map_or(0, <[f32]>::len), pad, first, stride, to.len()).copy(from, to);
}

/// Usually there is a single value, for which a function call would take longer than the copy.
#[inline(always)]
fn zero(values: &mut [f32]) {
    match values {
        [] => {}
        [value] => *value = 0.0,
        values => values.fill(0.0),
    }
}

/// At least `floats`, rounded up to an odd number of cache lines, so that successive blocks use different
/// cache sets.
pub(crate) fn odd_lines(floats: usize) -> usize {
    (floats.div_ceil(16) | 1) * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tap_of_every_pixel_is_at_its_offset() {
        let cases = [
            ([9, 70], [3, 3], [1, 1], [1, 1], [1, 1]),
            ([9, 7], [3, 3], [1, 1], [1, 1], [1, 1]),
            ([9, 7], [3, 3], [2, 2], [1, 1], [1, 1]),
            ([11, 13], [3, 2], [1, 2], [4, 5], [2, 3]),
            ([12, 80], [7, 7], [2, 2], [3, 3], [1, 1]),
            ([13, 31], [3, 3], [2, 2], [1, 1], [1, 1]),
            ([14, 48], [3, 4], [3, 3], [2, 2], [1, 2]),
            ([5, 1], [1, 1], [1, 1], [0, 0], [1, 1]),
            ([6, 66], [3, 3], [1, 1], [2, 2], [2, 2]),
        ];
        for ([height, width], [kh, kw], stride, padding, dilation) in cases {
            let shape =
                ConvShape::new([1, 1, height, width], [1, kh, kw], stride, padding, dilation).unwrap();
            let plane: Vec<f32> = (1..=height * width).map(|i| i as f32).collect();
            let panel = Panel::new(&shape, 2);
            for first_row in (0..shape.out_size[0]).step_by(2) {
                let rows = 2.min(shape.out_size[0] - first_row);
                let mut packed = vec![f32::NAN; panel.len(1)];
                panel.pack(&plane, first_row, rows, &mut packed);
                let runs = panel.runs(rows);
                for pixel in 0..rows * shape.out_size[1] {
                    let (y, x) = (first_row + pixel / shape.out_size[1], pixel % shape.out_size[1]);
                    for (tap, &offset) in panel.taps.iter().enumerate() {
                        let row = (y * stride[0] + tap / kw * dilation[0]).wrapping_sub(padding[0]);
                        let column = (x * stride[1] + tap % kw * dilation[1]).wrapping_sub(padding[1]);
                        let expected =
                            if row < height && column < width { plane[row * width + column] } else { 0.0 };
                        let found = packed[pixel / runs.len * runs.line + pixel % runs.len + offset];
                        assert_eq!(found, expected, "{shape:?} pixel {y},{x} tap {tap}");
                    }
                }
            }
        }
    }
}
