//! Polygons around the regions of a mask.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView2};

use crate::components::Components;

/// A pixel corner, (x, y).
type Corner = (u32, u32);

/// Polygons around the connected regions of a binary mask. Filling them reproduces the mask.
///
/// Pixel (y, x) is the square from (x, y) to (x + 1, y + 1), and the polygons run along pixel edges. A region
/// with holes is still one polygon: a slit of zero width connects each hole to a ring on its left. A pixel
/// belongs to the region if its centre lies inside a polygon, by both the even-odd and the winding rule.
pub fn polygons(mask: ArrayView2<'_, bool>) -> Vec<Vec<[f64; 2]>> {
    let found = Components::find(mask);
    (1..=found.regions().len() as u32)
        .map(|label| {
            let region = &found.regions()[label as usize - 1];
            let (top, left) = (region.rows.start, region.columns.start);
            let part = found
                .labels()
                .slice(ndarray::s![region.rows.clone(), region.columns.clone()])
                .mapv(|found| found == label);
            let corners = without_straight_corners(join_rings(rings(&part)));
            corners.iter().map(|&(x, y)| [x as f64 + left as f64, y as f64 + top as f64]).collect()
        })
        .collect()
}

/// Closed rings along the edges of a region, with the region on their right (y downwards). Each ring starts
/// at its first corner in reading order, so the outermost ring comes first.
fn rings(region: &Array2<bool>) -> Vec<Vec<Corner>> {
    let (height, width) = region.dim();
    let inside = |y: i64, x: i64| {
        (0..height as i64).contains(&y) && (0..width as i64).contains(&x) && region[[y as usize, x as usize]]
    };
    // Edges by their first corner; at most two edges start at a corner.
    let mut edges: BTreeMap<(u32, u32), Vec<Corner>> = BTreeMap::new();
    let mut add = |(x, y): (i64, i64), to: (i64, i64)| {
        edges.entry((y as u32, x as u32)).or_default().push((to.0 as u32, to.1 as u32));
    };
    for ((y, x), _) in region.indexed_iter().filter(|(_, inside)| **inside) {
        let (y, x) = (y as i64, x as i64);
        if !inside(y - 1, x) {
            add((x, y), (x + 1, y));
        }
        if !inside(y, x + 1) {
            add((x + 1, y), (x + 1, y + 1));
        }
        if !inside(y + 1, x) {
            add((x + 1, y + 1), (x, y + 1));
        }
        if !inside(y, x - 1) {
            add((x, y + 1), (x, y));
        }
    }
    let mut rings = Vec::new();
    while let Some((&(y, x), _)) = edges.first_key_value() {
        let start = (x, y);
        let (mut ring, mut at, mut heading) = (Vec::new(), start, (1i64, 0i64));
        loop {
            ring.push(at);
            let Some(next) = take_edge(&mut edges, at, heading) else { break };
            heading = (i64::from(next.0) - i64::from(at.0), i64::from(next.1) - i64::from(at.1));
            at = next;
            if at == start {
                break;
            }
        }
        rings.push(ring);
    }
    rings
}

/// Removes and returns the edge that leaves a corner. If there are two, takes the one that turns right, so
/// that pixels that touch only at a corner are traced separately.
fn take_edge(
    edges: &mut BTreeMap<(u32, u32), Vec<Corner>>,
    at: Corner,
    heading: (i64, i64),
) -> Option<Corner> {
    let leaving = edges.get_mut(&(at.1, at.0))?;
    let right = (i64::from(at.0) - heading.1, i64::from(at.1) + heading.0);
    let chosen = leaving.iter().position(|&(x, y)| (i64::from(x), i64::from(y)) == right).unwrap_or(0);
    let next = leaving.swap_remove(chosen);
    if leaving.is_empty() {
        edges.remove(&(at.1, at.0));
    }
    Some(next)
}

