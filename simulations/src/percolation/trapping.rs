//! Finds the invaded pixels that could drain to the outlet, by going backwards through the invasion.

use super::grid::Grid;
use super::invasion::Invasion;
use crate::Side;

/// State of a pixel. Backwards in time the defending fluid returns pixel by pixel.
#[derive(Clone, Copy, PartialEq)]
enum Defender {
    /// Solid, frame, or still invaded at this time.
    Absent,
    /// Present, with no path to the outlet at this time.
    CutOff,
    /// Present, with a path to the outlet.
    Connected,
}

/// For each pixel of the framed image, whether it had a path to the outlet when it was invaded. Pixels of one
/// step are assumed to leave together; the path of one may lead through others.
pub(super) fn escaping(invasion: &Invasion, outlet: Side) -> Vec<bool> {
    let grid = invasion.grid;
    let mut escapes = vec![false; grid.len()];
    let mut defender = vec![Defender::Absent; grid.len()];
    for index in grid.beyond(outlet) {
        defender[index] = Defender::Connected;
    }
    let mut stack = Vec::new();
    for pixels in invasion.batches().skip(1).collect::<Vec<_>>().into_iter().rev() {
        for &pixel in pixels {
            let pixel = pixel as usize;
            defender[pixel] = Defender::CutOff;
            if grid.neighbours(pixel).iter().any(|&next| defender[next] == Defender::Connected) {
                connect(grid, pixel, &mut defender, &mut stack);
            }
        }
        for &pixel in pixels {
            escapes[pixel as usize] = defender[pixel as usize] == Defender::Connected;
        }
    }
    escapes
}

/// Connects the cut-off cluster of `pixel` to the outlet. Each pixel is connected only once, so the whole
/// backward pass is linear in the number of pixels.
fn connect(grid: Grid, pixel: usize, defender: &mut [Defender], stack: &mut Vec<usize>) {
    defender[pixel] = Defender::Connected;
    stack.push(pixel);
    while let Some(pixel) = stack.pop() {
        for next in grid.neighbours(pixel) {
            if defender[next] == Defender::CutOff {
                defender[next] = Defender::Connected;
                stack.push(next);
            }
        }
    }
}
