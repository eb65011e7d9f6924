//! From datasets to batches: channels from the geometry, augmentation, seeded order.

pub mod channels;
mod invasion;
pub mod order;
mod packed;
mod segmentation;

pub use invasion::{InvasionData, TimedInvasions};
pub use packed::Mirror;
pub use segmentation::{SegmentationData, check_channels, normalize};

use crate::sample::HostBatch;
use order::Pick;
use porecast_base::Result;

/// Training samples of either task.
pub trait Samples: Send + Sync {
    /// A batch of the samples of `picks`, which all have the same size and number of frames.
    ///
    /// # Errors
    /// A sample cannot be read.
    fn batch(&self, picks: &[Pick]) -> Result<HostBatch>;

    /// Height and width of a domain or image.
    fn size(&self, index: usize) -> (usize, usize);

    /// The mirror image that is as likely as the original.
    fn mirror(&self) -> Mirror;
}

/// `count` evenly spread frames, including the last; all frames for 0.
pub fn evenly_spread(frames: &[usize], count: usize) -> Vec<usize> {
    let n = frames.len();
    if count == 0 || count >= n {
        return frames.to_vec();
    }
    (1..=count).map(|i| frames[(i * n).div_ceil(count) - 1]).collect()
}
