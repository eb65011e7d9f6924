//! From the files of a segmentation study to a dataset.

mod split;

pub use split::split_of;

use porecast_imaging::{AnnotatedImage, resize};

use crate::config::segmentation::SourceConfig;

/// An image as its dataset holds it.
pub fn bring(sample: AnnotatedImage, source: &SourceConfig) -> (AnnotatedImage, Option<String>) {
    let sample = match source.resize {
        Some(shape) => resize(&sample, shape),
        None => sample,
    };
    (sample, None)
}
