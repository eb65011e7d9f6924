//! Pressure and speed of a single fluid that flows through the pore space.

use ndarray::Array2;

/// Stop when the residual has fallen by this factor.
const TOLERANCE: f64 = 1e-5;

/// Flow from the first to the last row.
pub(super) struct Flow {
    /// Pressure from 1 at the inlet to 0 at the outlet `[y, x]`; 0 where nothing flows.
    pub pressure: Array2<f32>,
    /// Speed over its mean in the pore space `[y, x]`.
    pub speed: Array2<f32>,
}

/// Solves ∇·(k ∇p) = 0 in the pore space with p = 1 before the first row, p = 0 behind the last and no flow through
/// grains and sides; k is the square of the distance to the nearest grain, as in a slit of that half-width.
///
/// Finite volumes with the harmonic mean of k between pixels, and conjugate gradients with the diagonal as
/// preconditioner.
///
/// # Shapes
/// `squared_distance` `[y, x]`, 0 in solid.
pub(super) fn flow(squared_distance: &Array2<u32>) -> Flow {
    let (height, width) = squared_distance.dim();
    let k: Vec<f32> = squared_distance.iter().map(|&squared| squared as f32).collect();
    let between = |a: f32, b: f32| if a > 0.0 && b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 };
    // Conductance to the pixel above and to the one on the left; the ends lie half a pixel away.
    let mut up: Vec<f32> = (0..k.len() + width)
        .map(|i| if i < width || i >= k.len() { 0.0 } else { between(k[i - width], k[i]) })
        .collect();
    for x in 0..width {
        up[x] = 2.0 * k[x];
        up[k.len() + x] = 2.0 * k[k.len() - width + x];
    }
    let left: Vec<f32> = (0..k.len() + 1)
        .map(|i| if i % width == 0 || i == k.len() { 0.0 } else { between(k[i - 1], k[i]) })
        .collect();
    let mut source = vec![0.0; k.len()];
    source[..width].copy_from_slice(&up[..width]);
    let p = conjugate_gradients(&up, &left, width, &source);

    let speed = Array2::from_shape_fn((height, width), |(y, x)| {
        let i = y * width + x;
        let above = if y > 0 { p[i - width] } else { 1.0 };
        let below = if y + 1 < height { p[i + width] } else { 0.0 };
        let vertical = up[i] * (above - p[i]) + up[i + width] * (p[i] - below);
        let before = if x > 0 { left[i] * (p[i - 1] - p[i]) } else { 0.0 };
        let behind = if x + 1 < width { left[i + 1] * (p[i] - p[i + 1]) } else { 0.0 };
        0.5 * vertical.hypot(before + behind)
    });
    let pores = k.iter().filter(|k| **k > 0.0).count().max(1) as f32;
    let mean = speed.sum() / pores;
    Flow {
        pressure: Array2::from_shape_fn((height, width), |(y, x)| p[y * width + x]),
        speed: if mean > 0.0 { speed / mean } else { speed },
    }
}

/// Solves A x = b, with A x at a pixel the sum of its conductances times the differences to its neighbours; x is 0 where
/// there are no conductances.
///
/// # References
/// Saad (2003), Iterative methods for sparse linear systems, algorithm 9.1.
fn conjugate_gradients(up: &[f32], left: &[f32], width: usize, b: &[f32]) -> Vec<f32> {
    let n = b.len();
    let diagonal: Vec<f32> = (0..n).map(|i| up[i] + up[i + width] + left[i] + left[i + 1]).collect();
    let inverse: Vec<f32> = diagonal.iter().map(|d| if *d > 0.0 { 1.0 / d } else { 0.0 }).collect();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let mut x = vec![0.0; n];
    let mut r = b.to_vec();
    let mut z: Vec<f32> = r.iter().zip(&inverse).map(|(r, d)| r * d).collect();
    // The direction has a row of zeros before and behind the domain.
    let mut p = vec![0.0; n + 2 * width];
    p[width..width + n].copy_from_slice(&z);
    let mut ap = vec![0.0; n];
    let mut rz = dot(&r, &z);
    let target = rz * TOLERANCE * TOLERANCE;
    for _ in 0..n {
        if rz <= target || rz == 0.0 {
            break;
        }
        for (i, out) in ap.iter_mut().enumerate() {
            let centre = i + width;
            *out = diagonal[i] * p[centre]
                - up[i] * p[i]
                - up[i + width] * p[centre + width]
                - left[i] * p[centre - 1]
                - left[i + 1] * p[centre + 1];
        }
        let curvature = dot(&p[width..width + n], &ap);
        if curvature <= 0.0 {
            break;
        }
        let alpha = (rz / curvature) as f32;
        for i in 0..n {
            x[i] += alpha * p[i + width];
            r[i] -= alpha * ap[i];
            z[i] = r[i] * inverse[i];
        }
        let next = dot(&r, &z);
        let beta = (next / rz) as f32;
        p[width..width + n].iter_mut().zip(&z).for_each(|(p, z)| *p = z + beta * *p);
        rz = next;
    }
    x
}

#[cfg(test)]
mod tests {
    use porecast_simulations::domain::distance::squared_distance;

    use super::*;

    #[test]
    fn pressure_falls_linearly_in_a_straight_channel() {
        let solid = Array2::from_shape_fn((20, 5), |(_, x)| x == 0 || x == 4);
        let flow = flow(&squared_distance(&solid));
        for y in 0..20 {
            let expected = 1.0 - (y as f32 + 0.5) / 20.0;
            assert!((flow.pressure[[y, 2]] - expected).abs() < 1e-3);
            assert_eq!(flow.pressure[[y, 0]], 0.0);
        }
        // k is 4 in the middle and 1 beside it.
        let ratio = flow.speed[[10, 2]] / flow.speed[[10, 1]];
        assert!((ratio - 4.0).abs() < 1e-3, "{ratio}");
    }

    #[test]
    fn what_enters_a_row_leaves_it_and_nothing_flows_in_a_closed_pore() {
        let solid = Array2::from_shape_fn((24, 16), |(y, x)| {
            (y % 8 < 3 && (x + 5 * (y / 8)) % 11 < 5)
                || ((18..23).contains(&y) && (10..15).contains(&x) && (y, x) != (20, 12))
        });
        let flow = flow(&squared_distance(&solid));
        assert_eq!(flow.speed[[20, 12]], 0.0);
        assert!(flow.pressure.iter().all(|p| (-1e-3..=1.001).contains(p)));
        let k = squared_distance(&solid).mapv(|squared| squared as f32);
        let through = |y: usize| -> f32 {
            let of_column = |x: usize| {
                let (above, below) = (k[[y - 1, x]], k[[y, x]]);
                let conductance =
                    if above * below > 0.0 { 2.0 * above * below / (above + below) } else { 0.0 };
                conductance * (flow.pressure[[y - 1, x]] - flow.pressure[[y, x]])
            };
            (0..16).map(of_column).sum()
        };
        for y in 2..24 {
            assert!((through(y) / through(1) - 1.0).abs() < 1e-2, "row {y}: {} {}", through(y), through(1));
        }
    }
}