/// Connects the holes to the outermost ring by slits.
///
/// The first corner of a hole in reading order is the upper left corner of its top row. To the left of this
/// corner, on the same line, the region continues until it meets a ring that is earlier in reading order and
/// therefore already connected.
fn join_rings(rings: Vec<Vec<Corner>>) -> Vec<Corner> {
    let mut rings = rings.into_iter();
    let mut joined = rings.next().unwrap_or_default();
    for hole in rings {
        let (x, y) = hole[0];
        let position = (0..=x)
            .rev()
            .find_map(|x| joined.iter().position(|&corner| corner == (x, y)))
            .expect("left of a hole there is an edge of its region");
        let back = joined[position];
        let detour = hole.iter().copied().chain([hole[0], back]);
        joined.splice(position + 1..position + 1, detour);
    }
    joined
}

/// Removes corners at which the line goes straight on.
fn without_straight_corners(corners: Vec<Corner>) -> Vec<Corner> {
    let count = corners.len();
    (0..count)
        .filter(|&i| {
            let (before, here, after) =
                (corners[(i + count - 1) % count], corners[i], corners[(i + 1) % count]);
            let forward = |a: u32, b: u32, c: u32| (a < b && b < c) || (a > b && b > c);
            let straight = (before.1 == here.1 && here.1 == after.1 && forward(before.0, here.0, after.0))
                || (before.0 == here.0 && here.0 == after.0 && forward(before.1, here.1, after.1));
            !straight
        })
        .map(|i| corners[i])
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::components::tests::binary_image;
    use ndarray::array;
    use proptest::prelude::*;

    /// Pixels with their centre inside a polygon: (by the even-odd rule, by the winding rule).
    fn fill(polygon: &[[f64; 2]], shape: (usize, usize)) -> (Array2<bool>, Array2<bool>) {
        let crossings = |y: usize, x: usize| {
            let (cx, cy) = (x as f64 + 0.5, y as f64 + 0.5);
            (0..polygon.len()).filter_map(move |i| {
                let ([ax, ay], [bx, by]) = (polygon[i], polygon[(i + 1) % polygon.len()]);
                if (ay > cy) == (by > cy) {
                    return None;
                }
                let at = ax + (cy - ay) / (by - ay) * (bx - ax);
                (at > cx).then_some(if by > ay { 1 } else { -1 })
            })
        };
        (
            Array2::from_shape_fn(shape, |(y, x)| crossings(y, x).count() % 2 == 1),
            Array2::from_shape_fn(shape, |(y, x)| crossings(y, x).sum::<i32>() != 0),
        )
    }

    pub(crate) fn filled(polygons: &[Vec<[f64; 2]>], shape: (usize, usize)) -> Array2<bool> {
        polygons.iter().fold(Array2::from_elem(shape, false), |mask, polygon| mask | fill(polygon, shape).0)
    }

    #[test]
    fn a_square_and_a_ring_by_hand() {
        let square = array![[false, false, false], [false, true, true], [false, true, true]];
        assert_eq!(polygons(square.view()), [[[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]]]);
        let mut ring = Array2::from_elem((3, 3), true);
        ring[[1, 1]] = false;
        let polygon = &polygons(ring.view())[0];
        assert_eq!(fill(polygon, (3, 3)), (ring.clone(), ring));
    }

    #[test]
    fn an_empty_mask_has_no_polygons() {
        assert!(polygons(Array2::from_elem((4, 4), false).view()).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn filling_gives_back_the_mask(mask in binary_image()) {
            let found = polygons(mask.view());
            prop_assert_eq!(found.len(), Components::find(mask.view()).regions().len());
            let (mut even_odd, mut winding) = (Array2::from_elem(mask.dim(), 0), Array2::from_elem(mask.dim(), 0));
            for polygon in &found {
                let (a, b) = fill(polygon, mask.dim());
                even_odd += &a.mapv(u8::from);
                winding += &b.mapv(u8::from);
            }
            // Each pixel is covered once or not at all.
            prop_assert_eq!(&even_odd, &mask.mapv(u8::from));
            prop_assert_eq!(&winding, &even_odd);
        }
    }
}
