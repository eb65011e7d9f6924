//! From datasets to batches: split by domain, channels from geometry, seeded order.

pub mod channels;
mod invasion;
pub mod order;
mod packed;
pub mod split;

pub use invasion::InvasionData;
pub use packed::Mirror;

/// `count` of the frames, evenly spread, the last among them; all of them for 0.
pub fn evenly_spread(frames: &[usize], count: usize) -> Vec<usize> {
    let n = frames.len();
    if count == 0 || count >= n {
        return frames.to_vec();
    }
    (1..=count).map(|i| frames[(i * n).div_ceil(count) - 1]).collect()
}
