//! Connected regions of a binary image.

use std::ops::Range;

use ndarray::{Array2, ArrayView2};

/// The connected regions of a binary image; pixels are neighbours when they share an edge.
///
/// ```
/// use ndarray::array;
/// use porecast_imaging::components::Components;
///
/// let found = Components::find(array![[true, false, true], [true, false, false]].view());
/// assert_eq!(found.regions().iter().map(|region| region.area).collect::<Vec<_>>(), [2, 1]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    labels: Array2<u32>,
    regions: Vec<Region>,
}

/// A connected region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Number of pixels.
    pub area: usize,
    /// Range of its rows.
    pub rows: Range<usize>,
    /// Range of its columns.
    pub columns: Range<usize>,
}

impl Components {
    /// Finds the regions, numbered from 1 in reading order of their first pixels.
    pub fn find(image: ArrayView2<'_, bool>) -> Self {
        let (height, width) = image.dim();
        // Provisional labels, row by row, and for each label the one it was merged into.
        let mut labels = Array2::zeros((height, width));
        let mut joined: Vec<u32> = vec![0];
        for y in 0..height {
            for x in 0..width {
                if !image[[y, x]] {
                    continue;
                }
                let left = if x > 0 { labels[[y, x - 1]] } else { 0 };
                let above = if y > 0 { labels[[y - 1, x]] } else { 0 };
                labels[[y, x]] = match (left, above) {
                    (0, 0) => {
                        joined.push(joined.len() as u32);
                        joined.len() as u32 - 1
                    }
                    (label, 0) | (0, label) => label,
                    (left, above) => join(&mut joined, left, above),
                };
            }
        }
        let mut numbers = vec![0u32; joined.len()];
        let mut regions: Vec<Region> = Vec::new();
        for ((y, x), label) in labels.indexed_iter_mut().filter(|(_, label)| **label != 0) {
            let root = root(&mut joined, *label) as usize;
            if numbers[root] == 0 {
                regions.push(Region { area: 0, rows: y..y + 1, columns: x..x + 1 });
                numbers[root] = regions.len() as u32;
            }
            *label = numbers[root];
            let region = &mut regions[numbers[root] as usize - 1];
            region.area += 1;
            region.rows.end = y + 1;
            region.columns = region.columns.start.min(x)..region.columns.end.max(x + 1);
        }
        Self { labels, regions }
    }

    /// Number of the region of each pixel `[y, x]`, 0 outside all regions.
    pub fn labels(&self) -> ArrayView2<'_, u32> {
        self.labels.view()
    }

    /// The regions; the first has the number 1.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The pixels of the regions for which `keep` returns true; `keep` receives the index in
    /// [`regions`](Self::regions).
    pub fn keep(&self, keep: impl Fn(usize) -> bool) -> Array2<bool> {
        let kept: Vec<bool> = std::iter::once(false).chain((0..self.regions.len()).map(keep)).collect();
        self.labels.mapv(|label| kept[label as usize])
    }
}

fn root(joined: &mut [u32], mut label: u32) -> u32 {
    while joined[label as usize] != label {
        joined[label as usize] = joined[joined[label as usize] as usize];
        label = joined[label as usize];
    }
    label
}

fn join(joined: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (root(joined, a), root(joined, b));
    joined[a.max(b) as usize] = a.min(b);
    a.min(b)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any binary image up to 12 x 12.
    pub(crate) fn binary_image() -> impl Strategy<Value = Array2<bool>> {
        (1usize..12, 1usize..12).prop_flat_map(|(height, width)| {
            prop::collection::vec(any::<bool>(), height * width)
                .prop_map(move |pixels| Array2::from_shape_vec((height, width), pixels).unwrap())
        })
    }

    proptest! {
        #[test]
        fn labels_equal_those_of_a_flood_fill(image in binary_image()) {
            let (height, width) = image.dim();
            let mut expected = Array2::<u32>::zeros((height, width));
            let mut areas = Vec::new();
            for y in 0..height {
                for x in 0..width {
                    if !image[[y, x]] || expected[[y, x]] != 0 { continue }
                    areas.push(0);
                    let mut stack = vec![(y, x)];
                    while let Some((y, x)) = stack.pop() {
                        if !image[[y, x]] || expected[[y, x]] != 0 { continue }
                        expected[[y, x]] = areas.len() as u32;
                        *areas.last_mut().unwrap() += 1;
                        if y > 0 { stack.push((y - 1, x)) }
                        if x > 0 { stack.push((y, x - 1)) }
                        if y + 1 < height { stack.push((y + 1, x)) }
                        if x + 1 < width { stack.push((y, x + 1)) }
                    }
                }
            }
            let found = Components::find(image.view());
            prop_assert_eq!(found.labels(), expected.view());
            prop_assert_eq!(found.regions().iter().map(|region| region.area).collect::<Vec<_>>(), areas);
            for (label, region) in (1..).zip(found.regions()) {
                let inside = |(y, x): (usize, usize)| region.rows.contains(&y) && region.columns.contains(&x);
                let pixels: Vec<_> =
                    expected.indexed_iter().filter(|(_, l)| **l == label).map(|(at, _)| at).collect();
                prop_assert!(pixels.iter().all(|&at| inside(at)));
                prop_assert!(pixels.iter().any(|at| at.1 == region.columns.start));
                prop_assert!(pixels.iter().any(|at| at.1 + 1 == region.columns.end));
                prop_assert!(pixels.iter().any(|at| at.0 + 1 == region.rows.end));
            }
        }
    }
}
