//! Connectivity of pores: clusters, paths from inlet to outlet. Pixels are neighbours when they share an edge
//! (four neighbours).

use std::collections::VecDeque;

use ndarray::Array2;

use crate::{Domain, Error, Side};

/// How a pore pixel is connected to the two open edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoreKind {
    /// Its cluster connects the inlet to the outlet.
    Percolating,
    /// Its cluster touches only one of the two edges: fluid can enter or leave, but not flow through.
    DeadEnd,
    /// Its cluster touches neither edge.
    Isolated,
}

/// Connected clusters of a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Number of the cluster `[y, x]`, counted from 0 in reading order; `None` outside the mask.
    pub labels: Array2<Option<u32>>,
    /// How many clusters there are.
    pub count: usize,
}

impl Clusters {
    /// For each cluster, whether it has a pixel on this edge.
    pub fn touch(&self, edge: Side) -> Vec<bool> {
        let mut touches = vec![false; self.count];
        for label in edge.lane(self.labels.view()).iter().flatten() {
            touches[*label as usize] = true;
        }
        touches
    }
}

/// Numbers the four-connected clusters of `mask`.
pub fn clusters(mask: &Array2<bool>) -> Clusters {
    let (height, width) = mask.dim();
    let mut labels = Array2::from_elem((height, width), None);
    let mut count = 0;
    let mut queue = VecDeque::new();
    for (start, _) in mask.indexed_iter().filter(|&(_, &inside)| inside) {
        if labels[start].is_some() {
            continue;
        }
        labels[start] = Some(count);
        queue.push_back(start);
        while let Some((y, x)) = queue.pop_front() {
            let neighbours = [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)];
            for next in neighbours {
                if mask.get(next) == Some(&true) && labels[next].is_none() {
                    labels[next] = Some(count);
                    queue.push_back(next);
                }
            }
        }
        count += 1;
    }
    Clusters { labels, count: count as usize }
}

/// Pore pixels that fluid entering at `inlet` can reach, `[y, x]`.
pub fn reachable(domain: &Domain, inlet: Side) -> Array2<bool> {
    let clusters = clusters(&domain.pore_space());
    let touches = clusters.touch(inlet);
    clusters.labels.map(|label| label.is_some_and(|label| touches[label as usize]))
}

/// Kind of each pore pixel, `[y, x]`; `None` in solid.
pub fn pore_kinds(domain: &Domain, inlet: Side) -> Array2<Option<PoreKind>> {
    let clusters = clusters(&domain.pore_space());
    let (enters, leaves) = (clusters.touch(inlet), clusters.touch(inlet.opposite()));
    clusters.labels.map(|label| {
        label.map(|label| match (enters[label as usize], leaves[label as usize]) {
            (true, true) => PoreKind::Percolating,
            (false, false) => PoreKind::Isolated,
            _ => PoreKind::DeadEnd,
        })
    })
}

/// Whether a path through pore pixels connects the inlet to the opposite edge.
pub fn percolates(domain: &Domain, inlet: Side) -> bool {
    let clusters = clusters(&domain.pore_space());
    let (enters, leaves) = (clusters.touch(inlet), clusters.touch(inlet.opposite()));
    enters.iter().zip(&leaves).any(|(&enters, &leaves)| enters && leaves)
}

/// The error for a domain in which no path through pore pixels connects the inlet to the opposite edge.
pub fn no_path(inlet: Side) -> Error {
    let outlet = inlet.opposite();
    Error::simulation(format!("the pore space has no path from the {inlet} edge to the {outlet} edge"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#` is solid.
    fn domain(rows: &[&str]) -> Domain {
        let solid =
            Array2::from_shape_fn((rows.len(), rows[0].len()), |(y, x)| rows[y].as_bytes()[x] == b'#');
        Domain { solid, voxel_size_m: 1e-6 }
    }

    #[test]
    fn pores_are_named_by_the_edges_they_touch() {
        let domain = domain(&[
            ".#.#.", //
            ".###.", ".#.##", ".####",
        ]);
        let kinds = pore_kinds(&domain, Side::Top);
        assert_eq!(kinds[[3, 0]], Some(PoreKind::Percolating));
        assert_eq!(kinds[[0, 2]], Some(PoreKind::DeadEnd));
        assert_eq!(kinds[[1, 4]], Some(PoreKind::DeadEnd));
        assert_eq!(kinds[[2, 2]], Some(PoreKind::Isolated));
        assert_eq!(kinds[[0, 1]], None);
        assert!(reachable(&domain, Side::Top)[[1, 4]]);
        assert!(!reachable(&domain, Side::Bottom)[[1, 4]]);
    }

    #[test]
    fn diagonal_contact_does_not_conduct() {
        let diagonal = domain(&[".#", "#."]);
        assert!(!percolates(&diagonal, Side::Top));
        assert!(!percolates(&diagonal, Side::Left));
        assert!(percolates(&domain(&["..", "#."]), Side::Top));
    }

    #[test]
    fn every_pore_belongs_to_one_cluster() {
        let domain = domain(&["..#", "#..", "..#", "#.."]);
        let clusters = clusters(&domain.pore_space());
        assert_eq!(clusters.count, 1);
        assert_eq!(clusters.labels.iter().flatten().count(), domain.pore_count());
    }
}
